package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"baraza/sim"
	"baraza/sim/scenario"
)

func none(name string) (string, error) { return "", fmt.Errorf("%s: %w", name, os.ErrNotExist) }

func run(t *testing.T, s *scenario.Scenario, o scenario.Options) *scenario.Result {
	t.Helper()
	if o.Seed == 0 {
		o.Seed = s.Seed
	}
	res, err := s.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestPlanAsScenario: a random plan, written as a scenario and read again, is
// the same run to the byte; measuring it changes nothing.
func TestPlanAsScenario(t *testing.T) {
	for seed := uint64(1); seed <= 25; seed++ {
		p := sim.NewPlan(seed, 2, 5)
		want := p.Run()
		text := scenario.Write("plan", "", &p)
		s, err := scenario.Read("plan.yaml", text, none)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		for _, unmeasured := range []bool{false, true} {
			res := run(t, s, scenario.Options{NoMeasure: unmeasured})
			if res.Hash != want.Hash || res.Steps != want.Events || fmt.Sprint(res.Err) != fmt.Sprint(want.Err) {
				t.Fatalf("seed %d, measured %v: hash %x after %d steps (%v), as a plan %x after %d (%v)\n%s",
					seed, !unmeasured, res.Hash, res.Steps, res.Err, want.Hash, want.Events, want.Err, text)
			}
		}
	}
}

// TestMistakes: every mistake is told with its line and what to write.
func TestMistakes(t *testing.T) {
	const head = "duration: 1m\nsites: [hub, {name: clinic, count: 3}]\n"
	for text, want := range map[string]string{
		"duration: 1m\n": "test.yaml:1: sites: 0 are too few: add a line sites: 3",
		"sites: 3\n":     "test.yaml:1: duration: there is none: add a line duration: 10m",
		head + "settings: [{table: stock, counter: note}]\n":        "test.yaml:3: settings: stock.note cannot be a counter: use map[account:[balance] stock:[quantity price]]",
		head + "settings: [{at: 5s, table: badge, unique: mark}]\n": "test.yaml:3: settings: this should be at one site: add site: hub",
		head + "colour: red\n":           `test.yaml:3: scenario: there is no key "colour": use name, about`,
		head + "seed: x\n":               `test.yaml:3: seed: "x" is not a number: write it as in 42`,
		head + "line: {latency: fast}\n": `test.yaml:3: latency: "fast" is not a length of time: write it as in 100ms`,

		head + "line:\n  latency: 1s\n  reordering: 1%\n":             `test.yaml:5: line: there is no key "reordering": the part of the packets`,
		head + "line: {loss: 120%}\n":                                 `test.yaml:3: loss: "120%" is not a part of the whole`,
		head + "line: {open: [08:00-25:00]}\n":                        `test.yaml:3: open: "08:00-25:00" is not a part of a day: write it as in [08:00-09:30]`,
		head + "line: {bandwidth: 64}\n":                              `test.yaml:3: bandwidth: "64" is not a bandwidth: write it as in 64 kbit/s or 8 kB/s`,
		head + "line: {latency: {file: no.csv}}\n":                    `test.yaml:3: file: no.csv: file does not exist: give the path`,
		head + "lines:\n- {latency: 1s}\n":                            `test.yaml:4: lines: it does not say which: add between: [hub, clinic-*]`,
		head + "lines:\n- {between: [hub, x*]}\n":                     `test.yaml:4: site: "x*" names no site: there are hub, clinic-1`,
		head + "couriers:\n- {every: 1d}\n":                           `test.yaml:4: couriers: it does not say from where to where: add between`,
		head + "couriers:\n- {between: [hub, '*']}\n":                 `test.yaml:4: couriers: from a site to itself`,
		head + "topology: {kind: blob}\n":                             `test.yaml:3: topology: "blob" is not known: write it as in mesh, ring`,
		head + "workload: {rate: 5}\n":                                `test.yaml:3: rate: "5" is not a rate: write it as in 2/s`,
		head + "workload: {tables: [drug]}\n":                         `test.yaml:3: tables: there is no table "drug": write it as in [`,
		head + "faults:\n- {at: 1s, fault: halves}\n":                 `test.yaml:4: faults: halves: it does not say how long: add for: 30s`,
		head + "faults:\n- {at: 1s, for: 1s, fault: flood}\n":         `test.yaml:4: fault: there is no fault "flood" (there are bridge, bring-up broken off, clock bump,`,
		head + "faults:\n- {at: 1s, fault: clock bump, by: 1h}\n":     `test.yaml:4: faults: clock bump: by is for fault: clock bump with sites`,
		head + "faults:\n- {for: 1s, fault: cut, sites: [hub], x: 1}": `test.yaml:4: faults: there is no key "x": use at, for, fault`,
		head + "expect: [beauty > 3]\n":                               `test.yaml:3: expect: there is no figure "beauty" (there are transactions`,
		head + "expect: [delay_p50 < soon]\n":                         `test.yaml:3: expect: "soon" is not a length of time`,
		head + "transactions:\n- {at: 1s, site: clinic-*, seed: 1}\n": `test.yaml:4: transactions: this should be at one site: add site: hub`,
		head + "duration: 2m\n":                                       `test.yaml:3: "duration" is there twice: remove one`,
		head + "line: {latency: 1s\n":                                 "this is not YAML",
		"sites: [a, a]\nduration: 1m\n":                               `test.yaml:1: site: "a" is there twice: give each a name of its own`,
		"- 1\n":                                                       "test.yaml:1: scenario: this should be keys with values: name, about",
		"":                                                            "test.yaml: 0 documents: a scenario file holds exactly one",
		head + "sample: 1us\n":                                        "test.yaml:1: sample: every 1µs in 1m0s makes more than 100000 measurements",
		head + "line: *fast\n":                                        "*fast: there is no &fast above it",
	} {
		_, err := scenario.Read("test.yaml", text, none)
		var problems scenario.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%q: no mistake is found", text)
			continue
		}
		if all := strings.Join(problems, "\n"); !strings.Contains(all, want) {
			t.Errorf("%q:\n got %s\nwant %s", text, all, want)
		}
	}
}

// TestMistakesTogether: all are told at once.
func TestMistakesTogether(t *testing.T) {
	_, err := scenario.Read("test.yaml", "sites: 3\nduration: x\nseed: y\nline: {loss: z}\n", none)
	var problems scenario.Problems
	if !errors.As(err, &problems) || len(problems) != 4 { // no duration is the fourth
		t.Errorf("found %v", err)
	}
}

// TestWriteKnowsOptions: whoever gives plans a new option gives it to Write and
// to scenario files too, or a failure that hangs on it cannot be kept.
func TestWriteKnowsOptions(t *testing.T) {
	known := []string{ // what Write writes, and what a plan does not have
		"Seed", "Sites", "Topology", "Latency", "BytesPerSecond", "BreakEvery", "Mishaps", "Rows", "Publish", "Couriers", "Joins", "Administrator", "Adds", "Exchange",
		"Mix", "Wire", "Clock", "MaxDrift", "Observer", "Checks", "Trace",
	}
	for field := range reflect.TypeFor[sim.Options]().Fields() {
		if name := field.Name; !slices.Contains(known, name) {
			t.Errorf("sim.Options.%s: if random plans set it, let scenario.Write write it, give scenarios a key for it, and name it here", name)
		}
	}
	for field := range reflect.TypeFor[sim.Plan]().Fields() {
		if name := field.Name; !slices.Contains([]string{"Options", "Ops", "Faults", "Settings"}, name) {
			t.Errorf("sim.Plan.%s: let scenario.Write write it, and name it here", name)
		}
	}
}
