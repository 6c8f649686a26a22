package sim

import (
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/rules"
)

// What the log makes of two rows that were inserted under one number (R3), worked
// out of all facts of the number, in no order. Each fact is of a life, named by the
// stamp of its insert. The life that began first has the row, and what others wrote
// is lost, but for what one of their own life replaced knowingly. A life that begins
// when every site had applied the delete of the one before follows on it. One that was
// captured where the site knew another to have the row never has it.

// life is the one that a fact is of.
func (f *fact) life() clock.Stamp {
	if f.begins() && f.Prior.Deleted.IsZero() {
		return f.at
	}
	return f.Prior.Of(numberColumn)
}

// numberColumn is the key of the table numbered.
const numberColumn = "ticket_id"

// lostTo is the life to which an insert says that it lost.
func (f *fact) lostTo() (life clock.Stamp, lost bool) {
	if !f.begins() || !f.Prior.Deleted.IsZero() {
		return life, false
	}
	for i := range f.Prior.Cells {
		if c := &f.Prior.Cells[i]; c.Column == numberColumn {
			return c.Stamp, true
		}
	}
	return life, false
}

func (f *fact) begins() bool { return !f.Delete && slices.Contains(f.Columns, numberColumn) }

// goesOn reports whether an insert is a copy of a row of another site, as old as that.
func (f *fact) goesOn() bool {
	life := f.life()
	return f.Table == numbered && f.Whole && f.begins() && life != f.at && life.Time == f.at.Time
}

// relive works the row out anew of all its facts.
func (r *oracleRow) relive() {
	var begun, other []*fact
	for i := range r.facts {
		f := r.facts[i]
		if _, lost := f.lostTo(); f.life() == f.at && !lost {
			begun = append(begun, f)
		} else if lost {
			other = append(other, f)
		}
	}
	if len(begun) == 0 {
		begun = other // nothing is known of what they lost to
	}
	for i := range r.facts { // one whose insert has not come, and that an insert goes on with
		if f := r.facts[i]; f.begins() && f.life() != f.at {
			begun = append(begun, f)
		}
	}
	slices.SortStableFunc(begun, func(a, b *fact) int { return a.life().Compare(b.life()) })
	r.line = nil
	for _, f := range begun {
		if slices.Contains(r.line, f.life()) {
			continue
		}
		if len(r.line) == 0 || !r.Live() && !r.Deleted.IsZero() && f.settled.Covers(r.Deleted) {
			r.line = append(r.line, f.life())
			r.follow()
		}
	}
}

// follow makes the row of the facts of the lives that have it.
func (r *oracleRow) follow() {
	r.Row = rules.Row{ID: r.ID}
	for i := range r.facts {
		if f := r.facts[i]; slices.Contains(r.line, f.life()) && !f.lost() {
			r.Apply(f.Change, f.at, f.known())
		}
	}
}

// findNumbered works out the conflicts of a row that a number names: those of the
// lives that have it, and all that others wrote.
func (r *oracleRow) findNumbered() []crdt.Loss {
	mine := oracleRow{Row: r.Row}
	var list []crdt.Loss
	for i := range r.facts {
		f := r.facts[i]
		past := i < r.first
		if f.lost() && (past || r.first == 0) || slices.Contains(r.line, f.life()) || r.first > 0 && !past && slices.Contains(r.later, f.life()) {
			mine.facts = append(mine.facts, f)
			if past {
				mine.first++
			}
			continue
		}
		if r.first > 0 && !past {
			continue
		}
		for j, c := range f.Columns {
			if !f.Delete && c != numberColumn && !r.factsOf(c).known[f.at] {
				list = append(list, crdt.Loss{Column: c, Value: f.Values[j], Stamp: f.at, Winner: r.before(f.life()), Apart: true})
			}
		}
	}
	if r.first > 0 && mine.first == 0 {
		return list
	}
	for _, l := range mine.find() {
		if l.Column != numberColumn {
			list = append(list, l)
		}
	}
	return list
}

// before is the life that had the row when another began, or the one to which that says
// that it lost; none where no life is known.
func (r *oracleRow) before(life clock.Stamp) clock.Stamp {
	for i := range r.facts {
		if to, lost := r.facts[i].lostTo(); lost && r.facts[i].at == life {
			life = to
		}
	}
	if len(r.line) == 0 {
		return clock.Stamp{}
	}
	had := r.line[0]
	for _, l := range r.line {
		if !life.Less(l) {
			had = l
		}
	}
	return had
}
