package sim

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// runFamily runs plans of a family and returns the worlds' sums of what count
// counts.
func runFamily(t *testing.T, runs uint64, plan func(seed uint64, rnd *rand.Rand) Plan, count func(w *World) uint64) (sum uint64) {
	t.Helper()
	first, last := uint64(1), runs
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	for seed := first; seed <= last; seed++ {
		p := plan(seed, rand.New(rand.NewPCG(seed, 13)))
		if *flagSeed != 0 && *flagTrace {
			p.Trace = func(line string) { t.Log(line) }
		}
		res := p.run(nil, func(w *World) { sum += count(w) })
		if res.Err != nil {
			t.Fatalf("%v\n  %s\nreplay: go test ./sim -run '^%s$' -seed %d", res.Err, strings.Join(res.Tail, "\n  "), t.Name(), seed)
		}
	}
	return sum
}

// TestGaps: see gapsPlan.
func TestGaps(t *testing.T) {
	gaps := runFamily(t, 25, gapsPlan, func(w *World) (n uint64) {
		for _, s := range w.Sites {
			n += s.p.Metrics().Gaps
		}
		return n
	})
	if gaps == 0 && *flagSeed == 0 {
		t.Fatal("no run had a gap: the family does not do what it is for")
	}
	t.Logf("%d gaps", gaps)
}

// TestSoon: see soonPlan.
func TestSoon(t *testing.T) {
	runFamily(t, 25, func(seed uint64, rnd *rand.Rand) Plan { return soonPlan(seed, rnd, 3, 6) }, func(*World) uint64 { return 0 })
}
