package crdt

import "baraza/clock"

// Change is what happened to one row in one source transaction: columns
// written, or the row deleted.
type Change struct {
	Table  string
	Key    Key
	Delete bool
	// Whole: Columns are all that the writer's table ships, as in an insert.
	Whole bool
	// Time is the change's timestamp; with the batch's origin it is its Stamp.
	Time clock.Timestamp
	// Columns names the written columns and Values holds their values, in the
	// same order. Changes of one shape share the Columns slice: read it only.
	// A delete has neither.
	Columns []string
	Values  []Value
	// Prior holds the stamps of what the writer overwrote: for a write, of the
	// written columns, or of the delete where it wrote over a tombstone; for a
	// delete, of the whole row. A stamp that is not listed is the
	// baseline's. It is how "had the writer seen it?" is answered exactly.
	Prior Stamps
}

// Batch is the changes of one or more whole source transactions of one origin:
// the unit that is applied atomically. It is stored and shipped as one or more
// log entries (see Entry).
type Batch struct {
	Origin clock.SiteID
	// First and Last are the batch's first and last log entries at its origin.
	First, Last uint64
	// Context is what the origin had applied when it wrote the batch.
	Context clock.VersionVector
	// Through: with this batch in, every change of the origin that is stamped
	// up to here is in.
	Through clock.Timestamp
	Changes []Change
}

// Stamps are the write stamps of one row, kept sparse.
type Stamps struct {
	// Row is the stamp of every column that Cells does not list.
	Row clock.Stamp
	// Cells are the columns with a stamp of their own, sorted by column.
	Cells []CellStamp
	// Deleted is the greatest delete stamp; zero when nobody deleted the row.
	Deleted clock.Stamp
}

// CellStamp is the stamp of one column.
type CellStamp struct {
	Column string
	Stamp  clock.Stamp
}

// Of returns the stamp of a column.
func (s *Stamps) Of(column string) clock.Stamp {
	for i := range s.Cells {
		if s.Cells[i].Column == column {
			return s.Cells[i].Stamp
		}
	}
	return s.Row
}

// Greatest returns the row's greatest write stamp.
func (s *Stamps) Greatest() clock.Stamp {
	g := s.Row
	for i := range s.Cells {
		if g.Less(s.Cells[i].Stamp) {
			g = s.Cells[i].Stamp
		}
	}
	return g
}

// Dead reports whether the row is deleted: its delete is newer than every
// write (rule R2).
func (s *Stamps) Dead() bool { return !s.Deleted.IsZero() && s.Greatest().Less(s.Deleted) }
