package replica_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// A write undoes a delete that it has not seen, though every site has applied
// that: its database was restored. Where somebody to whom the delete is settled
// inserts the row, in one piece or in two, nobody lists that it was undone,
// whichever of the two comes first.
func TestUndoneDeleteIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name   string
		pieces bool
		millis int64 // the insert is so much later than the write
	}{
		{name: "the insert is later", millis: 3},
		{name: "the write is later", millis: -3},
		{name: "the insert comes in pieces", pieces: true, millis: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := newWorld(2, plain, false)
			if err != nil {
				t.Fatal(err)
			}
			a, b := w.sites[0], w.sites[1]
			a.do(t, insert("person", a, 1))
			w.settle(t)
			w.deleteFor(t, a, remove("person", a, 1))
			if c.pieces { // over a tombstone that the site has forgotten
				w.forgets(t, a)
			}
			write := b.unseen(wholeRow("person", a, 1), "person", -c.millis)
			a.do(t, insert("person", a, 1))
			if c.pieces {
				a.do(t, update("person", a, 1, "note"))
			}
			a.capture(t)
			w.micros += 5000
			for _, s := range w.sites { // a has the insert, b has not
				s.applyEntry(t, write)
			}
			if n := len(b.undone(t, "person")); n != 1 {
				t.Fatalf("site 2 lists %d deletes that were undone before the insert comes, want 1", n)
			}
			w.settle(t)
			w.checkAnswered(t, "person")
		})
	}
}

// So too where the row waits, and an application of a site that has it so
// inserts it.
func TestUndoneDeleteIsAnsweredOfAWaitingRow(t *testing.T) {
	w, err := newWorld(2, references, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := w.sites[0], w.sites[1]
	a.do(t, insert("person", a, 2), visit(a, 1, 2, 0))
	w.settle(t)
	w.deleteFor(t, b, removeVisit(1))
	waits := visit(a, 1, 6, 0).Row // of a person that nobody has
	write := a.unseen(waits, "visit", 0)
	for _, s := range w.sites {
		s.applyEntry(t, write)
		if n := len(s.undone(t, "visit")); n != 1 {
			t.Fatalf("site %d lists %d deletes that were undone before the insert, want 1", s.n, n)
		}
	}
	w.micros += 5000
	b.do(t, visit(b, 1, 2, 0))
	w.settle(t)
	w.checkAnswered(t, "visit")
}

// deleteFor deletes a row, and lets the site know that this is settled; the others
// have not published that they know, so all have the tombstone.
func (w *world) deleteFor(t *testing.T, s *site, remove memdb.Write) {
	t.Helper()
	s.do(t, remove)
	w.settle(t)
	for _, one := range append(slices.Clone(w.sites), s) {
		one.tended(t, opPublish)
		w.settle(t)
	}
	w.micros += 5000
}

// forgets lets a site drop its tombstones; the others could, but have not done so.
func (w *world) forgets(t *testing.T, s *site) {
	t.Helper()
	for range tidyRounds {
		for _, one := range w.sites {
			one.tended(t, opPublish)
		}
		w.settle(t)
	}
	s.tended(t, opTruncate, opTruncate)
	if dead, err := s.tombstones(); err != nil || len(dead) > 0 {
		t.Fatalf("site %d still has %d tombstones, %v", s.n, len(dead), err)
	}
	w.micros += 5000
}

// unseen is the log of a site that writes a row whole, of which it knows nothing,
// though it has applied what this one has.
func (s *site) unseen(row merge.Row, table string, millis int64) []byte {
	at := clock.Timestamp(uint64(s.w.micros/1000+millis) << 16)
	return (&crdt.Entry{
		First: true, Last: true, Unseen: true, Context: s.r.Applied().Clone(), Through: at,
		Changes: []crdt.Change{{Table: table, Key: row.Key, Whole: true, Time: at, Columns: row.Columns, Values: row.Values}},
	}).Encode()
}

// applyEntry applies an entry of a site that is not in the world.
func (s *site) applyEntry(t *testing.T, entry []byte) {
	t.Helper()
	if err := s.r.Log().Append(clock.SiteID{9}, 1, [][]byte{entry}); err != nil {
		t.Fatal(err)
	}
	if res, err := s.r.Apply(context.Background(), 0); err != nil || res.Batches != 1 {
		t.Fatalf("site %d applied %+v, %v", s.n, res, err)
	}
}

// undone lists the conflicts of row 1 about a delete.
func (s *site) undone(t *testing.T, table string) []string {
	t.Helper()
	list, err := s.conflicts()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(line string) bool { return !strings.HasPrefix(line, table+" #1. ") })
}

// checkAnswered: the sites are equal, and none lists that a delete was undone.
func (w *world) checkAnswered(t *testing.T, table string) {
	t.Helper()
	first, err := w.sites[0].conflicts()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range w.sites {
		if list := s.undone(t, table); len(list) > 0 {
			t.Errorf("site %d lists that a delete was undone: %v", s.n, list)
		}
		list, err := s.conflicts()
		if err != nil {
			t.Fatal(err)
		}
		if err := same("conflicts at site 1 and another", first, list); err != nil {
			t.Error(err)
		}
		if err := same("rows at site 1 and another", w.sites[0].lines(), s.lines()); err != nil {
			t.Error(err)
		}
	}
}
