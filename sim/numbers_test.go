package sim

import (
	"slices"
	"strings"
	"testing"
)

// TestNumbers runs random plans in which a number alone names rows, those that
// found something among them: an insert at a site that had forgotten the tombstone and
// kept its conflicts counted as one of a second row (77000602); so did, with conflicts
// about values that nobody wrote, one over a tombstone that another site had forgotten
// (77002276), and what the deleted row had lost (77023854). In enough of them rows of
// one number meet.
func TestNumbers(t *testing.T) {
	seeds := []uint64{77000602, 77002276, 77023854}
	for seed := uint64(1); seed <= uint64(*flagRuns); seed++ {
		seeds = append(seeds, seed)
	}
	if *flagSeed != 0 {
		seeds = []uint64{*flagSeed}
	}
	plans, given, met := 0, 0, 0
	for _, seed := range seeds {
		p := NewPlan(seed, 2, 6)
		if p.Mix.Numbers == NoNumbers {
			continue
		}
		plans++
		if *flagTrace {
			p.Trace = func(line string) { t.Log(line) }
		}
		res := p.run(nil, func(w *World) {
			rows, more := 0, 0
			for id, o := range w.Sites[0].oracle.rows {
				if id.Table != numbered {
					continue
				}
				rows++
				if slices.ContainsFunc(o.facts, func(f *fact) bool { return !slices.Contains(o.line, f.life()) }) {
					more++
				}
			}
			if rows > 0 {
				given++
			}
			if more > 0 {
				met++
			}
		})
		if res.Err != nil {
			t.Errorf("seed %d, numbers %v: %v\n  %s\nreplay: go test ./sim -run TestNumbers -seed %d", seed, p.Mix.Numbers, res.Err, strings.Join(res.Tail[max(len(res.Tail)-6, 0):], "\n  "), seed)
		}
	}
	t.Logf("%d plans with numbers, %d in which there are any, %d in which two rows have one", plans, given, met)
	if *flagSeed == 0 && *flagRuns >= 150 && (plans < 25 || given < plans*3/4 || met < 4) {
		t.Errorf("%d plans with numbers, %d in which there are any, %d in which two rows have one", plans, given, met)
	}
}
