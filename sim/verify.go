package sim

import (
	"context"
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

// Check runs random plans until one fails. It returns nil when none did, and
// how many runs and how much virtual time that were. progress is called after
// every run; nil for none.
func Check(ctx context.Context, o CheckOptions, progress func(done int)) (bad *Broken, runs int, simulated time.Duration, err error) {
	for i := range o.Runs {
		if err := ctx.Err(); err != nil {
			return nil, i, simulated, err
		}
		seed := o.Seed + uint64(i)
		p := checkPlan(seed, o.Least, o.Most)
		res := p.Run()
		simulated += res.Simulated
		if res.Err != nil {
			q := p.Shrink(o.ShrinkRuns)
			return &Broken{Seed: seed, Plan: q, Result: q.Run(), Original: res}, i + 1, simulated, nil
		}
		if progress != nil {
			progress(i + 1)
		}
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
	fmt.Fprintf(w, "its last events:\n  %s\n", strings.Join(f.Result.Tail, "\n  "))
}
