package merge

import (
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/schema"
)

// Settled reports whether a row is a tombstone whose delete is covered by v,
// the vector of what every site is known to have applied. Whoever inserts such
// a row writes a new row: every write that had not seen the delete has come.
// (A write of single columns is of someone in whose table the row stayed, R4.) Sites drop tombstones at different times; so that it makes no
// difference who has dropped one already, the vector is not that of the site
// that merges but the one that the writer of the change had published, which
// is the same everywhere. docs/decisions/0005.
func Settled(r *crdt.Row, v clock.VersionVector) bool {
	return r.Dead() && v.Covers(r.Deleted)
}

// Settled reports the same of a state, for a row that is not in its table.
func (s *State) Settled(v clock.VersionVector) bool {
	return s.Dead() && s.Place == InDatabase && v.Covers(s.Deleted)
}

// ends reports whether a change is a row that a site brought which joins, as it had it
// before: an insert of one who had seen nothing, older than what it is applied after. The
// member had no such row, or one of which everybody had applied the delete; so all that the
// batch is applied after has come to an end, and what others wrote who had not heard of
// that has not. (A change that names a column which it overwrote is no insert: the row's
// identity is written differently at the two sites.)
func (g *Incoming) ends(ch *crdt.Change) bool {
	if g.After == nil || len(ch.Prior.Cells) > 0 {
		return false
	}
	return slices.ContainsFunc(g.After, func(e clock.Entry) bool { return ch.Time <= e.Through })
}

// anew prepares a row whose tombstone is settled for being inserted again. Nothing
// but its conflicts is left; where the dead row stayed in the table (R4), the
// write is one over the tombstone, unless it is stamped before that: then its writer saw
// no row there, and others show none.
func anew(w *work, ch *crdt.Change, stays bool) *crdt.Change {
	if !stays || ch.Time < w.row.Deleted.Time {
		w.row = &crdt.Row{Lost: w.row.Lost, Number: w.row.Number}
		return ch
	}
	over := *ch
	over.Prior = crdt.Stamps{Deleted: w.row.Deleted}
	if w.row.Number != "" {
		over.Prior = over.Prior.WithLife(w.row.Number, w.row.Life())
	}
	return &over
}

// Answer drops the conflict that a delete was undone, where the row is inserted by
// a writer to whom that delete was settled, as v, the vector of Settled, says.
// He had seen it, though not as a tombstone: where that was still there, or the
// write that undid the delete came later, there is no such conflict either. An insert of
// another row of that number (R3) says nothing of this one.
func Answer(r *crdt.Row, ch *crdt.Change, origin clock.SiteID, v clock.VersionVector) {
	if r.Number != "" && r.Exists && r.LifeOf(ch, clock.Stamp{Time: ch.Time, Site: origin}) != r.Life() {
		return
	}
	r.Lost = slices.DeleteFunc(r.Lost, func(l crdt.Loss) bool { return l.Column == "" && v.Covers(l.Stamp) })
}

// Begins reports whether a change inserts a row of which its writer knew nothing, or is a
// piece of such an insert.
func Begins(t *schema.Table, ch *crdt.Change) bool {
	return ch.OverNothing() && Inserts(t, ch) || ch.Begins()
}

// Inserts reports whether a change inserts a row, or is the first piece of an
// insert: only that has the identity. t may be nil.
func Inserts(t *schema.Table, ch *crdt.Change) bool {
	return ch.Whole || t != nil && ch.Prior.Deleted.IsZero() && !ch.Delete && find(ch.Columns, t.Identity.Columns[0]) >= 0
}
