package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// setRule sets, for all sites, what a table's rows show whose unique value
// another row has.
func (s *site) setRule(rnd *rand.Rand) error {
	table := []string{"badge", "badge", "badge", "users", "locker"}[rnd.IntN(5)]
	way := merge.Way(min(rnd.IntN(6), 2))
	err := s.r.SetUnique(context.Background(), table, way)
	s.w.note("site %d sets %s to %s: %v", s.n, table, way, err)
	return s.after(err, rnd)
}

// counters are the columns of stock that count.
var counters = []string{"quantity", "price"}

// setCounter declares a counter; it may have rows by then.
func (s *site) setCounter(rnd *rand.Rand) error {
	column := counters[rnd.IntN(len(counters))]
	err := s.r.SetCounter(context.Background(), "stock", column)
	s.w.note("site %d makes stock.%s a counter: %v", s.n, column, err)
	return s.after(err, rnd)
}

// lookAtCounters is what a site does after a counter was declared.
func (s *site) lookAtCounters(rnd *rand.Rand) error {
	table, err := s.r.NewCounters()
	if err != nil || table == "" {
		return s.after(err, rnd)
	}
	scan, err := s.db.Scan(context.Background())
	if err != nil {
		return s.after(err, rnd)
	}
	defer scan.Close()
	err = s.r.StartCounters(context.Background(), scan, table)
	s.w.note("site %d looks at the counters of %s: %v", s.n, table, err)
	return s.after(err, rnd)
}

// add notes what a write added to a number; the i-th of the values it had was there
// before, if any was.
func (w *world) add(c cell, was bool, now crdt.Value, before []crdt.Value, i int) {
	if !now.IsNumber() {
		return
	}
	if was {
		now = crdt.Sub(now, before[i])
	}
	w.added[c] = crdt.Add(w.added[c], now)
}

// checkCounters: where they were counters from the start and the row was never
// deleted, they show what was added.
func (w *world) checkCounters() error {
	if !w.counting || w.mode != plain || w.forgotten != nil { // what that site added may have stayed with it
		return nil
	}
	for _, s := range w.live() {
		for key, row := range s.tables()["stock"] {
			n := int(key.Values()[0].Payload()[1] - '0')
			for i, c := range row.Columns {
				if want := w.added[cell{table: "stock", column: c, key: key}]; n%2 == 0 && slices.Contains(counters, c) && row.Values[i] != want {
					return fmt.Errorf("site %d shows %s in stock.%s of %s, and %s was added", s.n, row.Values[i], c, key, want)
				}
			}
		}
	}
	return nil
}

// TestHeldOrder: of two rows that clash in two unique indexes, each of which
// has had one of the values for longer, the same is held at every site.
//
// Seen to fail when rows that hold are ordered index by index, as those are that
// show something else.
func TestHeldOrder(t *testing.T) {
	w, err := newWorld(2, clashes, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := w.sites[0], w.sites[1]
	do := func(s *site, kind memdb.Kind, n int, columns []string, values ...crdt.Value) {
		t.Helper()
		w.micros += 5_000
		row := merge.Row{Key: keyOf(n), Columns: columns, Values: values}
		if err := s.db.App(memdb.Write{Kind: kind, Table: "badge", Row: row}); err != nil {
			t.Fatal(err)
		}
	}
	person := merge.Row{
		Key: keyOf(2), Columns: []string{"uuid", "name", "weight", "note"},
		Values: []crdt.Value{crdt.Text(uuid(2)), crdt.Null, crdt.Null, crdt.Text("")},
	}
	if err := a.db.App(memdb.Write{Kind: memdb.Insert, Table: "person", Row: person}); err != nil {
		t.Fatal(err)
	}
	if err := a.r.SetUnique(t.Context(), "badge", merge.WayHold); err != nil {
		t.Fatal(err)
	}
	if err := w.exchange(); err != nil {
		t.Fatal(err)
	}
	whole := []string{"uuid", "number", "person_id", "slot", "note"}
	place := []string{"person_id", "slot"}
	do(a, memdb.Insert, 1, whole, crdt.Text(uuid(1)), crdt.Text("A"), crdt.Null, crdt.Null, crdt.Null)
	do(b, memdb.Insert, 3, whole, crdt.Text(uuid(3)), crdt.Text("C"), refTo(2), crdt.Text("x"), crdt.Null)
	do(a, memdb.Update, 1, place, refTo(2), crdt.Text("x"))
	do(b, memdb.Update, 3, []string{"number"}, crdt.Text("A"))
	if err := w.exchange(); err != nil {
		t.Fatal(err)
	}
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
	if n := len(a.db.Rows("badge")); n != 1 {
		t.Errorf("%d badges are in the table, want one", n)
	}
}
