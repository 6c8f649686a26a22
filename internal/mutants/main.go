package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// runs is in how many random histories a bug must be found.
var (
	runs  = flag.Int("runs", 1000, "in how many random histories a bug must be found")
	sites = flag.String("sites", "2-5", "how many sites each has")
	only  = flag.String("only", "", "only the bugs whose names have this in them")
	out   = flag.String("out", "", "write the table here too")
	jobs  = flag.Int("jobs", 2, "how many at a time")
)

// result is what became of one bug.
type result struct {
	mutant
	seed  string // of the history that found it; "" when none did
	what  string
	took  time.Duration
	wrong error
}

func main() {
	flag.Parse()
	results := runAll()
	text := table(results)
	fmt.Print(text)
	if *out != "" {
		if err := os.WriteFile(*out, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	code := 0
	for _, r := range results {
		switch {
		case r.wrong != nil:
			fmt.Fprintf(os.Stderr, "%s: %v\n", r.name, r.wrong)
			code = 2
		case r.seed == "" && code == 0:
			code = 1
		}
	}
	os.Exit(code)
}

func runAll() []*result {
	var results []*result
	for _, m := range mutants {
		if strings.Contains(m.name, *only) {
			results = append(results, &result{mutant: m})
		}
	}
	next := make(chan *result)
	var wg sync.WaitGroup
	for range *jobs {
		wg.Go(func() {
			for r := range next {
				start := time.Now()
				r.wrong = r.run()
				r.took = time.Since(start)
				fmt.Fprintf(os.Stderr, "%-70s %s\n", r.name, r.outcome())
			}
		})
	}
	for _, r := range results {
		next <- r
	}
	close(next)
	wg.Wait()
	return results
}

func (r *result) outcome() string {
	switch {
	case r.wrong != nil:
		return "could not be run"
	case r.seed == "":
		return "NOT FOUND"
	}
	return "found at seed " + r.seed
}

// run builds the program with the bug and looks for it.
func (r *result) run() error {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := r.plant(dir)
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "baraza")
	if text, err := exec.Command("go", "build", "-overlay", overlay, "-o", bin, "baraza/cmd/baraza").CombinedOutput(); err != nil {
		return fmt.Errorf("does not build: %s", bytes.TrimSpace(text))
	}
	cmd := exec.Command(bin, "sim", "check", "--runs", fmt.Sprint(*runs), "--sites", *sites, "--seed", "1", "--shrink", "0")
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return err
	}
	if m := seedOf.FindSubmatch(text); m != nil {
		r.seed = string(m[1])
	} else if bytes.Contains(text, []byte("panic:")) {
		r.seed = "?"
	}
	r.what = cause(string(text))
	if r.seed == "" {
		return fmt.Errorf("ended with %w and no seed: %.300s", err, text)
	}
	return nil
}

var seedOf = regexp.MustCompile(`--seed[ =](\d+)`)

// cause is the line that says what was broken.
func cause(text string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

// plant writes the changed file and the overlay that puts it in place.
func (m *mutant) plant(dir string) (overlay string, err error) {
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.from); n != 1 {
		return "", fmt.Errorf("%s has the text to change %d times, not once; bring internal/mutants/list.go up to date", m.file, n)
	}
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.from, m.to, 1)), 0o644); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o644)
}

// table is the outcome in Markdown.
func table(results []*result) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "# Planted bugs\n\nWritten by `make mutants`: each bug is planted in the core by itself, and\n"+
		"`baraza sim check --runs %d --sites %s --seed 1` looks for it.\n\n| planted bug | in | found at seed | as |\n|---|---|---|---|\n", *runs, *sites)
	for _, r := range results {
		seed := r.seed
		if seed == "" {
			seed = "**not found**"
		}
		what := r.what
		if len(what) > 100 {
			what = what[:100] + "…"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.name, r.file, seed, strings.ReplaceAll(what, "|", "\\|"))
	}
	return b.String()
}
