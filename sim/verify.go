package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// CheckOptions say which random plans to run.
type CheckOptions struct {
	Runs        int
	Seed        uint64 // of the first; each run has the next
	Least, Most int    // sites
	ShrinkRuns  int    // how many runs may go into shrinking a failure
}

// Broken is a plan that broke a promise, and the smallest one found that does.
type Broken struct {
	Seed     uint64
	Plan     Plan
	Result   Result
	Original Result
}

// Progress is told how far a check is. Its functions are called on the check's
// goroutine; nil for none.
type Progress struct {
	// Began: a plan is run, as so many were before.
	Began func(seed uint64, done int, simulated time.Duration)
	// Found: this is the smallest failing plan so far.
	Found func(Broken)
}

// Check runs random plans until one fails, or until the context ends, also in
// the middle of a plan. It returns nil when none failed, and how many runs and how
// much virtual time that were. A failure that is being made smaller when the
// context ends is returned as it is then.
func Check(ctx context.Context, o CheckOptions, tell Progress) (bad *Broken, runs int, simulated time.Duration, err error) {
	for i := range o.Runs {
		seed := o.Seed + uint64(i)
		if tell.Began != nil {
			tell.Began(seed, i, simulated)
		}
		p := checkPlan(seed, o.Least, o.Most)
		res := p.try(ctx.Done())
		simulated += res.Simulated
		switch {
		case errors.Is(res.Err, ErrStopped):
			return nil, i, simulated, ctx.Err()
		case res.Err == nil:
			continue
		}
		found := func(q Plan, small Result) {
			if tell.Found != nil {
				tell.Found(Broken{Seed: seed, Plan: q, Result: small, Original: res})
			}
		}
		found(p, res)
		q, small := p.shrink(res, o.ShrinkRuns, ctx.Done(), found)
		return &Broken{Seed: seed, Plan: q, Result: small, Original: res}, i + 1, simulated, nil
	}
	return nil, o.Runs, simulated, nil
}

// Print tells what failed, and how.
func (f *Broken) Print(w io.Writer) {
	p := &f.Plan
	fmt.Fprintf(w, "seed %d: %v\n", f.Seed, f.Result.Err)
	if a, b := f.Original.Err.Error(), f.Result.Err.Error(); a != b {
		fmt.Fprintf(w, "before shrinking: %s\n", a)
	}
	fmt.Fprintf(w, "the smallest case found: %d sites, %s, latency %s, %d transactions, %d faults\n",
		p.Sites, p.Topology, p.Latency, len(p.Ops), len(p.Faults))
	for _, fault := range p.Faults {
		fmt.Fprintf(w, "  %s\n", fault)
	}
	for _, x := range p.Settings {
		fmt.Fprintf(w, "  %s\n", x)
	}
	fmt.Fprintf(w, "its last events:\n  %s\n", strings.Join(f.Result.Tail, "\n  "))
}
