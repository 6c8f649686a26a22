package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"baraza/sim"
	"baraza/sim/scenario"
)

func newSimCheck() *cobra.Command {
	var o sim.CheckOptions
	var sites, out string
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Run random workloads and faults, and check that every promise holds",
		Long: `Run random workloads and faults on simulated sites and check after every step
that every promise holds. A run that breaks one is made as small as can be,
shown, and written as a scenario file for baraza sim replay.

A signal, or the end of --time, stops it within a second, wherever it is: what
was found by then is shown and written.

Exit code 0 means that all held, 1 that one was broken, 2 that it could not be
told.`,
		Example: `  baraza sim check --runs 1000 --sites 2-8

  # one run again, as a failure prints it
  baraza sim check --runs 1 --sites 2-8 --seed 42`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Least, o.Most, err = parseSites(sites); err != nil {
				return usagef(cmd, "%s", err)
			}
			if o.Runs < 1 {
				return usagef(cmd, "--runs %d runs nothing", o.Runs)
			}
			if limit < 0 {
				return usagef(cmd, "--time %v is over before it begins", limit)
			}
			c := &simChecker{cmd: cmd, o: o, sites: sites, dir: out, limit: limit}
			return c.run()
		},
	}
	cmd.Flags().IntVar(&o.Runs, "runs", 200, "run `N` random histories")
	cmd.Flags().StringVar(&sites, "sites", "2-5", "with `A-B` sites each")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "the `SEED` of the first; each has the next")
	cmd.Flags().IntVar(&o.ShrinkRuns, "shrink", 500, "run at most `N` smaller ones to find the smallest that fails")
	cmd.Flags().DurationVar(&limit, "time", 0, "stop after so `LONG`, as in 10m (default: when all is run)")
	cmd.Flags().StringVar(&out, "out", ".", "write a run that fails into `DIR`")
	return cmd
}

// stopWithin is how long a check that is to stop may take to do so by itself. A
// step that does not end, as of a bug that loops, is left behind.
const stopWithin = 600 * time.Millisecond

// simChecker runs random histories. The check is on a goroutine of its own, so
// that it can be left where it hangs; mu guards what both know.
type simChecker struct {
	cmd        *cobra.Command
	o          sim.CheckOptions
	sites, dir string
	limit      time.Duration

	mu        sync.Mutex
	seed      uint64
	done      int
	simulated time.Duration
	smallest  *sim.Broken
}

func (c *simChecker) run() error {
	ctx := c.cmd.Context()
	if c.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.limit)
		defer cancel()
	}
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		_, done, simulated, err := sim.Check(ctx, c.o, sim.Progress{
			Began: c.beginRun,
			Found: func(b sim.Broken) { c.mu.Lock(); c.smallest = &b; c.mu.Unlock() },
		})
		if err == nil {
			c.beginRun(0, done, simulated)
		}
		ended <- err
	}()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		select {
		case err = <-ended:
		case <-time.After(stopWithin):
			err = fmt.Errorf("%w, in a step that does not end", ctx.Err())
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("--time %v is over: %w", c.limit, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tell(err, time.Since(began))
}

func (c *simChecker) beginRun(seed uint64, done int, simulated time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seed, c.done, c.simulated = seed, done, simulated
}

// tell says what came of it; mu is held.
func (c *simChecker) tell(err error, took time.Duration) error {
	out := c.cmd.OutOrStdout()
	if bad := c.smallest; bad != nil {
		if err != nil {
			fmt.Fprintf(c.cmd.ErrOrStderr(), "stopped while the failure was made smaller: %v\n", err)
		}
		bad.Print(out)
		fmt.Fprintf(out, "replay: baraza sim check --runs 1 --sites %s --seed %d\n", c.sites, bad.Seed)
		return keepBroken(c.cmd, bad, c.dir)
	}
	if err != nil {
		return fmt.Errorf("stopped after %d of %d runs, in which all held, in that of seed %d (baraza sim check --runs 1 --sites %s --seed %d): %w",
			c.done, c.o.Runs, c.seed, c.sites, c.seed, err)
	}
	fmt.Fprintf(out, "all held in %d runs of %s sites, seeds %d to %d: %s of virtual time in %s\n",
		c.done, c.sites, c.o.Seed, c.o.Seed+uint64(c.o.Runs)-1, c.simulated.Round(time.Second), took.Round(time.Millisecond))
	return nil
}

// stepsShown is how many of the last steps of a failure its replay shows.
const stepsShown = 200

// keepBroken writes the smallest case that was found as a scenario file.
func keepBroken(cmd *cobra.Command, bad *sim.Broken, dir string) error {
	name := filepath.Join(dir, fmt.Sprintf("broken-seed-%d.yaml", bad.Seed))
	why, _, _ := strings.Cut(bad.Result.Err.Error(), "\n")
	text := scenario.Write(fmt.Sprintf("Seed %d, made small", bad.Seed), why, &bad.Plan)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "the smallest case is not kept: %v\n", err)
		return errSaid
	}
	from := bad.Result.Events - min(bad.Result.Events, stepsShown)
	fmt.Fprintf(cmd.OutOrStdout(), "the smallest case is in %s: baraza sim replay %s --from-step %d\n", name, name, from)
	return errSaid
}
