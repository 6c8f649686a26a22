package crdt

import (
	"slices"

	"baraza/clock"
)

// Where nothing names a row but a number that a database gave (Row.Number), two
// sites that insert one number, neither having seen the other's, mean two things
// (R3). Each has a life of its own, named by the stamp of its insert, which is the
// stamp of the number: an insert writes that column, and nothing else does. Every
// change says of which life it is: an insert begins one, any other change names the
// number's stamp among what it overwrites. An insert over a tombstone that its
// writer had seen goes on with the life that the tombstone ended.
//
// An insert that its site knows to have lost, as it had another row of the number when
// it captured the insert, names that one's life. It never has the row: not even where
// that life has ended, and is forgotten, and another follows on it that began later.
//
// The life that began first has the row, whether it is deleted or not; what others
// wrote is lost whole, column by column, as far as nobody of their life replaced it
// knowingly. Rows from before have the zero stamp, and so go first.

// LifeOf returns the life that a change is of.
func (r *Row) LifeOf(ch *Change, at clock.Stamp) clock.Stamp {
	if r.begins(ch) && ch.Prior.Deleted.IsZero() {
		return at
	}
	return ch.Prior.Of(r.Number)
}

// begins reports whether a change inserts the row: only that has the number.
func (r *Row) begins(ch *Change) bool { return !ch.Delete && slices.Contains(ch.Columns, r.Number) }

// Life returns the life that has the row.
func (r *Row) Life() clock.Stamp { return r.Of(r.Number) }

// LifeValue and LifeOf write a life into a value and read it.
func LifeValue(life clock.Stamp) Value { return ResetAt(life) }

// LifeOf is the life that LifeValue wrote.
func LifeOf(v Value) clock.Stamp { return resetOf(v) }

// WithLife returns the stamps of what a change overwrites, with the life that it is
// of.
func (s Stamps) WithLife(number string, life clock.Stamp) Stamps {
	i, found := slices.BinarySearchFunc(s.Cells, number, compareCell)
	if found || s.Row == life {
		return s
	}
	s.Cells = slices.Insert(slices.Clone(s.Cells), i, CellStamp{number, life})
	return s
}

// LosesTo returns the stamps of what an insert overwrites that lost to a life.
func (s Stamps) LosesTo(number string, life clock.Stamp) Stamps {
	i, found := slices.BinarySearchFunc(s.Cells, number, compareCell)
	s.Cells = slices.Clone(s.Cells)
	if !found {
		s.Cells = slices.Insert(s.Cells, i, CellStamp{})
	}
	s.Cells[i] = CellStamp{number, life}
	return s
}

// lostTo returns the life to which an insert says that it lost.
func (r *Row) lostTo(ch *Change) (life clock.Stamp, lost bool) {
	if !r.begins(ch) || !ch.Prior.Deleted.IsZero() {
		return life, false
	}
	i, named := slices.BinarySearchFunc(ch.Prior.Cells, r.Number, compareCell)
	if !named {
		return life, false
	}
	return ch.Prior.Cells[i].Stamp, true
}

// winnerOver returns the life to which a change of another one loses.
func (r *Row) winnerOver(ch *Change, life clock.Stamp) clock.Stamp {
	if winner, named := r.lostTo(ch); named && winner.Less(r.Life()) {
		return winner
	}
	for i := range r.Lost {
		if l := &r.Lost[i]; l.Apart && l.Stamp == life { // its insert
			return l.Winner
		}
	}
	return r.Life()
}

// otherLife settles a change of another life than the row's, and reports whether
// the change is done with.
func (r *Row) otherLife(ch *Change, at, life clock.Stamp) (done bool) {
	mine := r.Life()
	if r.blank() || life == mine {
		return false
	}
	winner := r.winnerOver(ch, life)
	_, lost := r.lostTo(ch)
	if life.Less(mine) && r.begins(ch) && !lost {
		r.giveWay(life)
		return false
	}
	if ch.Delete {
		r.Lost = slices.DeleteFunc(r.Lost, func(l Loss) bool { return l.Apart && l.Stamp == ch.Prior.Of(l.Column) })
		return true
	}
	for i, column := range ch.Columns {
		if !r.tells(column, ch.Columns) {
			continue
		}
		if ch.Prior.Deleted.IsZero() {
			r.dropLoss(column, ch.Prior.Of(column))
		}
		r.addLoss(Loss{Column: column, Value: ch.Values[i], Stamp: at, Winner: winner, Apart: true})
	}
	return true
}

// blank reports whether nothing is known of the row but what was lost.
func (r *Row) blank() bool {
	return !r.Exists && len(r.Columns) == 0 && r.Deleted.IsZero() && r.Row.IsZero() && len(r.Cells) == 0
}

// tells reports whether a column of a lost row is worth a record: the number is the
// row's key as well.
func (r *Row) tells(column string, columns []string) bool {
	return !IsPart(column) && (column != r.Number || len(columns) == 1)
}

// giveWay makes all that the row has a loss to a life that began before. No value
// stays, for the two are never mixed.
func (r *Row) giveWay(life clock.Stamp) {
	lost := slices.DeleteFunc(slices.Clone(r.Lost), func(l Loss) bool { return l.Column == "" || IsPart(l.Column) })
	for i := range lost {
		if l := &lost[i]; l.Apart && l.Winner != r.Life() || !l.Apart && l.Stamp.Less(r.Life()) {
			continue // of the row before, or lost to it: one that was deleted and forgotten
		}
		lost[i] = Loss{Column: lost[i].Column, Value: lost[i].Value, Stamp: lost[i].Stamp, Winner: life, Apart: true}
	}
	next := Row{Number: r.Number, Lost: lost}
	next.KnownRow = true // nobody wrote the values that take their places
	for i, column := range r.Columns {
		if IsPart(column) {
			continue
		}
		next.Columns, next.Values = append(next.Columns, column), append(next.Values, Null)
		if stamp := r.Of(column); r.tells(column, r.Columns) && !r.known(column) && !r.isLost(column, stamp) {
			next.addLoss(Loss{Column: column, Value: r.Values[i], Stamp: stamp, Winner: life, Apart: true})
		}
	}
	*r = next
}

func compareCell(c CellStamp, name string) int {
	switch {
	case c.Column < name:
		return -1
	case c.Column > name:
		return 1
	}
	return 0
}
