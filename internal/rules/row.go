package rules

import (
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

// Row is a row as the changes make it by R1 and R2.
type Row struct {
	ID               merge.RowID
	Written, Deleted clock.Stamp
	Cells            []Cell
}

// Cell is the register of a column.
type Cell struct {
	Column string
	Stamp  clock.Stamp
	Value  crdt.Value
}

// Apply takes a change in, in any order.
func (r *Row) Apply(ch *crdt.Change, at clock.Stamp) {
	if ch.Delete {
		if r.Deleted.Less(at) {
			r.Deleted = at
		}
		return
	}
	if r.Written.Less(at) {
		r.Written = at
	}
	for i, name := range ch.Columns {
		if c := r.cell(name); c.Stamp.Less(at) {
			c.Stamp, c.Value = at, ch.Values[i]
		}
	}
}

// Live reports whether the row is there by R2.
func (r *Row) Live() bool { return len(r.Cells) > 0 && r.Deleted.Less(r.Written) }

// cell returns the register of a column.
func (r *Row) cell(column string) *Cell {
	for i := range r.Cells {
		if r.Cells[i].Column == column {
			return &r.Cells[i]
		}
	}
	r.Cells = append(r.Cells, Cell{Column: column})
	return &r.Cells[len(r.Cells)-1]
}

// Value is what a column has by R1; NULL where nobody wrote it.
func (r *Row) Value(column string) crdt.Value {
	for i := range r.Cells {
		if r.Cells[i].Column == column {
			return r.Cells[i].Value
		}
	}
	return crdt.Null
}

// stamp is when a column was written.
func (r *Row) stamp(column string) clock.Stamp {
	for i := range r.Cells {
		if r.Cells[i].Column == column {
			return r.Cells[i].Stamp
		}
	}
	return clock.Stamp{}
}

// greatest is the stamp of the row's latest change.
func (r *Row) greatest() clock.Stamp {
	if r.Written.Less(r.Deleted) {
		return r.Deleted
	}
	return r.Written
}
