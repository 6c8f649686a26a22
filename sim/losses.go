package sim

import (
	"slices"

	"baraza/clock"
)

// What may be lost: transactions that were committed to a database, that its
// site had not logged, and that were lost with it. A capture takes all that is
// committed, so what came before a transaction that is in the log is logged
// too.

// loss is what was lost with a database.
type loss struct {
	id clock.SiteID // under which the site wrote them
	// site is that one, where its disk was lost or it left.
	site *Site
	// txns of the site were in the lost database only, or in a log that is lost and
	// in those of sites that are gone; up to upTo it had written by then.
	txns []int
	upTo int
	// back are those that a later backup brought back, to a site that went on from
	// an earlier one: whether they count is open (docs/limits.md).
	back []int
	// vague: the site may have logged them, since a step of it was cut off when
	// they were being captured. Then its log tells, but for deletes.
	vague bool
	// never: its log does not tell either, since that is lost too. What is shown
	// was in the database, which is not lost.
	never bool
	shown map[cell]bool
}

// answer is what the ledger knows.
type answer int

const (
	no answer = iota
	yes
	perhaps
)

// openTxn stands for a transaction of which nobody can tell what it overwrote.
const openTxn = -1

// lose notes that a site's database is put back to what it was when there had
// been so many transactions.
func (l *ledger) lose(s *Site, txns int) {
	lost := loss{id: s.id, vague: s.halfway || s.up && s.r.Sizes().Taken > 0}
	var kept []int
	if s.db.Pending() > 0 { // else all of them are logged, also what comes back with the backup
		for _, txn := range s.commits {
			if txn <= txns {
				kept = append(kept, txn)
			} else {
				lost.txns = append(lost.txns, txn)
			}
		}
	}
	s.commits = kept
	if len(lost.txns) > 0 {
		l.losses = append(l.losses, lost)
	}
}

// bring notes that a backup is put back that has what was lost since it was taken:
// the transactions up to one, when there had been so many losses.
func (l *ledger) bring(s *Site, losses, txns int) {
	for i := losses; i < len(l.losses); i++ {
		if lost := &l.losses[i]; lost.id == s.id && !lost.never {
			for _, txn := range lost.txns {
				if txn <= txns {
					lost.back = append(lost.back, txn)
				}
			}
		}
	}
}

// gone tells whether a transaction was lost with a database.
func (l *ledger) gone(w *World, txn int) answer {
	for i := range l.losses {
		lost := &l.losses[i]
		switch {
		case !slices.Contains(lost.txns, txn):
		case !lost.never && w.loggedSince(lost, txn):
			return no // captured, though the database had not let go of its log rows
		case !lost.vague:
			return yes
		default:
			return perhaps
		}
	}
	return no
}

// loggedSince reports whether a site's log has a value of a transaction, or of
// a later one that was lost with it.
func (w *World) loggedSince(lost *loss, txn int) bool {
	log := w.logs[lost.id]
	if log == nil {
		return false
	}
	for _, other := range lost.txns {
		if _, logged := log.batchOf[other]; logged && other >= txn {
			return true
		}
	}
	return false
}

// known tells whether a value was overwritten by one who had seen it.
func (l *ledger) known(w *World, c cell) answer {
	known := no
	for _, by := range l.cells[c] {
		switch {
		case by == openTxn || l.back(by) || l.returned[c]:
			known = perhaps
		case len(l.carried[c]) > 1:
			known = perhaps // two sites gave the row this key: it may have been the other's that was seen
		case l.gone(w, by) == no:
			return yes
		case l.gone(w, by) == perhaps:
			known = perhaps
		}
	}
	return known
}

// back reports whether a transaction was lost with a database and came back.
func (l *ledger) back(txn int) bool {
	return slices.ContainsFunc(l.losses, func(lost loss) bool { return slices.Contains(lost.back, txn) })
}

// due reports whether a value must be visible or in a conflict.
func (l *ledger) due(w *World, c cell) bool {
	if l.known(w, c) != no {
		return false
	}
	if by := l.carried[c]; len(by) > 0 {
		return slices.ContainsFunc(by, func(x written) bool { return l.gone(w, x.txn) == no }) || l.shown(c)
	}
	return l.gone(w, l.wrote[c.value].txn) == no || l.shown(c)
}

// shown reports whether a value whose log is lost was in a database that is not.
func (l *ledger) shown(c cell) bool {
	for i := range l.losses {
		if l.losses[i].shown[c] {
			return true
		}
	}
	return false
}

// noteLogged notes that a capture, or a step that takes local changes on its way, has
// logged what it had read: also transactions of which the log has no value, as they
// delete rows only.
func (s *Site) noteLogged() {
	s.commits = slices.DeleteFunc(s.commits, func(txn int) bool { return txn <= s.viewed })
}

// noteCommit notes that a site's application committed, when so many log rows
// had not been released before.
func (s *Site) noteCommit(txn, pending int) {
	if pending == 0 {
		s.commits = nil
	}
	s.commits = append(s.commits, txn)
}
