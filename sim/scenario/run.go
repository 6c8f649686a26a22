package scenario

import (
	"context"
	"fmt"
	"time"

	"baraza/sim"
	"baraza/sim/measure"
)

// Options are what a run is given beside its scenario.
type Options struct {
	// Seed replaces the scenario's.
	Seed uint64
	// Event takes one line per event, with the number of the step in which it
	// happened; nil for none.
	Event func(step uint64, at time.Duration, line string)
	// Progress is called with every measurement; nil for none.
	Progress func(now time.Duration, r *measure.Recorder)
	// NoMeasure leaves the measuring out, for replays.
	NoMeasure bool
	// Watch is told what happens beside what measures; nil for none.
	Watch Watcher
}

// Watcher is an observer that looks into its world.
type Watcher interface {
	sim.Observer
	// Attach gives it the world, which has not run yet.
	Attach(w *sim.World)
}

// Result is what came of a run.
type Result struct {
	Scenario *Scenario
	Seed     uint64
	// Err is the promise that was broken; Failed are the bounds that do not
	// hold, in words.
	Err    error
	Failed []string
	// Hash sums up all that happened, in so many steps.
	Hash      uint64
	Steps     uint64
	Simulated time.Duration
	Tail      []string          // the last events
	Measured  *measure.Recorder // nil if nothing was measured
}

// Held reports whether all was as it should be.
func (r *Result) Held() bool { return r.Err == nil && len(r.Failed) == 0 }

// Run runs a scenario. The error is that of the context, or of a world that
// cannot be made; what a run finds is in the result.
func (s *Scenario) Run(ctx context.Context, o Options) (*Result, error) {
	res := &Result{Scenario: s, Seed: o.Seed}
	opts := s.options(o.Seed)
	if !o.NoMeasure {
		res.Measured = measure.New(len(s.Sites), s.Sample, s.Duration, s.Spacetime)
		res.Measured.Among = s.Among
		opts.Observer = res.Measured
	}
	if o.Watch != nil {
		opts.Observer = observers(opts.Observer, o.Watch)
	}
	var w *sim.World
	if o.Event != nil {
		opts.Trace = func(line string) {
			if w == nil {
				o.Event(0, 0, line)
				return
			}
			o.Event(w.Events(), w.Now(), line)
		}
	}
	w, err := sim.New(opts)
	if err != nil {
		return nil, err
	}
	if res.Measured != nil {
		res.Measured.Attach(w)
	}
	if o.Watch != nil {
		o.Watch.Attach(w)
	}
	s.schedule(w, o.Seed)
	err = s.drive(ctx, w, res, o.Progress)
	res.Hash, res.Steps, res.Simulated, res.Tail = w.Hash(), w.Events(), w.Now(), w.Tail()
	if err != nil {
		return nil, fmt.Errorf("stopped at %v of %v: %w", w.Now().Round(time.Second), s.Duration, err)
	}
	if res.Measured != nil && res.Err == nil {
		res.Measured.End()
		res.judge()
	}
	return res, nil
}

// drive runs a world to the end of its scenario. It stops between two
// measurements only, so that these change nothing.
func (s *Scenario) drive(ctx context.Context, w *sim.World, res *Result, progress func(time.Duration, *measure.Recorder)) error {
	defer func() {
		if r := recover(); r != nil {
			res.Err = fmt.Errorf("at %v: panic: %v", w.Now(), r)
		}
	}()
	for w.Now() < s.Duration && res.Err == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		res.Err = w.Run(min(w.Now()+s.Sample, s.Duration))
		if progress != nil {
			progress(w.Now(), res.Measured)
		}
	}
	if res.Err == nil && s.Settle > 0 {
		res.Err = w.Settle(s.Settle)
	}
	return nil
}

// judge holds the figures against what the scenario expects.
func (r *Result) judge() {
	for _, b := range r.Scenario.Expect {
		if v, ok := r.Measured.Value(b.Metric); ok && !b.Holds(v) {
			r.Failed = append(r.Failed, fmt.Sprintf("expected %s, and it is %s", b.Text, measure.Show(b.Metric, v)))
		}
	}
}
