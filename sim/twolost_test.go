package sim

import (
	"slices"
	"strings"
	"testing"

	"baraza/node/replica"
)

// TestTwoLost: plans come to the moment at which two sites are lost whose entries others
// wait for, also with somebody away who has them; and it is said that nobody has them.
func TestTwoLost(t *testing.T) {
	struck, away, said := 0, 0, 0
	for seed := uint64(1); seed <= 60; seed++ {
		p := NewPlan(seed, 3, 6)
		if !slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == TwoLost }) {
			continue
		}
		p.Trace = func(line string) {
			switch {
			case strings.HasSuffix(line, " are lost"):
				struck++
			case strings.HasSuffix(line, " is away, and has what one of them wrote"):
				away++
			}
		}
		res := p.run(nil, func(w *World) {
			for _, o := range w.origins {
				l := w.logs[o.id]
				if l != nil && slices.ContainsFunc(l.entries, func(e loggedEntry) bool {
					word, says := replica.SaidIn(o.id, e.Changes)
					return says && len(word.Laid) > 0
				}) {
					said++
				}
			}
		})
		if res.Err != nil {
			t.Fatalf("%v\n  %s\nreplay: baraza sim check --runs 1 --sites 3-6 --seed %d", res.Err, strings.Join(res.Tail, "\n  "), seed)
		}
	}
	t.Logf("%d times two sites were lost, %d times with another away, and %d sites said that nobody has what others wait for", struck, away, said)
	if struck < 3 || away < 1 || said < 3 {
		t.Error("the plans do not do what they are for")
	}
}
