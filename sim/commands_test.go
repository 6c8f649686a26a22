package sim

import "testing"

func TestGopterSame(t *testing.T) {
	for seed := uint64(1); seed < 20; seed++ {
		p := checkPlan(seed, 2, 5)
		a, b := p.Run(), p.try(nil)
		if a.Hash != b.Hash || a.Events == 0 || a.Err != nil || b.Err != nil {
			t.Fatalf("seed %d: hash %x after %d events (%v), as commands %x after %d (%v)", seed, a.Hash, a.Events, a.Err, b.Hash, b.Events, b.Err)
		}
	}
}
