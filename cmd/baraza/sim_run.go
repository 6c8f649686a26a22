package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"baraza/sim"
	"baraza/sim/measure"
	simreport "baraza/sim/report"
	"baraza/sim/scenario"
)

func newSimRun() *cobra.Command {
	var out string
	var seed uint64
	cmd := &cobra.Command{
		Use:   "run SCENARIO.yaml",
		Short: "Run a scenario file, measure it and write a report",
		Long: `Run a scenario file: sites, lines, what applications write, what goes wrong.
The directory then has report.html for people, metrics.csv and summary.json
for programs, and trace.jsonl, which baraza sim replay reads.

Exit code 0 means that every promise held and every figure is as the scenario
expects, 1 that one did not or is not, 2 that it could not be told.`,
		Example: `  baraza sim run sim/scenarios/satellite-clinics.yaml

  # the same with other random numbers, into a directory of choice
  baraza sim run sim/scenarios/hub-dies.yaml --seed 7 --out /tmp/hub-7

  # only what the terminal shows
  baraza sim run sim/scenarios/hub-dies.yaml --out -`,
		Args: oneArg("the scenario file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadScenario(cmd, args[0])
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("seed") {
				seed = s.Seed
			}
			if !cmd.Flags().Changed("out") {
				out = fmt.Sprintf("%s-seed-%d", strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])), seed)
			}
			return simRun(cmd, s, seed, out)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, "the `SEED` of all that is drawn (default the scenario's)")
	cmd.Flags().StringVar(&out, "out", "", "write into `DIR` (default the scenario's name and seed); - writes nothing")
	return cmd
}

// loadScenario reads a scenario file and prints every mistake in it.
func loadScenario(cmd *cobra.Command, name string) (*scenario.Scenario, error) {
	s, err := scenario.LoadFile(name)
	return s, tellProblems(cmd, name, err)
}

func tellProblems(cmd *cobra.Command, name string, err error) error {
	var problems scenario.Problems
	if !errors.As(err, &problems) {
		return err
	}
	if len(problems) == 1 {
		return problems
	}
	for _, p := range problems {
		fmt.Fprintln(cmd.ErrOrStderr(), p)
	}
	return fmt.Errorf("%s has %d mistakes, listed above: mend them and run it again", name, len(problems))
}

// simRun runs a scenario, shows what came of it, and writes it into a
// directory, if there is one.
func simRun(cmd *cobra.Command, s *scenario.Scenario, seed uint64, dir string) error {
	o := scenario.Options{Seed: seed, Progress: simProgress(cmd.ErrOrStderr(), s)}
	var files *outputs
	if dir != "-" {
		var err error
		if files, err = newOutputs(dir, s, seed); err != nil {
			return err
		}
		if files.trace != nil {
			o.Event = files.trace.Event
		}
	}
	began := time.Now()
	res, err := s.Run(cmd.Context(), o)
	clearProgress(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	showRun(cmd.OutOrStdout(), res, time.Since(began))
	if files != nil {
		if err := files.write(res); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "report: %s\n", filepath.Join(dir, "report.html"))
	}
	if !res.Held() {
		return errSaid
	}
	return nil
}

// outputs is the directory of a run.
type outputs struct {
	dir   string
	file  *os.File
	trace *simreport.Trace // nil where the scenario wants none
}

func newOutputs(dir string, s *scenario.Scenario, seed uint64) (*outputs, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: give another --out", err)
	}
	o := &outputs{dir: dir}
	name := filepath.Join(dir, "trace.jsonl")
	if !s.Trace {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err // a trace of another run would mislead
		}
		return o, nil
	}
	var err error
	if o.file, err = os.Create(name); err != nil {
		return nil, err
	}
	o.trace = simreport.NewTrace(o.file, s, seed, version)
	return o, nil
}

func (o *outputs) write(res *scenario.Result) error {
	if o.trace != nil {
		if err := errors.Join(o.trace.Close(res), o.file.Close()); err != nil {
			return fmt.Errorf("writing the trace: %w", err)
		}
	}
	for name, write := range map[string]func(io.Writer) error{
		"metrics.csv":  func(w io.Writer) error { return simreport.WriteMetrics(w, res.Measured) },
		"summary.json": func(w io.Writer) error { return simreport.WriteSummary(w, res) },
		"report.html":  func(w io.Writer) error { return simreport.WritePage(w, res, version) },
	} {
		f, err := os.Create(filepath.Join(o.dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name(), err)
		}
	}
	return nil
}

// progressEvery is how often the line of progress changes.
const progressEvery = 200 * time.Millisecond

// simProgress shows on a terminal how far a run is; elsewhere nothing.
func simProgress(w io.Writer, s *scenario.Scenario) func(time.Duration, *measure.Recorder) {
	if !isTerminal(w) {
		return nil
	}
	began, shown := time.Now(), time.Time{}
	return func(now time.Duration, r *measure.Recorder) {
		if time.Since(shown) < progressEvery {
			return
		}
		shown = time.Now()
		part := float64(now) / float64(s.Duration)
		left := ""
		if part > 0.02 {
			d := time.Duration(float64(time.Since(began)) * (1 - part) / part)
			left = fmt.Sprintf(", %s left", measure.FormatDuration(d.Round(time.Second)))
		}
		t := r.Total()
		fmt.Fprintf(w, "\r\x1b[K%3.0f %%  %s of %s, %d changes, %d cells differ%s", 100*part,
			measure.FormatDuration(now), measure.FormatDuration(s.Duration), t.Changes, t.Divergent, left)
	}
}

func clearProgress(w io.Writer) {
	if isTerminal(w) {
		fmt.Fprint(w, "\r\x1b[K")
	}
}

func isTerminal(w io.Writer) bool {
	f, is := w.(*os.File)
	return is && term.IsTerminal(int(f.Fd()))
}

// told are the figures that the terminal shows.
var told = []string{
	"transactions", "changes", "messages_per_change", "bytes_per_change",
	"delay_p50", "delay_p99", "delay_max", "all_p50", "all_max", "stale_p50", "stale_max",
	"divergent_mean", "divergent_max", "divergent_end", "overwritten", "conflicts", "unseen", "settle",
}

// showRun tells on the terminal what came of a run.
func showRun(w io.Writer, res *scenario.Result, took time.Duration) {
	s := res.Scenario
	if s.Name != "" {
		fmt.Fprintln(w, s.Name)
	}
	fmt.Fprintf(w, "%d sites, seed %d: %s of virtual time in %s, %d steps, hash %s, %s of memory\n",
		len(s.Sites), res.Seed, measure.FormatDuration(res.Simulated), measure.FormatDuration(took), res.Steps, simreport.HashText(res.Hash), memory())
	g := grid{head: []string{"figure", "value", ""}, right: map[int]bool{1: true}}
	for _, m := range measure.Metrics {
		for _, name := range told {
			if name == m.Name {
				v, _ := res.Measured.Value(name)
				g.add(name, measure.Show(name, v), m.About)
			}
		}
	}
	g.print(w)
	for _, b := range s.Expect {
		v, _ := res.Measured.Value(b.Metric)
		answer := "yes"
		if !b.Holds(v) {
			answer = "NO"
		}
		fmt.Fprintf(w, "expected %s: %s, it is %s\n", b.Text, answer, measure.Show(b.Metric, v))
	}
	switch {
	case res.Err != nil:
		fmt.Fprintf(w, "BROKEN: %v\nits last events:\n  %s\n", res.Err, strings.Join(res.Tail[max(len(res.Tail)-40, 0):], "\n  "))
	case s.Settle == 0:
		fmt.Fprintln(w, "every promise held that can be checked on the way; the sites were not given time to become equal")
	case s.Checks == sim.CheckNone:
		fmt.Fprintln(w, "all sites are equal; nothing else was checked (check: none)")
	default:
		fmt.Fprintln(w, "every promise held, and all sites are equal")
	}
}

// memory is what the process took from the system.
func memory() string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return measure.Format(float64(m.Sys), "B")
}
