package sim

import (
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/rules"
)

// A site that joins may have, or its applications may write meanwhile, a row which the
// others deleted so long ago that nobody need remember it. To everyone its insert is
// that of a new row, though it had seen nothing of them and may be stamped before the
// delete (docs/decisions/0005): it ends what was known of the row.

// adopts reports whether a fact is such an insert, if the row was deleted.
func (f *fact) adopts() bool { return len(f.after) > 0 && f.inserts() }

// So is a row of which a site had an old copy, and which it tells when it adds the table.

// add takes a fact of the row in.
func (r *oracleRow) add(f *fact) {
	r.facts = append(r.facts, f)
	r.adopted = r.adopted || f.adopts()
	switch {
	case r.adopted:
		r.part()
	case r.ID.Table == numbered:
		r.relive()
	case f.lost():
	default:
		r.Apply(f.Change, f.at, f.known())
	}
}

// part tells the facts that came to an end from those that count, in no order, and
// makes the row of the latter.
func (r *oracleRow) part() {
	all := append(r.past, r.facts...)
	r.past, r.facts, r.columns = nil, all, nil
	for _, f := range all {
		if f.adopts() && !r.over(f) {
			r.end(f)
		}
	}
	r.Row = rowOf(r, r.facts)
	if r.ID.Table == numbered {
		r.relive()
	}
}

// over reports whether a fact came to an end.
func (r *oracleRow) over(f *fact) bool {
	for i := range r.past {
		if r.past[i].at == f.at {
			return true
		}
	}
	return false
}

// end puts an end to what was known of a row when it was inserted, if it was deleted
// and every site had applied that: to what is applied before the insert, and to what was
// done without having seen the delete.
func (r *oracleRow) end(insert *fact) {
	deleted := clock.Stamp{}
	for i := range r.facts {
		if f := r.facts[i]; f.Delete && deleted.Less(f.at) && insert.settled.Covers(f.at) {
			deleted = f.at
		}
	}
	var before, since []*fact
	for _, f := range r.facts {
		if f.at != insert.at && (crdt.Saw(insert.after, f.at) || len(f.seen) > 0 && !f.seen.Covers(deleted)) {
			before = append(before, f)
		} else {
			since = append(since, f)
		}
	}
	if row := rowOf(r, before); !row.Live() && !deleted.IsZero() && row.Deleted == deleted {
		r.past, r.facts = append(r.past, before...), since
	}
}

// ended is the row that came to an end, with all facts: later ones may speak of what
// it left.
func (r *oracleRow) ended() *oracleRow {
	row := &oracleRow{Row: rowOf(r, r.past), facts: slices.Clone(r.past)}
	if r.ID.Table == numbered {
		row.relive()
		row.later = r.line
	}
	row.facts, row.first = append(row.facts, r.facts...), len(r.past)
	return row
}

func rowOf(r *oracleRow, facts []*fact) rules.Row {
	row := rules.Row{ID: r.ID}
	for _, f := range facts {
		if !f.lost() {
			row.Apply(f.Change, f.at, f.known())
		}
	}
	return row
}

// lost reports whether a fact says that it lost to a delete: a site that joined had it, and
// got the tombstone. It writes nothing, and is a conflict with that delete, whatever
// becomes of the row.
func (f *fact) lost() bool { return !f.Delete && !f.Whole && f.Prior.Deleted.Time > f.at.Time }

// lostBefore lists the conflicts of such facts.
func (r *oracleRow) lostBefore() (list []crdt.Loss) {
	for i := range r.facts {
		f := r.facts[i]
		if !f.lost() || r.first > 0 && i >= r.first {
			continue
		}
		for j, c := range f.Columns {
			if c == numberColumn {
				continue
			}
			list = append(list, crdt.Loss{Column: c, Value: f.Values[j], Stamp: f.at, Winner: f.Prior.Deleted, WinnerDelete: true, Apart: true})
		}
	}
	return list
}
