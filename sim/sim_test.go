package sim

import (
	"flag"
	"strings"
	"testing"
)

var (
	flagSeed  = flag.Uint64("seed", 0, "run only the plan with this seed")
	flagRuns  = flag.Int("runs", 150, "how many random plans to run")
	flagTrace = flag.Bool("trace", false, "with -seed: print every event")
)

// TestPlans runs a fixed number of random plans.
func TestPlans(t *testing.T) {
	first, last := uint64(1), uint64(*flagRuns)
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	for seed := first; seed <= last; seed++ {
		p := NewPlan(seed, 2, 5)
		if *flagTrace {
			p.Trace = func(line string) { t.Log(line) }
		}
		res := p.Run()
		if res.Err == nil {
			continue
		}
		p.Trace = nil
		q, res := p.shrink(res, 300, nil, nil)
		t.Fatalf("%v\nthe smallest plan found: %d sites, %s, %s, %d operations, faults %v\n  %s\nreplay: go test ./sim -run TestPlans -seed %d",
			res.Err, q.Sites, q.Topology, q.Latency, len(q.Ops), q.Faults, strings.Join(res.Tail, "\n  "), seed)
	}
}

// TestExact: the same plan gives the same events, to the byte.
func TestExact(t *testing.T) {
	for seed := uint64(1000); seed < 1010; seed++ {
		a, b := NewPlan(seed, 2, 6).Run(), NewPlan(seed, 2, 6).Run()
		if a.Hash != b.Hash || a.Events != b.Events || a.Simulated != b.Simulated {
			t.Fatalf("seed %d: hash %x after %d events, then %x after %d", seed, a.Hash, a.Events, b.Hash, b.Events)
		}
		if c := NewPlan(seed+1, 2, 6).Run(); c.Hash == a.Hash {
			t.Fatalf("seeds %d and %d give one hash", seed, seed+1)
		}
	}
}
