package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"baraza/sim"
	"baraza/sim/scenario"
)

// simSitesMax bounds the sites of a random run.
const simSitesMax = 64

// simGCPercent lets the heap of a simulation grow fourfold before it is
// collected: most of what it allocates dies at once, and it has the machine.
const simGCPercent = 400

func newSim() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate many sites and what can go wrong between them",
		Long:  "Run many sites in this process on virtual time, with the code that sites run.",
		Example: `  baraza sim run sim/scenarios/satellite-clinics.yaml
  baraza sim check --runs 1000 --sites 2-8`,
	}
	asGroup(cmd)
	cmd.PersistentPreRun = func(*cobra.Command, []string) { debug.SetGCPercent(simGCPercent) }
	cmd.AddCommand(newSimRun(), newSimSweep(), newSimCheck(), newSimReplay())
	return cmd
}

func newSimCheck() *cobra.Command {
	var o sim.CheckOptions
	var sites, out string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Run random workloads and faults, and check that every promise holds",
		Long: `Run random workloads and faults on simulated sites and check after every step
that every promise holds. A run that breaks one is made as small as can be,
shown, and written as a scenario file for baraza sim replay.

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
			return simCheck(cmd, o, sites, out)
		},
	}
	cmd.Flags().IntVar(&o.Runs, "runs", 200, "run `N` random histories")
	cmd.Flags().StringVar(&sites, "sites", "2-5", "with `A-B` sites each")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "the `SEED` of the first; each has the next")
	cmd.Flags().IntVar(&o.ShrinkRuns, "shrink", 500, "run at most `N` smaller ones to find the smallest that fails")
	cmd.Flags().StringVar(&out, "out", ".", "write a run that fails into `DIR`")
	return cmd
}

func simCheck(cmd *cobra.Command, o sim.CheckOptions, sites, dir string) error {
	out, began := cmd.OutOrStdout(), time.Now()
	bad, runs, simulated, err := sim.Check(cmd.Context(), o, nil)
	if err != nil {
		return fmt.Errorf("stopped after %d of %d runs, in which all held: %w", runs, o.Runs, err)
	}
	if bad != nil {
		bad.Print(out)
		fmt.Fprintf(out, "replay: baraza sim check --runs 1 --sites %s --seed %d\n", sites, bad.Seed)
		return keepBroken(cmd, bad, dir)
	}
	fmt.Fprintf(out, "all held in %d runs of %s sites, seeds %d to %d: %s of virtual time in %s\n",
		runs, sites, o.Seed, o.Seed+uint64(o.Runs)-1, simulated.Round(time.Second), time.Since(began).Round(time.Millisecond))
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

// parseSites reads "A-B" or "N".
func parseSites(s string) (least, most int, err error) {
	a, b, two := strings.Cut(s, "-")
	if !two {
		b = a
	}
	least, err1 := strconv.Atoi(a)
	most, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || least < 2 || most < least || most > simSitesMax {
		return 0, 0, fmt.Errorf("--sites %q is not A-B with 2 <= A <= B <= %d", s, simSitesMax)
	}
	return least, most, nil
}
