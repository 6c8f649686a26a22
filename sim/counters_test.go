package sim

import (
	"strings"
	"testing"
)

// TestCounters runs random plans in which counters are counted, of all kinds, and
// sees that sums are checked in most of them.
func TestCounters(t *testing.T) {
	seeds := []uint64{307, 698, 1161} // these found something
	for seed := uint64(1); seed <= uint64(*flagRuns); seed++ {
		seeds = append(seeds, seed)
	}
	if *flagSeed != 0 {
		seeds = []uint64{*flagSeed}
	}
	sums, plans := 0, 0
	for _, seed := range seeds {
		p := NewPlan(seed, 2, 5)
		if !p.Mix.Counters {
			continue
		}
		if *flagTrace {
			p.Trace = func(line string) { t.Log(line) }
		}
		plans++
		res := p.run(nil, func(w *World) { sums += w.ledger.summed })
		if res.Err != nil {
			t.Errorf("seed %d %v: %v, with %v\n  %s\nreplay: go test ./sim -run TestCounters -seed %d", seed, p.Mix.Rules, res.Err, p.Settings, strings.Join(res.Tail[max(len(res.Tail)-6, 0):], "\n  "), seed)
		}
	}
	t.Logf("%d sums in %d plans", sums, plans)
}
