package crdt

import (
	"slices"

	"baraza/clock"
)

// Row is one row as the merge rules see it: its values, their stamps, and what
// was lost. Callers fill it from the database and the row state, Apply changes,
// and write back what differs.
type Row struct {
	Stamps
	// Number names the column by which alone the row is named, where that is a
	// number that its database gave; else "". See number.go.
	Number string
	// Exists: the row is there. A row can have stamps and not exist (deleted),
	// or exist without stamps (nobody changed it since the baseline).
	Exists bool
	// Columns and Values are the row's columns. After a delete they keep the
	// last values, so that a newer write can bring the whole row back (R2).
	Columns []string
	Values  []Value
	// KnownRow and KnownCells tell which values were deleted by someone who had
	// seen them: KnownCells lists columns with a stamp of their own, KnownRow
	// speaks for all others.
	KnownRow   bool
	KnownCells []string
	// Lost are the values that were overwritten unseen, sorted by column and
	// stamp.
	Lost []Loss

	// own: Cells and KnownCells are this Row's, to be written in place.
	own    bool
	memory *Memory
}

// Use makes the row take room for what it becomes from a step's memory.
func (r *Row) Use(m *Memory) { r.memory = m }

// Loss is a conflict: a value that a site wrote and that was overwritten by
// one that had not seen it (R7).
type Loss struct {
	// Column is the column written; "" when the loser is a delete of the row.
	Column string
	Value  Value
	Stamp  clock.Stamp
	// Winner is the stamp of what beat it: the greatest write of the column
	// that had not seen it, else the greatest such delete of the row. It is zero where
	// all had seen it, and what they overwrote is a write that nobody has any more: that
	// one beat it, or replaced it knowingly (WinnerGone).
	Winner       clock.Stamp
	WinnerDelete bool
	WinnerValue  Value
	// Visible: the value is visible all the same, since another write kept the
	// row alive or brought it back. It is no conflict then; it is kept because
	// it is one again when a writer who knew it only as deleted overwrites it.
	Visible bool
	// Apart: the value never was one of this row, and the loss stays as it is. It is
	// of a row that another site inserted under the same number, and Winner is when the
	// one in its place was inserted (R3); or, with WinnerDelete, a joining site had it of
	// a row of which it found the delete (ended.go).
	Apart bool
}

// WinnerGone reports whether what beat the value is a write that nobody has any more.
func (l *Loss) WinnerGone() bool { return l.Winner.IsZero() }

// Value returns the value of a column; false when the row has no such column.
func (r *Row) Value(column string) (Value, bool) {
	if i := slices.Index(r.Columns, column); i >= 0 {
		return r.Values[i], true
	}
	return Null, false
}

// SetValue gives the row a column's value without a stamp.
func (r *Row) SetValue(column string, v Value) {
	columns, values := slices.Clone(r.Columns), slices.Clone(r.Values)
	if i := slices.Index(columns, column); i >= 0 {
		values[i] = v
	} else {
		columns, values = append(columns, column), append(values, v)
	}
	r.Columns, r.Values = columns, values
}

// Apply merges one change of origin into the row. seen is the context of the
// change's batch. The row's slices, but for Lost, are replaced where they change,
// never written in place: they may be shared with others.
func (r *Row) Apply(ch *Change, origin clock.SiteID, seen clock.VersionVector) {
	at := clock.Stamp{Time: ch.Time, Site: origin}
	if ch.LostToDelete() {
		r.loseToNamed(ch, at)
		return
	}
	var life clock.Stamp
	if r.Number != "" {
		life = r.LifeOf(ch, at)
		if r.otherLife(ch, at, life) {
			return
		}
	}
	switch {
	case ch.Delete:
		r.applyDelete(ch, at, seen)
	case r.isNew():
		r.first(ch, at)
	default:
		r.applyWrite(ch, at, seen)
		r.beginAnew(ch, at, seen)
	}
	if r.Number != "" && r.Life() != life {
		r.setStamp(r.Number, life)
	}
	r.dropVoid()
	for i := range r.Lost {
		l := &r.Lost[i]
		l.Visible = r.Exists && l.Column != "" && l.Stamp == r.Of(l.Column) && !r.gone(l.Column)
	}
}

// isNew reports whether nothing is known of the row.
func (r *Row) isNew() bool {
	return !r.Exists && len(r.Columns) == 0 && r.Deleted.IsZero() && r.Row.IsZero() && len(r.Cells) == 0 && len(r.Lost) == 0
}

// first is applyWrite for a row of which nothing is known: the common case,
// without comparisons.
func (r *Row) first(ch *Change, at clock.Stamp) {
	r.Exists = true
	r.Columns, r.Values = ch.Columns, ch.Values
	if ch.Whole {
		r.Row = at
		return
	}
	r.ownCells(len(ch.Columns))
	for _, c := range ch.Columns {
		r.setStamp(c, at)
	}
}

func (r *Row) applyWrite(ch *Change, at clock.Stamp, seen clock.VersionVector) {
	wasDead := r.Dead()
	overTombstone := !ch.Prior.Deleted.IsZero()
	values := append(r.memory.Values(max(len(r.Values), len(ch.Columns))), r.Values...)
	if !ch.Whole {
		r.ownCells(len(ch.Columns))
	}
	columns, shared := r.Columns, true
	won := 0
	for i, column := range ch.Columns {
		prior := ch.Prior.Of(column)
		if !overTombstone {
			r.dropLoss(column, prior)
		}
		j := indexOf(columns, column, i)
		added := j < 0
		if added {
			if shared {
				columns, shared = append(r.memory.Names(len(columns)+len(ch.Columns)-i), columns...), false
			}
			j = len(columns)
			columns, values = append(columns, column), append(values, Null)
		}
		r.raiseWinners(column, at, ch.Values[i], ch.Prior.seenOf(column, seen))
		current := r.Of(column)
		if added && !r.hasCell(column) {
			current = clock.Stamp{} // the row stamp speaks of the columns that were there
		}
		switch current.Compare(at) {
		case 0: // the same change once more
		case 1:
			if column == Reset {
				values[j] = max(values[j], ch.Values[i])
			}
			r.addLoss(Loss{Column: column, Value: ch.Values[i], Stamp: at, Winner: current, WinnerValue: values[j]})
		case -1:
			// A writer over a tombstone has no priors but the delete: what it
			// knew is known, or lost to the delete already.
			unseen := (overTombstone || current != prior) && !(added && current.IsZero())
			if unseen && !r.known(column) && !r.isLost(column, current) {
				l := Loss{Column: column, Value: values[j], Stamp: current, Winner: at, WinnerValue: ch.Values[i]}
				r.loses(&l, ch.Prior.seenOf(column, seen))
			}
			if v := ch.Values[i]; column != Reset || values[j] < v {
				values[j] = v
			}
			won++
			if !ch.Whole || added {
				r.setStamp(column, at)
			}
		}
	}
	r.stampWhole(ch, at, won, len(columns) == len(ch.Columns))
	r.Columns, r.Values = columns, values
	r.afterWrite(ch, at, wasDead, seen)
}

// stampWhole gives a write of every column the row stamp, if it won
// everywhere, else a stamp for each column that it won.
func (r *Row) stampWhole(ch *Change, at clock.Stamp, won int, all bool) {
	if !ch.Whole || won == 0 {
		return
	}
	if all && won == len(ch.Columns) && r.Greatest().Less(at) {
		r.Row, r.Cells = at, nil
		r.KnownRow, r.KnownCells = false, nil
		return
	}
	for _, column := range ch.Columns {
		if r.Of(column).Less(at) {
			r.setStamp(column, at)
		}
	}
}

// afterWrite settles whether the row is there (R2) and what that loses.
func (r *Row) afterWrite(ch *Change, at clock.Stamp, wasDead bool, seen clock.VersionVector) {
	dead := r.Dead()
	r.Exists = !dead
	knew := !ch.Prior.Deleted.IsZero() && ch.Prior.Deleted == r.Deleted
	if at.Less(r.Deleted) {
		for i, column := range ch.Columns {
			if r.Of(column) == at {
				r.addLoss(Loss{Column: column, Value: ch.Values[i], Stamp: at, Winner: r.Deleted, WinnerDelete: true})
			}
		}
	}
	switch {
	case dead:
	case !wasDead:
		r.raiseWinners("", at, Null, seen)
	case !knew:
		r.loses(&Loss{Stamp: r.Deleted, Winner: at}, seen)
	}
	if !ch.Prior.Deleted.IsZero() {
		r.dropLoss("", ch.Prior.Deleted)
	}
}

func (r *Row) applyDelete(ch *Change, at clock.Stamp, seen clock.VersionVector) {
	r.Lost = slices.DeleteFunc(r.Lost, func(l Loss) bool { return l.Column != "" && l.Stamp == ch.Prior.Of(l.Column) })
	r.markKnown(&ch.Prior)
	r.loseTo(at, &ch.Prior, seen)
	if at.Compare(r.Deleted) <= 0 {
		return
	}
	r.dropLoss("", r.Deleted)
	r.Deleted = at
	if !r.Dead() {
		r.addLoss(Loss{Stamp: at, Winner: r.Greatest()})
		return
	}
	r.Exists = false
}

// loseTo records what a delete takes that its writer had not seen.
func (r *Row) loseTo(at clock.Stamp, prior *Stamps, seen clock.VersionVector) {
	for i := range r.Lost {
		l := &r.Lost[i]
		if l.Column != "" && (l.WinnerDelete || l.WinnerGone()) && !l.Apart && l.Stamp.Less(at) && l.Winner.Less(at) && !Saw(prior.seenOf(l.Column, seen), l.Stamp) {
			l.Winner, l.WinnerDelete = at, true
		}
	}
	for i, column := range r.Columns {
		if current := r.Of(column); current.Less(at) && !r.known(column) && !r.isLost(column, current) {
			l := Loss{Column: column, Value: r.Values[i], Stamp: current, Winner: at, WinnerDelete: true}
			r.loses(&l, prior.seenOf(column, seen))
		}
	}
}

// markKnown notes which values a deleter had seen.
func (r *Row) markKnown(prior *Stamps) {
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Stamp == prior.Of(c.Column) && !slices.Contains(r.KnownCells, c.Column) {
			r.ownCells(0)
			r.KnownCells = append(r.KnownCells, c.Column)
		}
	}
	if r.KnownRow {
		return
	}
	// The deleter's site may have kept the same stamps in another form: as
	// cells what is the row stamp here.
	shared, known := 0, r.memory.Names(len(r.Columns))
	for _, column := range r.Columns {
		if !r.hasCell(column) {
			shared++
			if prior.Of(column) == r.Row {
				known = append(known, column)
			}
		}
	}
	if len(known) == shared {
		r.KnownRow = true
		return
	}
	for _, column := range known {
		r.setStamp(column, r.Row)
		r.KnownCells = append(r.KnownCells, column)
	}
}

func (r *Row) hasCell(column string) bool {
	for i := range r.Cells {
		if r.Cells[i].Column == column {
			return true
		}
	}
	return false
}

// known reports whether the column's value was deleted by someone who had seen
// it. A value that no delete ever met is not known.
func (r *Row) known(column string) bool {
	if r.hasCell(column) {
		return slices.Contains(r.KnownCells, column)
	}
	return r.KnownRow
}

func (r *Row) isLost(column string, stamp clock.Stamp) bool {
	for i := range r.Lost {
		if r.Lost[i].Column == column && r.Lost[i].Stamp == stamp {
			return true
		}
	}
	return false
}

// addLoss records a loss, once.
func (r *Row) addLoss(l Loss) {
	if l.Column == Reset || l.Column != "" && l.Column == r.Number && !l.Apart {
		return // the greatest stays; the number is the row's key
	}
	i, found := slices.BinarySearchFunc(r.Lost, l, CompareLosses)
	if !found {
		r.Lost = slices.Insert(r.Lost, i, l)
	}
}

// loses records a loss to somebody with a context, who names another write as what he
// overwrote. If he had seen this one all the same, that write has not come before his, as
// it should: nobody has it any more. It may have beaten this one, or replaced it
// knowingly. What nobody wrote was in no conflict with it.
func (r *Row) loses(l *Loss, seen clock.VersionVector) {
	switch {
	case !Saw(seen, l.Stamp):
		r.addLoss(*l)
	case !l.Stamp.IsZero():
		r.addLoss(Loss{Column: l.Column, Value: l.Value, Stamp: l.Stamp})
	}
}

// CompareLosses orders the losses of a row by column and stamp, which is the order
// of Row.Lost.
func CompareLosses(a, b Loss) int {
	if a.Column != b.Column {
		if a.Column < b.Column {
			return -1
		}
		return 1
	}
	return a.Stamp.Compare(b.Stamp)
}

// SortLosses puts losses in the order that Row.Lost has.
func SortLosses(losses []Loss) { slices.SortFunc(losses, CompareLosses) }

func (r *Row) dropLoss(column string, stamp clock.Stamp) {
	if len(r.Lost) == 0 {
		return
	}
	r.Lost = slices.DeleteFunc(r.Lost, func(l Loss) bool { return l.Column == column && l.Stamp == stamp })
}

// raiseWinners lets a write take the place of lesser winners over values of
// the column that its writer had not seen.
func (r *Row) raiseWinners(column string, at clock.Stamp, value Value, seen clock.VersionVector) {
	for i := range r.Lost {
		l := &r.Lost[i]
		if l.Column == column && !l.Apart && l.Stamp.Less(at) && (l.WinnerDelete || l.Winner.Less(at)) && !Saw(seen, l.Stamp) {
			l.Winner, l.WinnerDelete, l.WinnerValue = at, false, value
		}
	}
}

// seenOf returns what a writer with these priors had seen of a column: seen,
// but nothing where the baseline is listed as its prior. So a site says that it
// has a value which its applications could not see, since it was not in the
// table.
func (s *Stamps) seenOf(column string, seen clock.VersionVector) clock.VersionVector {
	for i := range s.Cells {
		if s.Cells[i].Column == column && s.Cells[i].Stamp.IsZero() {
			return nil
		}
	}
	return seen
}

// ownCells makes the lists of cells the row's own, with room for n more.
func (r *Row) ownCells(n int) {
	if r.own {
		return
	}
	r.own = true
	if len(r.Cells)+n > 0 {
		r.Cells = append(r.memory.Cells(len(r.Cells)+n), r.Cells...)
	}
	r.KnownCells = slices.Clone(r.KnownCells)
}

// setStamp gives a column a stamp of its own.
func (r *Row) setStamp(column string, at clock.Stamp) {
	r.ownCells(1)
	i, found := slices.BinarySearchFunc(r.Cells, column, compareCell)
	if found {
		r.Cells[i].Stamp = at
		if k := slices.Index(r.KnownCells, column); k >= 0 {
			r.KnownCells = slices.Delete(r.KnownCells, k, k+1)
		}
		return
	}
	r.Cells = slices.Insert(r.Cells, i, CellStamp{column, at})
}

// indexOf finds a name, looking first where it most likely is.
func indexOf(names []string, name string, hint int) int {
	if hint < len(names) && names[hint] == name {
		return hint
	}
	return slices.Index(names, name)
}
