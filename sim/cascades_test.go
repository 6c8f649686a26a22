package sim

import (
	"strings"
	"testing"
)

// TestCascades runs random plans in which keys change and tables refer to each other in
// a circle, and sees that in most of them rows go along with a key, through two levels,
// and that circles form.
func TestCascades(t *testing.T) {
	plans, along, circles := 0, 0, 0
	for seed := uint64(1); seed <= uint64(*flagRuns); seed++ {
		if *flagSeed != 0 && seed != *flagSeed {
			continue
		}
		p := NewPlan(seed, 2, 6)
		if !p.Mix.Cascades {
			continue
		}
		plans++
		if *flagTrace {
			p.Trace = func(line string) { t.Log(line) }
		}
		res := p.run(nil, func(w *World) {
			shelf, circle := false, false
			for c := range w.ledger.carried {
				shelf = shelf || c.Table == "shelf"
			}
			for id, o := range w.Sites[0].oracle.rows {
				if head, is := o.Value("head_id").Key(); is && id.Table == "ward" {
					for other, n := range w.Sites[0].oracle.rows {
						if ward, is := n.Value("ward_id").Key(); is && other.Table == "nurse" && other.Key == head && ward == id.Key {
							circle = true
						}
					}
				}
			}
			if shelf {
				along++
			}
			if circle {
				circles++
			}
		})
		if res.Err != nil {
			t.Errorf("seed %d: %v\n  %s\nreplay: go test ./sim -run TestCascades -seed %d", seed, res.Err, strings.Join(res.Tail[max(len(res.Tail)-6, 0):], "\n  "), seed)
		}
	}
	t.Logf("%d plans with cascades: in %d a key takes two levels along, in %d a circle forms", plans, along, circles)
	if *flagSeed == 0 && *flagRuns >= 150 && (plans < 15 || along < 3 || circles < 3) {
		t.Errorf("%d plans with cascades: in %d a key takes two levels along, in %d a circle forms", plans, along, circles)
	}
}
