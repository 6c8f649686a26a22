package node

import (
	"slices"
	"testing"
	"time"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

func TestNobodys(t *testing.T) {
	a, b, c := clock.SiteID{1}, clock.SiteID{2}, clock.SiteID{3}
	now := time.UnixMilli(1_700_000_000_000)
	ago := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	lists := map[clock.SiteID]tableList{
		a: {Has: []string{"part"}, Gone: map[string]int64{"old": ago(30 * time.Hour), "fresh": ago(2 * time.Hour), "moved": ago(40 * time.Hour)}},
		b: {Has: []string{"part", "moved"}, Gone: map[string]int64{"old": ago(25 * time.Hour)}},
	}
	if got := nobodys(lists, []clock.SiteID{a, b}, now, goneLong); !slices.Equal(got, []string{"old"}) {
		t.Errorf("nobody has %v, want old alone: fresh was lost 2 hours ago, and b has moved", got)
	}
	if got := nobodys(lists, []clock.SiteID{a, b, c}, now, goneLong); got != nil {
		t.Errorf("nobody has %v, though c has not said", got)
	}
	if got := nobodys(lists, []clock.SiteID{a}, now, goneLong); !slices.Equal(got, []string{"moved", "old"}) {
		t.Errorf("nobody has %v when b is no member any more", got)
	}
}

// A table that one site had for a while, and whose rows waited for it at the other:
// when nobody has it any more they are dropped everywhere, and not while one has it.
//
// Seen to fail when nothing is dropped, and when it does not matter who has the
// table.
func TestTableThatNobodyHas(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		w.goneLong = 2 * time.Minute
		sites := w.network(3)
		a, b, c := sites[0], sites[1], sites[2]
		for _, s := range []*testSite{b, c} {
			s.db.lose("setting")
		}
		time.Sleep(2 * schemaLongest) // they notice
		row := merge.Row{Columns: []string{"property", "value"}, Values: []crdt.Value{crdt.Text("p"), crdt.Text("v")}}
		if err := a.db.app(memdb.Write{Kind: memdb.Insert, Table: "setting", Row: row}); err != nil {
			t.Fatal(err)
		}
		aside := func(s *testSite) int {
			f, err := s.counts()
			if err != nil {
				t.Fatal(err)
			}
			return f.Aside
		}
		w.within(time.Minute, "the row waits at b", func() bool { return aside(b) == 1 && aside(c) == 1 })
		time.Sleep(2 * w.goneLong)
		if n := aside(b); n != 1 {
			t.Fatalf("%d rows wait at b, though a has the table", n)
		}
		c.isolate(true)
		a.db.lose("setting")
		time.Sleep(2 * w.goneLong)
		c.isolate(false)
		w.within(20*time.Minute, "nothing waits any more", func() bool { return aside(a)+aside(b)+aside(c) == 0 })
		a.db.lose("")
		b.db.lose("")
		w.within(10*time.Minute, "the rows of the table are back", func() bool {
			rows := b.db.rows("setting")
			return len(rows) == 1 && rows[0].Key == crdt.MakeKey(crdt.Text("p"))
		})
	})
}
