package merge

import (
	"baraza/clock"
	"baraza/crdt"
)

// Settled reports whether a row is a tombstone whose delete is covered by v,
// the vector of what every site is known to have applied. Whoever writes such
// a row anew writes a new row: every write that had not seen the delete has
// come. Sites drop tombstones at different times; so that it makes no
// difference who has dropped one already, the vector is not that of the site
// that merges but the one that the writer of the change had published, which
// is the same everywhere. docs/decisions/0005.
func Settled(r *crdt.Row, v clock.VersionVector) bool {
	return r.Dead() && v.Covers(r.Deleted)
}

// Droppable reports whether nothing is lost when the state goes once every site
// treats its tombstone as settled: the row is deleted, it is not in its table
// for some other reason, and no conflict tells of it. stranger: the table is
// not replicated at this site.
func (s *State) Droppable(settled clock.VersionVector, stranger bool) bool {
	placed := s.Place == InDatabase || stranger && s.Place == Aside
	return s.Dead() && settled.Covers(s.Deleted) && placed && !s.HasLoss
}
