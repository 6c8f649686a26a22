package sim

import (
	"slices"
	"testing"
)

// TestMoves: sites join, leave and lose their disks in random plans, often
// enough to be found out about.
func TestMoves(t *testing.T) {
	joined, left, lost, both := 0, 0, 0, 0
	for seed := uint64(1); seed <= 120; seed++ {
		p := NewPlan(seed, 3, 5)
		comes := slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == DiskLost || f.Kind == BothLost || f.Kind == Left })
		if len(p.Joins) == 0 && !comes {
			continue
		}
		res := p.run(nil, func(w *World) {
			for _, s := range w.Sites {
				if s.joinedAt > 0 && s.lives == 0 {
					joined++
				}
				if s.left {
					left++
				}
				lost, both = lost+s.lives, both+s.boths
			}
		})
		if res.Err != nil {
			t.Fatalf("seed %d: %v", seed, res.Err)
		}
	}
	t.Logf("%d joined, %d left, %d lost their disks, %d of them with the database", joined, left, lost, both)
	if joined < 5 || left < 1 || lost < 2 || both < 2 {
		t.Errorf("%d joined, %d left, %d lost their disks, %d of them with the database", joined, left, lost, both)
	}
}

// TestBothLost: so it is of plans in which nothing goes wrong but that sites lose
// disk and database.
//
// Seen to fail when what such a site has over the network's rows is overwritten
// without a trace (ownChanges), and when rows that it alone has are told to nobody
// (onlyRow).
func TestBothLost(t *testing.T) {
	both := 0
	for seed := uint64(1); seed <= 400; seed++ {
		p := NewPlan(seed, 3, 5)
		p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind != BothLost })
		p.Joins = nil
		if len(p.Faults) == 0 {
			continue
		}
		res := p.run(nil, func(w *World) {
			for _, s := range w.Sites {
				both += s.boths
			}
		})
		if res.Err != nil {
			t.Fatalf("seed %d: %v", seed, res.Err)
		}
	}
	if both < 15 {
		t.Errorf("%d sites lost disk and database, want 15", both)
	}
}
