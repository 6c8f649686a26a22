package replica_test

import (
	"slices"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// TestResolvesWhatChanges: to write a value of a row, the database is not asked for
// the rows that the row refers to already, but for the one that it refers to anew.
//
// Seen to fail when all references of a changed row are asked for.
func TestResolvesWhatChanges(t *testing.T) {
	w, err := newWorld(2, references, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := w.sites[0], w.sites[1]
	a.do(t, insert("person", a, 1), insert("person", a, 2), visit(a, 1, 1, 0), visit(a, 2, 1, 1))
	w.settle(t)
	for _, c := range []struct {
		change memdb.Write
		asks   bool
	}{
		{memdb.Write{Kind: memdb.Update, Table: "visit", Row: merge.Row{
			Key: keyOf(2), Columns: []string{"reason"}, Values: []crdt.Value{a.fresh()},
		}}, false},
		{moveVisit(2, "person_id", 2), true},
	} {
		a.do(t, c.change)
		a.capture(t)
		b.faults.seen = nil
		b.takeAll(t, a)
		if !slices.Contains(b.faults.seen, memdb.StepUpdate) {
			t.Fatalf("%v: nothing was written: %v", c.change.Row.Columns, b.faults.seen)
		}
		if asks := slices.Contains(b.faults.seen, memdb.StepResolve); asks != c.asks {
			t.Errorf("%v: asked for rows that it refers to: %v, want %v", c.change.Row.Columns, asks, c.asks)
		}
	}
	w.settle(t)
}
