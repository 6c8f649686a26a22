package sim

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAdding: tables that sites add while the network runs, in plans in which
// applications write them often.
//
// Seen to fail when who has seen a site's log counts as having seen rows that it tells
// later (crdt.Saw), when no rows are told, and when what others wrote is applied before those
// of a table are told that came while the process was stopped.
func TestAdding(t *testing.T) {
	added, again, came, conflicts := 0, 0, 0, 0
	for seed := uint64(1); seed <= 90; seed++ {
		p := NewPlan(seed, 2, 4)
		p.Joins, p.Adds = nil, nil
		p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind >= Restored })
		p.Mix.Tables = []string{"setting", "setting", "person"}
		table := "setting"
		if p.Mix.Rules == Plain {
			p.Mix.Tables, table = append(p.Mix.Tables, "tag", "tag", "obs"), addable[seed%3]
		}
		for site := range p.Sites {
			at := time.Duration(seed*7919%60+uint64(10*site)) * time.Second
			add := Add{At: max(at, time.Second), Site: site, Table: table}
			if seed%5 < 2 {
				add.Stopped = time.Duration(seed%7+1) * time.Second
			}
			p.Adds = append(p.Adds, add)
			p.Faults = append(p.Faults, Fault{At: max(at, time.Second), Kind: Failure, Seed: seed + uint64(site)})
		}
		if seed%2 == 0 {
			p.Adds = p.Adds[1:]
		}
		slices.SortStableFunc(p.Faults, func(a, b Fault) int { return int(a.At - b.At) })
		p.Trace = func(line string) {
			switch {
			case strings.Contains(line, "adds table") && strings.HasSuffix(line, "<nil>"):
				added++
			case strings.Contains(line, "adds table"):
				again++
			case strings.Contains(line, "publishes table"):
				came++
			}
		}
		res := p.run(nil, func(w *World) {
			list, _ := w.Sites[0].conflicts()
			conflicts += len(list)
		})
		if res.Err != nil {
			t.Fatalf("seed %d: %v\n  %s", seed, res.Err, strings.Join(res.Tail, "\n  "))
		}
	}
	t.Logf("%d tables were added, after %d attempts, %d came while a process was stopped, %d conflicts", added, again, came, conflicts)
	if added < 100 || again < 3 || came < 40 || conflicts < 100 {
		t.Errorf("%d tables were added, after %d attempts, %d came while a process was stopped, %d conflicts", added, again, came, conflicts)
	}
}

func TestSomePlansAddTables(t *testing.T) {
	n := 0
	for seed := uint64(1); seed <= 400; seed++ {
		p := NewPlan(seed, 2, 8)
		if len(p.Adds) > 0 {
			n++
		}
		for _, a := range p.Adds {
			if err := a.Check(&p.Mix); err != nil || a.Site >= p.Sites {
				t.Errorf("seed %d: %+v: %v", seed, a, err)
			}
		}
	}
	if n < 12 || n > 60 {
		t.Errorf("in %d of 400 plans tables are added", n)
	}
}
