package crdt

import "baraza/clock"

// A deleted row comes to an end when every site has applied the delete: whoever inserts
// it writes a new one (merge.Settled), and it makes no difference who still remembers the
// old one. Sites that join write two kinds of changes that are older than such a delete
// and may come before that end or after it:
//
//   - What a joining site had of a row of which its member knew a delete. It has lost to
//     that delete, and says so: it names a delete that is later than itself. So it is a
//     loss to the delete and nothing else, whatever has become of the row by then.
//   - The row of a site whose member had none, or a settled tombstone. It puts an end to
//     all that its batch is applied after (End), and to nothing else.

// LostToDelete reports whether a change names a delete to which it had lost when it was
// written. No other does: who overwrites a tombstone is later than that.
func (ch *Change) LostToDelete() bool {
	return !ch.Delete && !ch.Whole && ch.Time < ch.Prior.Deleted.Time
}

// loseToNamed makes all that such a change has losses to the delete that it names.
func (r *Row) loseToNamed(ch *Change, at clock.Stamp) {
	if r.blank() { // else it would count as one from before
		r.Deleted = ch.Prior.Deleted
	}
	for i, column := range ch.Columns {
		r.addLoss(Loss{Column: column, Value: ch.Values[i], Stamp: at, Winner: ch.Prior.Deleted, WinnerDelete: true, Apart: true})
	}
}

// End takes away what v covers: the delete, and all columns as far as nobody has written
// them since. What was lost stays.
func (r *Row) End(v clock.VersionVector) {
	next := Row{Lost: r.Lost, Number: r.Number, memory: r.memory}
	if !v.Covers(r.Deleted) {
		next.Deleted = r.Deleted
	}
	if !v.Covers(r.Row) {
		next.Row, next.KnownRow = r.Row, r.KnownRow
	}
	for i, column := range r.Columns {
		at := r.Of(column)
		if v.Covers(at) {
			continue
		}
		next.Columns, next.Values = append(next.Columns, column), append(next.Values, r.Values[i])
		if r.hasCell(column) {
			next.setStamp(column, at)
			if r.known(column) {
				next.KnownCells = append(next.KnownCells, column)
			}
		}
	}
	next.Exists = r.Exists && len(next.Columns) > 0
	*r = next
}
