package sqldb

import (
	"errors"
	"fmt"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/dbtest"
)

// Several transactions insert at a time; the one with a row that is refused
// leaves nothing.
func TestInsertBehind(t *testing.T) {
	s := newSite(t, dbtest.DDL...)
	person := func(n int, name string) merge.Row {
		uuid := crdt.Text(fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
		return merge.Row{Key: crdt.MakeKey(uuid), Columns: []string{"uuid", "name"}, Values: []crdt.Value{uuid, crdt.Text(name)}}
	}
	def := s.model.Tables["person"]
	const (
		transactions = 4
		rowsEach     = insertRowsMax + 10 // more than a statement
	)
	var waits []func() error
	for i := range transactions {
		tx, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var rows []merge.Row
		for n := range rowsEach {
			rows = append(rows, person(10_000*i+n, "new"))
		}
		if i == transactions-1 {
			rows[rowsEach-1].Values[1] = crdt.Text("a name of more than twenty letters")
		}
		waits = append(waits, tx.(merge.Behind).InsertBehind(t.Context(), def, rows))
	}
	for i, wait := range waits {
		err := wait()
		if last := i == transactions-1; last != errors.Is(err, merge.ErrRefused) || !last && err != nil {
			t.Errorf("transaction %d: %v", i, err)
		}
	}
	if got, want := len(s.rows(t, "person")), (transactions-1)*rowsEach; got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}
