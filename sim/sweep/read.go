package sweep

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"baraza/sim/scenario"
)

const (
	// runsMax bounds how many runs a sweep has.
	runsMax = 100_000
	// problemsMax bounds how many mistakes are told at once.
	problemsMax = 20
	// linesMax bounds the lines of one plot: there are no more ways to draw one.
	linesMax = 4
)

// reader fills a sweep.
type reader struct {
	s        *Sweep
	problems scenario.Problems
	open     func(name string) (string, error) // a file beside the sweep
	base     *scenario.Node
	baseFile string
}

func (r *reader) bad(line int, format string, args ...any) {
	if len(r.problems) < problemsMax {
		r.problems = append(r.problems, fmt.Sprintf("%s:%d: %s", r.s.File, line, fmt.Sprintf(format, args...)))
	}
}

// LoadFile reads a sweep file. The files that it names lie beside it.
func LoadFile(name string) (*Sweep, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: give the path of a sweep file", err)
	}
	return Read(name, string(text), func(other string) (string, error) {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(name), filepath.FromSlash(other)))
		return string(b), err
	})
}

// Read reads a sweep. open returns the text of a file that it, or its base,
// names. What is wrong comes back as scenario.Problems.
func Read(file, text string, open func(name string) (string, error)) (*Sweep, error) {
	root, err := scenario.ReadTree(file, text)
	if err != nil {
		return nil, err
	}
	r := &reader{s: &Sweep{File: file}, open: open}
	r.sweep(root, text)
	if len(r.problems) == 0 {
		r.points()
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return r.s, nil
}

// fields calls read for each key of a mapping; others are mistakes.
func (r *reader) fields(n *scenario.Node, what string, read map[string]func(*scenario.Node)) {
	var known []string
	for key := range read {
		known = append(known, key)
	}
	slices.Sort(known)
	if n.Kind != scenario.Mapping {
		r.bad(n.Line, "%s: this should be keys with values: %s", what, strings.Join(known, ", "))
		return
	}
	for i, key := range n.Keys {
		if do := read[key]; do != nil {
			do(n.Items[i])
			continue
		}
		r.bad(n.Items[i].Line, "%s: there is no key %q: use %s", what, key, strings.Join(known, ", "))
	}
}

// text reads one value.
func (r *reader) text(what, example string, into *string) func(*scenario.Node) {
	return func(n *scenario.Node) {
		if n.Kind != scenario.Scalar {
			r.bad(n.Line, "%s: this should be one value, as in %s", what, example)
			return
		}
		*into = strings.TrimSpace(n.Text)
	}
}

func (r *reader) yes(what string, into *bool) func(*scenario.Node) {
	return func(n *scenario.Node) {
		switch n.Text {
		case "yes", "true", "on":
			*into = true
		case "no", "false", "off":
			*into = false
		default:
			r.bad(n.Line, "%s: %q is neither yes nor no: write yes", what, n.Text)
		}
	}
}

// list calls each for the elements of a list; a single value stands for a list
// of one.
func list(n *scenario.Node, each func(*scenario.Node)) {
	if n.Kind != scenario.List {
		each(n)
		return
	}
	for _, item := range n.Items {
		each(item)
	}
}

func (r *reader) sweep(root *scenario.Node, text string) {
	s := r.s
	var plots []*scenario.Node
	var base string
	r.fields(root, "sweep", map[string]func(*scenario.Node){
		"name":           r.text("name", "What a cut costs", &s.Name),
		"about":          r.text("about", "a sentence", &s.About),
		"base":           func(n *scenario.Node) { r.text("base", "clinics.yaml", &base)(n); r.baseOf(n, base) },
		"scenario":       func(n *scenario.Node) { r.inline(n, text) },
		"seeds":          func(n *scenario.Node) { list(n, r.seeds) },
		"axes":           func(n *scenario.Node) { list(n, r.axis) },
		"plots":          func(n *scenario.Node) { plots = append(plots, n) },
		"counterfactual": r.yes("counterfactual", &s.Counterfactual),
	})
	for _, n := range plots {
		list(n, r.plot)
	}
	if len(r.problems) > 0 {
		return
	}
	if r.base == nil {
		r.bad(root.Line, "base: there is none: add base: clinics.yaml, or scenario: with the scenario under it")
	}
	if len(s.Seeds) == 0 {
		r.bad(root.Line, "seeds: there are none: add seeds: 1-10")
	}
	if len(s.Axes) == 0 {
		r.bad(root.Line, "axes: there are none: add axes: [{path: line.loss, values: [0%%, 1%%]}]")
	}
}

// seeds reads 7, or 1-10.
func (r *reader) seeds(n *scenario.Node) {
	from, to, several := strings.Cut(n.Text, "-")
	if !several {
		to = from
	}
	a, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 64)
	b, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 64)
	if n.Kind != scenario.Scalar || err1 != nil || err2 != nil || b < a || b-a >= runsMax {
		r.bad(n.Line, "seeds: %q is no seed and no range: write it as in 1-10, or [3, 7]", n.Text)
		return
	}
	for seed := a; seed <= b; seed++ {
		if slices.Contains(r.s.Seeds, seed) {
			r.bad(n.Line, "seeds: %d is there twice: take one out", seed)
			return
		}
		r.s.Seeds = append(r.s.Seeds, seed)
	}
}
