package main

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"baraza/sim/measure"
	"baraza/sim/sweep"
)

func newSimSweep() *cobra.Command {
	var out string
	var workers int
	cmd := &cobra.Command{
		Use:   "sweep SWEEP.yaml",
		Short: "Run a scenario over a grid of values, with many seeds, and plot the figures",
		Long: `Run a scenario with every combination of some values and with many seeds, on
all cores. The directory then has runs.csv with every run, summary.csv with the
mean and its interval over the seeds, report.html with the plots, and each plot
as an SVG file. Runs that runs.csv has already are not run again, so a sweep
that was stopped goes on where it was.

Exit code 0 means that every run held, 1 that one did not, 2 that it could not
be told.`,
		Example: `  baraza sim sweep docs/studies/fixed-parent/sweep.yaml

  # into a directory of choice, two runs at a time
  baraza sim sweep docs/studies/wall-clock/sweep.yaml --out /tmp/wall -j 2`,
		Args: oneArg("the sweep file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if workers < 1 {
				return usagef(cmd, "-j %d runs nothing", workers)
			}
			s, err := sweep.LoadFile(args[0])
			if err := tellProblems(cmd, args[0], err); err != nil {
				return err
			}
			if !cmd.Flags().Changed("out") {
				base := filepath.Base(args[0])
				out = strings.TrimSuffix(base, filepath.Ext(base)) + "-out"
			}
			return simSweep(cmd, s, out, workers)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write into `DIR` (default the sweep's file name and -out)")
	cmd.Flags().IntVarP(&workers, "jobs", "j", runtime.NumCPU(), "run `N` simulations at once")
	return cmd
}

func simSweep(cmd *cobra.Command, s *sweep.Sweep, dir string, workers int) error {
	all := len(s.Runs())
	fmt.Fprintf(cmd.OutOrStdout(), "%d runs: %d points with %d seeds each, %d at once\n", all, len(s.Points), len(s.Seeds), workers)
	p := &sweepProgress{w: cmd.ErrOrStderr(), s: s, dir: dir, began: time.Now()}
	results, err := s.Do(cmd.Context(), sweep.Options{Dir: dir, Workers: workers, Done: p.done})
	clearProgress(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := s.Write(dir, results, version); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s; %d of them were there already; took %s\n", s.Verdict(results), all-p.ran, measure.FormatDuration(time.Since(p.began)))
	fmt.Fprintf(w, "report: %s\n", filepath.Join(dir, "report.html"))
	if s.Failed(results) == 0 {
		return nil
	}
	for i := range results {
		if r := &results[i]; r.Outcome != sweep.Held {
			fmt.Fprintln(w, brokenRun(s, r, dir))
		}
	}
	return errSaid
}

// brokenRun tells of a run that did not hold, and how to see it again.
func brokenRun(s *sweep.Sweep, r *sweep.Result, dir string) string {
	return fmt.Sprintf("%s seed %d: %s\n  replay: baraza sim run %s --seed %d",
		point(s, r), r.Seed, r.Outcome, s.Scenario(dir, r), r.Seed)
}

// point names a run by the values of its axes.
func point(s *sweep.Sweep, r *sweep.Result) string {
	var parts []string
	for i, label := range s.Labels(&s.Points[r.Point]) {
		parts = append(parts, s.Axes[i].Name+"="+label)
	}
	return strings.Join(parts, " ")
}

// sweepProgress shows how far a sweep is: on a terminal a line that changes,
// elsewhere a line for each run.
type sweepProgress struct {
	w     io.Writer
	s     *sweep.Sweep
	dir   string
	began time.Time
	ran   int
}

func (p *sweepProgress) done(r *sweep.Result, done, all int) {
	p.ran++
	left := ""
	if done < all {
		each := time.Since(p.began) / time.Duration(p.ran)
		left = fmt.Sprintf(", about %s left", measure.FormatDuration((each * time.Duration(all-done)).Round(time.Second)))
	}
	text := fmt.Sprintf("%d of %d runs%s: %s seed %d took %s", done, all, left, point(p.s, r), r.Seed, measure.FormatDuration(r.Took))
	switch terminal := isTerminal(p.w); {
	case r.Outcome != sweep.Held:
		clearProgress(p.w)
		fmt.Fprintf(p.w, "%s\n%s\n", text, brokenRun(p.s, r, p.dir))
	case terminal:
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	default:
		fmt.Fprintln(p.w, text)
	}
}
