package replica_test

import (
	"context"
	"testing"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// visit is a new visit of a person, under another visit; 0 for none.
func visit(s *site, n, person, parent int) memdb.Write {
	under := crdt.Null
	if parent > 0 {
		under = refTo(parent)
	}
	return memdb.Write{Kind: memdb.Insert, Table: "visit", Row: merge.Row{
		Key: keyOf(n), Columns: []string{"uuid", "person_id", "parent_id", "reason"},
		Values: []crdt.Value{crdt.Text(uuid(n)), refTo(person), under, s.fresh()},
	}}
}

// moveVisit lets a visit refer to another row.
func moveVisit(n int, column string, to int) memdb.Write {
	return memdb.Write{Kind: memdb.Update, Table: "visit", Row: merge.Row{
		Key: keyOf(n), Columns: []string{column}, Values: []crdt.Value{refTo(to)},
	}}
}

func removeVisit(n int) memdb.Write {
	return memdb.Write{Kind: memdb.Delete, Table: "visit", Row: merge.Row{Key: keyOf(n)}}
}

func bill(s *site, n, visit int) memdb.Write {
	return memdb.Write{Kind: memdb.Insert, Table: "bill", Row: merge.Row{
		Key: keyOf(n), Columns: []string{"uuid", "visit_id", "note"},
		Values: []crdt.Value{crdt.Text(uuid(n)), refTo(visit), s.fresh()},
	}}
}

// A row moves, at one site, under a row that another site has deleted, and has
// rows of its own below it. Where the delete came first, nothing had locked
// those: all of them go, or stay where one is needed, as soon as the site has
// no work left, and not only at the next Retry.
func TestWhatIsBelowAMovedRowGoesAtOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		// a deletes what b moves visit 1 to; before that b may do more, which a has.
		delete, move memdb.Write
		before       func(b *site) []memdb.Write
		visits       int // that stay
	}{
		{name: "under a deleted row of its own table", delete: removeVisit(2), move: moveVisit(1, "parent_id", 2)},
		{name: "under a deleted row of another table", delete: removePerson(2), move: moveVisit(1, "person_id", 2), visits: 1},
		{
			name: "under a row that went with a deleted one", delete: removePerson(2), move: moveVisit(1, "parent_id", 5), visits: 1,
			before: func(b *site) []memdb.Write { return []memdb.Write{visit(b, 5, 2, 0)} },
		},
		{
			name: "and one is needed", delete: removeVisit(2), move: moveVisit(1, "parent_id", 2), visits: 4,
			before: func(b *site) []memdb.Write { return []memdb.Write{bill(b, 1, 4)} },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := newWorld(2, references, false)
			if err != nil {
				t.Fatal(err)
			}
			a, b := w.sites[0], w.sites[1]
			a.do(t, insert("person", a, 1), insert("person", a, 2), visit(a, 1, 1, 0), visit(a, 2, 1, 0), visit(a, 3, 1, 1), visit(a, 4, 1, 3))
			w.settle(t)
			a.do(t, c.delete)
			a.capture(t)
			if c.before != nil {
				b.do(t, c.before(b)...)
				b.capture(t)
				a.takeAll(t, b)
			}
			b.do(t, c.move)
			b.capture(t)
			a.takeAll(t, b)
			b.takeAll(t, a)
			for _, s := range w.sites {
				if n := s.db.Len("visit"); n != c.visits {
					t.Errorf("site %d shows %d visits, want %d:\n%v", s.n, n, c.visits, s.lines())
				}
			}
			w.settle(t)
			if err := w.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func removePerson(n int) memdb.Write {
	return memdb.Write{Kind: memdb.Delete, Table: "person", Row: merge.Row{Key: keyOf(n)}}
}

// takeAll takes what another site wrote and applies it until nothing is left to
// do; it does not retry.
func (s *site) takeAll(t *testing.T, from *site) {
	t.Helper()
	if err := s.take(from, from.id, 1<<20, seeded(1)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		res, err := s.r.Apply(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if res.Batches == 0 && res.Woken == 0 {
			return
		}
	}
	t.Fatalf("site %d: rows are woken again and again: %v", s.n, s.r.WakeRows())
}

// A deleted row stays since rows that would go with it, two levels down, are
// needed by a third. When the third lets go, all of them go as soon as the site
// has no work left, where the third was written and where it comes in.
func TestWhatIsAboveAReleasedRowGoesAtOnce(t *testing.T) {
	for _, c := range []struct {
		name  string
		lets  memdb.Write
		bills int
	}{
		{name: "it moves away", lets: memdb.Write{Kind: memdb.Update, Table: "bill", Row: merge.Row{
			Key: keyOf(1), Columns: []string{"visit_id"}, Values: []crdt.Value{refTo(5)},
		}}, bills: 1},
		{name: "it is deleted", lets: memdb.Write{Kind: memdb.Delete, Table: "bill", Row: merge.Row{Key: keyOf(1)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := newWorld(2, references, false)
			if err != nil {
				t.Fatal(err)
			}
			a, b := w.sites[0], w.sites[1]
			a.do(t, insert("person", a, 1), visit(a, 1, 1, 0), visit(a, 5, 1, 0))
			w.settle(t)
			a.do(t, removeVisit(1))
			b.do(t, visit(b, 2, 1, 1), visit(b, 3, 1, 2), bill(b, 1, 3))
			w.settle(t)
			for _, s := range w.sites {
				if n := s.db.Len("visit"); n != 4 {
					t.Fatalf("site %d shows %d visits as long as they are needed, want 4:\n%v", s.n, n, s.lines())
				}
			}
			b.do(t, c.lets)
			b.capture(t)
			a.takeAll(t, b)
			b.takeAll(t, a)
			for _, s := range w.sites {
				if v, n := s.db.Len("visit"), s.db.Len("bill"); v != 1 || n != c.bills {
					t.Errorf("site %d shows %d visits and %d bills, want 1 and %d:\n%v", s.n, v, n, c.bills, s.lines())
				}
			}
			w.settle(t)
			if err := w.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A row refers to one that was deleted, and that itself refers to a row which everybody
// has forgotten, so that it cannot come back: it goes with that one, and so do the rows
// below it, whether it came to wait for it first or not.
//
// Seen to fail when the rows below are not locked: the row stays, and waits for the
// deleted one to come back, for ever.
func TestWhatRefersToADeletedRowThatCannotComeBack(t *testing.T) {
	of := func(s *site) merge.Row { return visit(s, 7, 1, 8).Row }
	for _, order := range [][]int{{0, 1, 2}, {1, 0, 2}, {1, 2, 0}} {
		w, err := newWorld(1, references, false)
		if err != nil {
			t.Fatal(err)
		}
		a := w.sites[0]
		a.do(t, insert("person", a, 1), visit(a, 1, 1, 0), visit(a, 3, 1, 1))
		a.capture(t)
		row := of(a)
		moves := crdt.Change{Key: keyOf(1), Columns: []string{"parent_id"}, Values: []crdt.Value{refTo(7)}}
		moves.Prior.Row = clock.Stamp{Time: clock.Timestamp(1 << 16), Site: a.id}
		changes := []crdt.Change{moves, {Key: keyOf(7), Whole: true, Columns: row.Columns, Values: row.Values}, {Key: keyOf(7), Delete: true}}
		var log [][]byte
		for n, i := range order {
			ch := changes[i]
			ch.Table, ch.Time = "visit", clock.Timestamp(uint64(w.micros/1000+int64(n)+1)<<16)
			log = append(log, (&crdt.Entry{First: true, Last: true, Context: a.r.Applied().Clone(), Through: ch.Time, Changes: []crdt.Change{ch}}).Encode())
		}
		if err := a.r.Log().Append(clock.SiteID{9}, 1, log); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := a.r.Apply(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if n := a.db.Len("visit"); n != 0 {
			t.Errorf("order %v: the site shows %d visits:\n%v", order, n, a.lines())
		}
	}
}
