package sim

import (
	"strings"
	"testing"
)

// TestRules runs random plans in which R4 and R5 have something to do, and those
// that once found a bug in them: circles of rows that are to come back together,
// or that would have gone together; a row in whose retry a local change was
// taken; two rows that swap values of two unique indexes.
func TestRules(t *testing.T) {
	seeds := map[Rules][]uint64{References: {21, 24, 136, 303}, Clashes: {195}}
	for _, rules := range []Rules{References, Clashes} {
		list := seeds[rules]
		for seed := uint64(1); seed <= 40; seed++ {
			list = append(list, seed)
		}
		if *flagSeed != 0 {
			list = []uint64{*flagSeed}
		}
		for _, seed := range list {
			p := NewPlan(seed, 2, 5)
			p.Mix.Rules = rules
			if *flagSeed != 0 && *flagTrace {
				p.Trace = func(line string) { t.Log(line) }
			}
			if res := p.Run(); res.Err != nil {
				t.Fatalf("%v, with %s\n  %s\nreplay: go test ./sim -run TestRules -seed %d", res.Err, rules, strings.Join(res.Tail, "\n  "), seed)
			}
		}
	}
}
