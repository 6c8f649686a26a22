package rules

import (
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

// Row is a row as the changes make it by R1 and R2.
type Row struct {
	ID               merge.RowID
	Written, Deleted clock.Stamp
	Cells            []Cell
	// deletes and inserts tell which parts of counters are gone: those that someone had
	// seen who then inserted the row anew, and those older than a delete that every site
	// had applied by then.
	deletes []clock.Stamp
	inserts []insert
}

// insert is when someone inserted a row anew, and what he had seen.
type insert struct {
	*crdt.Change
	at clock.Stamp
	Known
}

// Known is what is known of who made a change.
type Known struct {
	// Seen is what he had applied, his own changes too, and Settled what he knew that
	// every site had.
	Seen, Settled clock.VersionVector
	// After is what is applied before the change, whether he had seen it or not.
	After clock.VersionVector
	// Begins: the change is an insert, or its first piece, of one who knew nothing of the
	// row.
	Begins bool
}

// covers reports whether he knew of a delete.
func (k *Known) covers(d clock.Stamp) bool { return k.Seen.Covers(d) || k.Settled.Covers(d) }

// Cell is the register of a column.
type Cell struct {
	Column string
	Stamp  clock.Stamp
	Value  crdt.Value
}

// Apply takes a change in, in any order.
func (r *Row) Apply(ch *crdt.Change, at clock.Stamp, by Known) {
	if ch.Delete {
		r.deletes = append(r.deletes, at)
		if r.Deleted.Less(at) {
			r.Deleted = at
		}
		return
	}
	if r.Written.Less(at) {
		r.Written = at
	}
	if ch.Begins() || by.Begins {
		r.inserts = append(r.inserts, insert{ch, at, by})
	}
	for i, name := range ch.Columns {
		c := r.cell(name)
		if name == crdt.Reset {
			c.Value = max(c.Value, ch.Values[i]) // the latest delete that one who inserts had seen
		} else if c.Stamp.Less(at) {
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

// Shows is what a column has with all that sites added to it (R6).
func (r *Row) Shows(column string) crdt.Value {
	v := r.Value(column)
	for i := range r.Cells {
		c := &r.Cells[i]
		if counter, _, ok := crdt.PartOf(c.Column); ok && counter == column && r.Counts(c) {
			v = crdt.Add(v, c.Value)
		}
	}
	return v
}

// Counts reports whether a cell is not a part of a counter that is gone, because
// the row was inserted anew by one who had seen it deleted.
func (r *Row) Counts(c *Cell) bool {
	if !crdt.IsPart(c.Column) || c.Column == crdt.Reset {
		return true
	}
	reset := r.Value(crdt.Reset)
	return !r.begunAnew(c.Stamp) && (reset.IsNull() || crdt.ResetAt(c.Stamp) >= reset)
}

// begunAnew reports whether the row was inserted anew since a write, by one who comes
// after that write, or knew of the last delete before the insert. Any other brings the row back
// as it was, though he knew of earlier deletes: so is an insert into a database that was
// set back and is not brought up again yet.
func (r *Row) begunAnew(at clock.Stamp) bool {
	return slices.ContainsFunc(r.inserts, func(x insert) bool {
		var last clock.Stamp
		for _, d := range r.deletes {
			if d.Less(x.at) && last.Less(d) {
				last = d
			}
		}
		return at.Less(last) && x.covers(last) || x.EndsPart(x.at, at, x.After)
	})
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
