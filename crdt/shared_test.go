package crdt_test

import (
	"reflect"
	"slices"
	"testing"

	"baraza/clock"
	"baraza/crdt"
)

// TestApplySharesCells: a row is made of a state that others hold too; changes
// leave that as it was.
func TestApplySharesCells(t *testing.T) {
	at := func(n int) clock.Stamp {
		return clock.Stamp{Time: clock.Timestamp(n), Site: clock.SiteID{1}}
	}
	state := func() crdt.Row {
		cells := append(make([]crdt.CellStamp, 0, 8), crdt.CellStamp{Column: "b", Stamp: at(5)}, crdt.CellStamp{Column: "d", Stamp: at(6)})
		return crdt.Row{
			Stamps: crdt.Stamps{Row: at(3), Cells: cells}, Exists: true,
			Columns: []string{"a", "b", "c", "d"}, Values: []crdt.Value{"i1", "i2", "i3", "i4"},
			KnownCells: append(make([]string, 0, 8), "b", "d"),
		}
	}
	for name, ch := range map[string]crdt.Change{
		"a column with a stamp":    {Time: 9, Columns: []string{"b"}, Values: []crdt.Value{"i9"}},
		"a column without":         {Time: 9, Columns: []string{"a"}, Values: []crdt.Value{"i9"}},
		"a new column":             {Time: 9, Columns: []string{"e"}, Values: []crdt.Value{"i9"}},
		"a delete":                 {Time: 9, Delete: true, Prior: crdt.Stamps{Row: at(3), Cells: []crdt.CellStamp{{Column: "d", Stamp: at(6)}}}},
		"a delete of another form": {Time: 9, Delete: true, Prior: crdt.Stamps{Row: at(1), Cells: []crdt.CellStamp{{Column: "c", Stamp: at(3)}}}},
	} {
		held, want := state(), state()
		row := held
		row.Apply(&ch, clock.SiteID{2}, nil)
		row.Apply(&crdt.Change{Time: 12, Columns: []string{"c", "d"}, Values: []crdt.Value{"i7", "i8"}}, clock.SiteID{3}, nil)
		if !reflect.DeepEqual(held, want) || !slices.Equal(held.Cells[:cap(held.Cells)], want.Cells[:cap(want.Cells)]) || !slices.Equal(held.KnownCells[:cap(held.KnownCells)], want.KnownCells[:cap(want.KnownCells)]) {
			t.Errorf("%s changed the state that the row came from: %+v", name, held)
		}
	}
}
