package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baraza/sim"
)

const simScenario = `name: Three
duration: 40s
settle: 2m
sites: [hub, {name: clinic, count: 2}]
workload: {rate: 1/s, rows: 8}
faults:
  - {at: 10s, for: 12s, fault: one, sites: [clinic-1]}
  - {every: 10s, for: 3s, fault: [crash, halves]}
expect: [divergent_end == 0]
`

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSimRunAndReplay: a run leaves its files, and the trace can be replayed to
// the same hash; one that was meddled with cannot.
func TestSimRunAndReplay(t *testing.T) {
	file, dir := writeFile(t, "three.yaml", simScenario), filepath.Join(t.TempDir(), "out")
	out := baraza(t, "sim", "run", file, "--seed", "5", "--out", dir).works(t)
	for _, want := range []string{"3 sites, seed 5", "every promise held", "expected divergent_end == 0: yes"} {
		if !strings.Contains(out, want) {
			t.Errorf("sim run does not say %q:\n%s", want, out)
		}
	}
	for _, name := range []string{"report.html", "metrics.csv", "summary.json", "trace.jsonl"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 100 {
			t.Errorf("%s: %v", name, err)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, outside := range []string{"http://", "https://", "src=", "@import", "url("} {
		if strings.Contains(string(page), outside) {
			t.Errorf("the report has %q: it must need nothing from outside", outside)
		}
	}
	trace := filepath.Join(dir, "trace.jsonl")
	if got := baraza(t, "sim", "replay", trace); got.code != 0 || !strings.Contains(got.errOut, "the same run") {
		t.Errorf("replay ends with %d: %s%s", got.code, got.out, got.errOut)
	}
	got := baraza(t, "sim", "replay", trace, "--from-step", "100", "--to-step", "120")
	first, _, _ := strings.Cut(strings.TrimSpace(got.out), " ")
	if got.code != 0 || len(first) != 3 || first < "100" || first > "120" {
		t.Errorf("replay from step 100 begins at %q:\n%s", first, got.out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	other := writeFile(t, "trace.jsonl", strings.Replace(string(text), `"seed":5`, `"seed":6`, 1))
	if got := baraza(t, "sim", "replay", other); got.code != 1 || !strings.Contains(got.errOut, "ANOTHER RUN") {
		t.Errorf("a trace with another seed: exit code %d: %s", got.code, got.errOut)
	}
	stopped := writeFile(t, "trace.jsonl", string(text[:strings.LastIndex(strings.TrimSpace(string(text)), "\n")]))
	if got := baraza(t, "sim", "replay", stopped); got.code != 2 || !strings.Contains(got.errOut, "no last line") {
		t.Errorf("a trace without its end: exit code %d: %s", got.code, got.errOut)
	}
}

// TestSimRunAnswers: the exit codes.
func TestSimRunAnswers(t *testing.T) {
	for _, c := range []struct {
		text, want string
		code       int
	}{
		{strings.Replace(simScenario, "divergent_end == 0", "changes < 1", 1), "expected changes < 1: NO", 1},
		{strings.Replace(simScenario, "sites:", "seats:", 1), `there is no key "seats"`, 2},
		{"sites: 3\nduration: x\n", "duration", 2},
	} {
		got := baraza(t, "sim", "run", writeFile(t, "s.yaml", c.text), "--out", "-")
		if got.code != c.code || !strings.Contains(got.out+got.errOut, c.want) {
			t.Errorf("exit code %d, wanted %d and %q:\n%s%s", got.code, c.code, c.want, got.out, got.errOut)
		}
	}
	if got := baraza(t, "sim", "run", "no/such.yaml"); got.code != 2 || !strings.Contains(got.errOut, "give the path") {
		t.Errorf("no such file: exit code %d: %s", got.code, got.errOut)
	}
}

// TestKeepBroken: a failure is written as a scenario that is the same run.
func TestKeepBroken(t *testing.T) {
	plan := sim.NewPlan(3, 2, 5)
	res := plan.Run()
	bad := &sim.Broken{Seed: 3, Plan: plan, Result: sim.Result{Err: errors.New("it broke\n  here"), Events: res.Events}}
	cmd, dir := newSimCheck(), t.TempDir()
	var out bytes.Buffer
	cmd.SetOut(&out)
	if err := keepBroken(cmd, bad, dir); !errors.Is(err, errSaid) {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "broken-seed-3.yaml")
	if want := "baraza sim replay " + name + " --from-step"; !strings.Contains(out.String(), want) {
		t.Errorf("it says %q, not %q", out.String(), want)
	}
	got := baraza(t, "sim", "replay", name)
	if want := fmt.Sprintf("%d steps, hash %016x", res.Events, res.Hash); got.code != 0 || !strings.Contains(got.out, want) {
		t.Errorf("replay: exit code %d: %s%s\nwanted %s", got.code, got.out, got.errOut, want)
	}
}

// TestSimCheckStops: the end of --time stops a check in the middle of a run, and says that it cannot tell.
func TestSimCheckStops(t *testing.T) {
	began := time.Now()
	got := baraza(t, "sim", "check", "--runs", "1000000", "--sites", "8", "--time", "400ms")
	if took := time.Since(began); got.code != exitCannot || took > time.Minute {
		t.Errorf("exit code %d after %v", got.code, took)
	}
	for _, want := range []string{"--time 400ms is over", "--runs 1 --sites 8 --seed"} {
		if !strings.Contains(got.errOut, want) {
			t.Errorf("it does not say %q: %s", want, got.errOut)
		}
	}
}
