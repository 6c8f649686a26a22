package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
	"baraza/schema"
)

func person(n int, name, note string) memdb.Write {
	return memdb.Write{Kind: memdb.Insert, Table: "person", Row: merge.Row{
		Key: keyOf(n), Columns: []string{"uuid", "name", "note"},
		Values: []crdt.Value{crdt.Text(uuid(n)), crdt.Text(name), crdt.Text(note)},
	}}
}

// The values of a column that a site gets later are written in steps of a few
// rows; a row that an application holds is passed over, and what it has written
// since the column is there stays.
//
// Seen to fail when local changes are not taken first (the note of person 3 is
// "note 3"), and when a step does not stop at its limit (1 step).
func TestPlaceColumns(t *testing.T) {
	w, err := newWorld(2, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	a, b := w.sites[0], w.sites[1]
	older := dbtest.Model()
	older.Tables["person"].Columns = slices.DeleteFunc(older.Tables["person"].Columns, func(c schema.Column) bool { return c.Name == "note" })
	b.r.SetModel(older)
	const rows = 30
	for n := 1; n <= rows; n++ {
		if err := a.db.App(person(n, fmt.Sprint("name ", n), fmt.Sprint("note ", n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.exchange(); err != nil {
		t.Fatal(err)
	}
	b.r.SetModel(clinic)
	note := func(n int) string {
		row, _ := b.db.Row("person", keyOf(n))
		if i := slices.Index(row.Columns, "note"); i >= 0 {
			return row.Values[i].Payload()
		}
		return ""
	}
	if got := note(1); got == "note 1" {
		t.Fatalf("the note is there before the column: %q", got)
	}
	mine := memdb.Write{Kind: memdb.Update, Table: "person", Row: merge.Row{Key: keyOf(3), Columns: []string{"note"}, Values: []crdt.Value{crdt.Text("mine")}}}
	if err := b.db.App(mine); err != nil {
		t.Fatal(err)
	}
	b.faults.held = 2 // as for a row that somebody holds: the second step
	steps, passed := 0, 0
	for round := range 2 { // the second one for what was passed over
		next := []byte(nil)
		for {
			n, err := b.r.PlaceColumns(ctx, "person", []string{"note"}, next, 7)
			switch {
			case errors.Is(err, merge.ErrRetry):
				passed++
			case err != nil:
				t.Fatal(err)
			}
			steps++
			if next = n; next == nil {
				break
			}
		}
		for n := 1; n <= rows; n++ {
			want := fmt.Sprint("note ", n)
			if n == 3 {
				want = "mine"
			}
			if got := note(n); got != want && round == 1 {
				t.Errorf("the note of person %d is %q, want %q", n, got, want)
			}
		}
	}
	if steps < 6 || passed != 1 {
		t.Errorf("%d steps of 7 rows at most for %d rows, %d passed over", steps, rows, passed)
	}
	if err := w.exchange(); err != nil {
		t.Fatal(err)
	}
	if row, _ := a.db.Row("person", keyOf(3)); row.Values[slices.Index(row.Columns, "note")].Payload() != "mine" {
		t.Errorf("at the other site person 3 is %v", row)
	}
}
