package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	simreport "baraza/sim/report"
	"baraza/sim/scenario"
)

func newSimReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay TRACE.jsonl|SCENARIO.yaml",
		Short: "Run a trace or a scenario again, step by step the same",
		Long: `Run again what a trace was written of, or a scenario with a seed, and show its
events from any step on. A trace ends with the hash of all that happened: the
run must give the same one.

Exit code 0 means that it was the same run (of a scenario: that all held), 1
that it was another one (that a promise was broken), 2 that it could not be
told.`,
		Example: `  # is it the same run with this program?
  baraza sim replay hub-dies-seed-1/trace.jsonl

  # what happened in the steps 5000 to 5100
  baraza sim replay hub-dies-seed-1/trace.jsonl --from-step 5000 --to-step 5100

  # the whole trace of a scenario that ran without one
  baraza sim replay sim/scenarios/hub-dies.yaml --seed 7 --from-step 0 --json`,
		Args: oneArg("the trace or the scenario file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.show = cmd.Flags().Changed("from-step") || cmd.Flags().Changed("to-step")
			return simReplay(cmd, args[0], o)
		},
	}
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "the `SEED` of a scenario (default the scenario's)")
	cmd.Flags().Uint64Var(&o.from, "from-step", 0, "show the events from step `N` on")
	cmd.Flags().Uint64Var(&o.to, "to-step", math.MaxUint64, "and none after step `N`")
	cmd.Flags().BoolVar(&o.json, "json", false, "show them as the lines of a trace")
	return cmd
}

type replayOptions struct {
	seed, from, to uint64
	show, json     bool
}

// recorded is what is to be run again.
type recorded struct {
	s    *scenario.Scenario
	seed uint64
	end  simreport.Footer // of a trace
	by   string           // the program that wrote the trace
}

func simReplay(cmd *cobra.Command, name string, o replayOptions) error {
	r, err := openRecorded(cmd, name, o.seed)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	run := scenario.Options{Seed: r.seed, NoMeasure: true}
	if o.show {
		run.Event = o.printer(out, r)
	}
	began := time.Now()
	res, err := r.s.Run(cmd.Context(), run)
	if err != nil {
		return err
	}
	if !o.json {
		fmt.Fprintf(out, "%d steps, hash %s, in %s: %s\n", res.Steps, simreport.HashText(res.Hash), time.Since(began).Round(time.Millisecond), simreport.Verdict(res))
	}
	switch {
	case r.by == "" && res.Err != nil:
		return errSaid
	case r.by == "":
		return nil
	case !r.end.End:
		return fmt.Errorf("%s has no last line, so there is no hash to compare with: its run was stopped", name)
	case r.end.Hash == simreport.HashText(res.Hash) && r.end.Steps == res.Steps:
		fmt.Fprintf(cmd.ErrOrStderr(), "the same run as in %s\n", name)
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "ANOTHER RUN than in %s: that had %d steps and hash %s%s\n", name, r.end.Steps, r.end.Hash, otherProgram(r.by))
	return errSaid
}

func otherProgram(by string) string {
	if by == version {
		return ", with this very version of the program"
	}
	return fmt.Sprintf(", with version %s; this is %s", by, version)
}

// openRecorded reads a scenario or a trace.
func openRecorded(cmd *cobra.Command, name string, seed uint64) (*recorded, error) {
	if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
		s, err := loadScenario(cmd, name)
		if err != nil {
			return nil, err
		}
		if !cmd.Flags().Changed("seed") {
			seed = s.Seed
		}
		return &recorded{s: s, seed: seed}, nil
	}
	if cmd.Flags().Changed("seed") {
		return nil, usagef(cmd, "--seed is for scenarios, %s has its own", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	h, end, err := simreport.ReadTrace(name, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	s, err := scenario.Read(h.File, h.Text, func(other string) (string, error) {
		text, ok := h.Files[other]
		if !ok {
			return "", fmt.Errorf("%s: the trace does not have it", other)
		}
		return text, nil
	})
	if err := tellProblems(cmd, name, err); err != nil {
		return nil, err
	}
	return &recorded{s, h.Seed, end, h.Program}, nil
}

// printer returns what shows the events of some steps.
func (o *replayOptions) printer(out io.Writer, r *recorded) func(uint64, time.Duration, string) {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	parse := simreport.NewTrace(io.Discard, r.s, r.seed, version)
	return func(step uint64, at time.Duration, line string) {
		switch {
		case step < o.from || step > o.to:
		case o.json:
			_ = enc.Encode(parse.Parse(step, at, line)) // a closed pipe ends the process
		default:
			fmt.Fprintf(out, "%8d %s\n", step, line)
		}
	}
}
