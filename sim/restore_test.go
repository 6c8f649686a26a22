package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// setting writes a setting at a site, and returns its value.
func setting(s *Site, n int) cell {
	x := &transaction{s: s, there: map[merge.RowID]bool{}}
	property := crdt.Text(fmt.Sprintf("p%d", n))
	r := merge.Row{Key: crdt.MakeKey(property)}
	set(&r, field{"property", property}, field{"value", x.fresh()})
	x.write(memdb.Insert, "setting", r)
	x.run()
	return cell{merge.RowID{Table: "setting", Key: r.Key}, "value", r.Values[1]}
}

func (s *Site) shows(c cell) bool {
	r, there := s.db.Row(c.Table, c.Key)
	return there && r.Values[1] == c.value
}

// TestRestored: of what was written after a backup, what the site had logged is
// there in the end, though it was sent to nobody, and what it had not logged is
// lost, and nothing else is.
func TestRestored(t *testing.T) {
	for _, stop := range []bool{true, false} {
		w := newTestWorld(t, 2)
		a, b := w.Sites[0], w.Sites[1]
		run := func(d time.Duration) {
			t.Helper()
			if err := w.Run(w.now + d); err != nil {
				t.Fatal(err)
			}
		}
		run(10 * time.Second)
		first := setting(a, 1)
		run(10 * time.Second)
		heal := w.Cut("one", func(int, int) bool { return true })
		a.RestoreIn(10*time.Second, stop)
		logged := setting(a, 2)
		run(10*time.Second - time.Microsecond)
		if a.db.Pending() > 0 {
			t.Fatal("not captured after 10 s")
		}
		lost := setting(a, 3)
		run(30 * time.Second)
		if !a.restored.behind || a.shows(logged) || a.shows(lost) || !a.shows(first) {
			t.Fatal("the database is not set back")
		}
		heal()
		news := setting(a, 4)
		if err := w.Settle(time.Hour); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Site{a, b} {
			if !s.shows(first) || !s.shows(logged) || s.shows(lost) || !s.shows(news) {
				t.Errorf("stopped %v: %s shows the first %v, what was logged %v, not logged %v, written since %v",
					stop, s, s.shows(first), s.shows(logged), s.shows(lost), s.shows(news))
			}
		}
		// The ledger makes an exception of what was not logged, and of that alone.
		w.ledger.losses[0].txns = nil
		if err := b.checkLedger(); err == nil || !strings.Contains(err.Error(), lost.String()) {
			t.Errorf("a value that was lost is not missed: %v", err)
		}
	}
}
