package sweep_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"baraza/sim/scenario"
	"baraza/sim/sweep"
)

const tiny = `name: Tiny
seeds: [1-2, 9]
counterfactual: yes
scenario:
  # two clinics and a hub
  duration: 40s
  settle: 5m
  trace: no
  sites: [{name: hub, clock: {off: 0s}}, {name: clinic, count: 2}]
  workload: {rate: 1/s, rows: 6, mix: {update: 1}}
  faults:
    - {at: 10s, for: 10s, fault: one, sites: [hub]}
axes:
  - {name: topology, path: topology, values: [star, mesh]}
  - name: clock
    values:
      - {label: right, set: {"sites[0].clock.off": 0s}}
      - {label: slow, set: {"sites[0].clock.off": -20s, line.loss: 1%}}
plots:
  - {metric: stale_max, over: topology, by: clock}
  - {metric: cf_wall_undone, over: clock, scale: log}
`

func read(t *testing.T, text string) *sweep.Sweep {
	t.Helper()
	s, err := sweep.Read("tiny.yaml", text, func(string) (string, error) { return "", os.ErrNotExist })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func do(t *testing.T, s *sweep.Sweep, dir string) (results []sweep.Result, ran int) {
	t.Helper()
	results, err := s.Do(context.Background(), sweep.Options{Dir: dir, Workers: 2, Done: func(*sweep.Result, int, int) { ran++ }})
	if err != nil {
		t.Fatal(err)
	}
	return results, ran
}

// TestResume: a sweep that was killed while it wrote a line goes on with what is
// missing, and ends with the figures of one that ran through. Lines of another
// version of the sweep are refused; new seeds are added to old ones.
func TestResume(t *testing.T) {
	s, dir := read(t, tiny), t.TempDir()
	first, ran := do(t, s, dir)
	if ran != 12 || len(first) != 12 || s.Failed(first) > 0 {
		t.Fatalf("%d runs, %d results, %s", ran, len(first), s.Verdict(first))
	}
	name := filepath.Join(dir, "runs.csv")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if err := os.WriteFile(name, []byte(strings.Join(lines[:7], "")+lines[7][:30]), 0o600); err != nil {
		t.Fatal(err)
	}
	again, ran := do(t, s, dir)
	if ran != 6 {
		t.Errorf("six runs were whole, and %d of 12 ran again", ran)
	}
	for i := range first {
		if first[i].Hash != again[i].Hash || first[i].Run != again[i].Run || !slices.Equal(first[i].Figures, again[i].Figures) {
			t.Errorf("run %d is %v after a stop, and was %v", i, again[i], first[i])
		}
	}
	if _, ran := do(t, read(t, strings.Replace(tiny, "seeds: [1-2, 9]", "seeds: [1-3]", 1)), dir); ran != 4 {
		t.Errorf("one new seed at four points: %d runs", ran)
	}
	for _, change := range [][2]string{{"rate: 1/s", "rate: 2/s"}, {"counterfactual: yes\n", ""}, {`off": -20s`, `off": -21s`}} {
		other := read(t, strings.Replace(strings.Replace(tiny, change[0], change[1], 1), "  - {metric: cf_wall_undone, over: clock, scale: log}\n", "", 1))
		if _, err := other.Do(context.Background(), sweep.Options{Dir: dir, Workers: 1}); err == nil || !strings.Contains(err.Error(), "give another --out") {
			t.Errorf("with %q it goes on: %v", change[1], err)
		}
	}
	figures(t, s, again)
	output(t, s, again, dir)
}

// figures: what is varied makes a difference, and a right clock undoes nothing
// that its writer saw.
func figures(t *testing.T, s *sweep.Sweep, results []sweep.Result) {
	t.Helper()
	metric := func(name string) int {
		for i, m := range s.Metrics() {
			if m.Name == name {
				return i
			}
		}
		t.Fatalf("there is no %s", name)
		return 0
	}
	undone := metric("cf_wall_undone")
	for p := range s.Points {
		v, slow := s.Interval(results, p, undone), s.Labels(&s.Points[p])[1] == "slow"
		if v.N != 3 || slow != (v.Mean > 0) || v.Low > v.Mean || v.High < v.Mean {
			t.Errorf("%v: writes undone: %+v", s.Labels(&s.Points[p]), v)
		}
	}
	if star, mesh := results[0], results[2]; star.Hash == mesh.Hash {
		t.Error("star and mesh are the same run")
	}
}

func output(t *testing.T, s *sweep.Sweep, results []sweep.Result, dir string) {
	t.Helper()
	if err := s.Write(dir, results, "test"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"report.html": "all 12 runs held", "summary.csv": "mesh,slow,cf_wall_undone,,3,",
		"stale_max.svg": `class="interval c1"`, "cf_wall_undone-topology-star.svg": "topology star", "cf_wall_undone-topology-mesh.svg": "≤ ",
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s does not have %q: %v", name, want, err)
		}
	}
}

// TestStopped: what ended before a stop is kept.
func TestStopped(t *testing.T) {
	s, dir := read(t, tiny), t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	_, err := s.Do(ctx, sweep.Options{Dir: dir, Workers: 1, Done: func(_ *sweep.Result, done, _ int) {
		if done == 2 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("it ends with %v", err)
	}
	if _, ran := do(t, s, dir); ran > 10 {
		t.Errorf("%d of 12 ran again", ran)
	}
}

// TestBroken: a run that does not do as expected is told, kept as a scenario
// that can be read, and still there when the sweep is run again.
func TestBroken(t *testing.T) {
	s, dir := read(t, strings.Replace(tiny, "  trace: no\n", "  trace: no\n  expect: [conflicts < 0]\n", 1)), t.TempDir()
	s.Seeds = s.Seeds[:1]
	for range 2 {
		results, _ := do(t, s, dir)
		if s.Failed(results) != 4 || !strings.Contains(results[0].Outcome, "conflicts < 0") {
			t.Fatalf("%s: %q", s.Verdict(results), results[0].Outcome)
		}
		sc, err := scenario.LoadFile(s.Scenario(dir, &results[1]))
		if err != nil {
			t.Fatal(err)
		}
		res, err := sc.Run(context.Background(), scenario.Options{Seed: 1})
		if err != nil || strings.TrimLeft(results[1].Hash, "0") == "" || len(res.Failed) != 1 {
			t.Errorf("the scenario that was kept: %v, %v", res, err)
		}
	}
}

// TestMistakes: each is told with its line and what to do.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"duration: 40s", "duration: soon", `tiny.yaml:6: duration: `},
		{"rate: 1/s", "rate: often", `tiny.yaml:10: rate: "often" is not a rate`},
		{"[star, mesh]", "[star, cube]", `tiny.yaml:14: values: topology = cube: topology: "cube" is not known: write it as in mesh`},
		{"line.loss: 1%", "line.loss: a lot", `tiny.yaml:18: values: clock = slow: loss: "a lot" is not a part`},
		{`{"sites[0].clock.off": 0s}`, `{"sites[5].clock.off": 0s}`, `tiny.yaml:17: values: clock = right: sites[5].clock.off: sites has 2 elements and no [5]: elements count from [0]`},
		{`{"sites[0].clock.off": 0s}`, `{duration.most: 0s}`, `tiny.yaml:17: values: clock = right: duration.most: "duration" is one value and holds no most: write it out`},
		{"metric: stale_max", "metric: stale", `tiny.yaml:20: metric: there is no figure "stale"`},
		{"by: clock", "by: clocks", `tiny.yaml:20: by: there is no axis "clocks": use topology, clock`},
		{"counterfactual: yes\n", "", `cf_wall_undone is counted only on demand: add a line counterfactual: yes`},
		{"[1-2, 9]", "[1-2, 2]", `tiny.yaml:2: seeds: 2 is there twice`},
		{"[1-2, 9]", "many", `tiny.yaml:2: seeds: "many" is no seed`},
		{"name: Tiny", "nam: Tiny", `tiny.yaml:1: sweep: there is no key "nam": use about, axes, base`},
		{"seeds: [1-2, 9]\n", "", "seeds: there are none: add seeds: 1-10"},
		{"name: Tiny", "base: other.yaml", "tiny.yaml:1: base: file does not exist"},
	} {
		text := strings.Replace(tiny, c.old, c.new, 1)
		_, err := sweep.Read("tiny.yaml", text, func(string) (string, error) { return "", os.ErrNotExist })
		var problems scenario.Problems
		if !errors.As(err, &problems) || !strings.Contains(strings.Join(problems, "\n"), c.want) {
			t.Errorf("with %q it says\n  %q, not\n  %s", c.new, []string(problems), c.want)
		}
	}
}

// TestInterval: against values worked out by hand.
func TestInterval(t *testing.T) {
	v := sweep.NewInterval([]float64{1, 2, 3, 4, 5})
	half := 2.776 * math.Sqrt(2.5/5)
	if v.N != 5 || v.Mean != 3 || math.Abs(v.High-3-half) > 1e-9 || math.Abs(3-v.Low-half) > 1e-9 {
		t.Errorf("1 to 5: %+v", v)
	}
	if one := sweep.NewInterval([]float64{7}); one != (sweep.Interval{N: 1, Mean: 7, Low: 7, High: 7}) {
		t.Errorf("one value: %+v", one)
	}
	many := make([]float64, 101)
	for i := range many {
		many[i] = float64(i % 2)
	}
	if v := sweep.NewInterval(many); math.Abs(v.High-v.Mean-1.984*math.Sqrt(0.2500/101*101/100*100/101*1.0)) > 0.002 {
		t.Errorf("101 values: %+v", v)
	}
}
