package sim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"baraza/merge"
	"baraza/merge/memdb"
)

// A database that is restored from an older backup (docs/decisions/0006). What
// its site had logged by then comes back from another site. What applications
// had committed to it since the backup, and the site had not logged, is lost
// with it: that and nothing else.

// restored is what is to be expected of a site's database that was set back.
type restored struct {
	// behind: the tables are those of a backup, until they are brought up again.
	behind bool
	// judged: the site has looked at the mark of the backup, or that is the one
	// which the database had.
	judged bool
	// left is the mark of the database that the site looked at last.
	left merge.Mark
}

// copied is a backup of a site's database.
type copied struct {
	s            *Site
	db           *memdb.Backup
	at           time.Duration
	txns, losses int // of the ledger, by then
}

// backup takes a backup of a site's database.
func (s *Site) backup() copied {
	s.w.note("%s has a backup of its database", s)
	return copied{s, s.db.Backup(), s.w.now, s.w.ledger.txns, len(s.w.ledger.losses)}
}

// RestoreIn takes a backup of a site's database now and puts it in its place in
// a while; stop says whether the process is down while that is done.
func (s *Site) RestoreIn(d time.Duration, stop bool) {
	b := s.backup()
	s.w.after(d, func() { b.putBack(stop) })
}

// putBack puts a backup in place of its site's database, if somebody could give back
// what that lacks.
func (b *copied) putBack(stop bool) {
	s := b.s
	if s.w.repaired || s.w.err != nil {
		return
	}
	if s.away() || s.joinedAt >= b.at || s.restored.behind && s.up && s.r.BringingUp() {
		return // that backup is of another site
	}
	if !s.w.couldGive(s) && !s.w.couldLend(s) {
		s.w.note("%s keeps its database: no other site could give it back what it lacked", s)
		return
	}
	if s.clock.setAt >= b.at || s.clock.micros(s.w.now) != right(s.w.now) {
		s.w.note("%s keeps its database: its clock was wrong", s)
		return // docs/limits.md
	}
	if stop {
		s.Crash(time.Duration(1+s.rnd.IntN(20)) * time.Second)
	}
	s.w.ledger.bring(s, b.losses, b.txns)
	s.restore(b.db, b.txns)
}

// couldGive reports whether some site that lines lead to is not to be brought up
// itself, and so can give a site back what it lost, if not at once.
func (w *World) couldGive(to *Site) bool {
	reached := map[*Site]bool{to: true}
	for way := []*Site{to}; len(way) > 0; way = way[1:] {
		for _, l := range way[0].links {
			o := l.other(way[0])
			if !reached[o] && !o.restored.behind && !o.away() {
				return true
			}
			if !reached[o] && !o.left {
				reached[o] = true
				way = append(way, o)
			}
		}
	}
	return false
}

// restore puts a backup in place of the database.
func (s *Site) restore(backup *memdb.Backup, txns int) {
	s.w.fail(s.watch.look())
	before := tables(s.db)
	was := s.mark()
	if s.restored.behind && !s.restored.judged { // nobody has looked at what was put back before
		was = s.restored.left
	}
	s.w.ledger.lose(s, txns)
	s.db.Restore(backup)
	s.waiting = nil
	s.noteNews()
	s.restored = restored{behind: true, judged: s.mark() == was, left: was}
	s.troubled = s.w.now
	s.w.note("the database of %s is restored from a backup", s)
	if s.backAgain == nil {
		s.backAgain = s.w.began(Restored.String(), s)
	}
	s.showAll(before)
	s.w.fail(s.watch.look())
	if s.up {
		s.nudge(s.stepTakes())
	}
}

func (s *Site) mark() merge.Mark {
	m, err := s.db.Mark(context.Background())
	s.w.fail(err)
	return m
}

// showAll tells which rows are not as they were.
func (s *Site) showAll(before map[merge.RowID]merge.Row) {
	now, again := tables(s.db), 0
	all := maps.Clone(now)
	maps.Copy(all, before)
	for _, id := range slices.SortedFunc(maps.Keys(all), merge.RowID.Compare) {
		a, wasThere := before[id]
		b, isThere := now[id]
		if wasThere != isThere || !slices.Equal(a.Values, b.Values) {
			s.showed(id.Table, id.Key)
		}
		if o := s.oracle.rows[id]; isThere && !wasThere && o != nil && !o.Live() {
			again++
		}
	}
	if again > 0 {
		s.w.note("%s has %d rows again that were deleted", s, again)
	}
}

// judge is called after a step that went well: where the site has looked at the
// backup and takes it for as good as the database was, the checkers must too.
func (s *Site) judge() {
	_, recovering := s.r.Recovering()
	if s.restored.behind && s.restored.judged && !recovering && !s.r.BringingUp() && s.r.Applied().Includes(s.oracle.applied) {
		s.recovered()
	}
}

// recover brings the database up again from a site that has all that this one
// had, as node does.
func (s *Site) recover() {
	if !s.restored.behind {
		s.w.fail(errors.New("a database counts as set back that was not"))
		return
	}
	if s.fetch != nil || s.w.now < s.fetchedAt+bringUpPause {
		return
	}
	s.lend()
	for range s.links { // one after the other: the first may be restored itself
		s.fetchTurn++
		o := s.links[s.fetchTurn%len(s.links)].other(s)
		if s.p.Connected(o.id) && s.p.Known(o.id).Includes(s.r.Needs()) {
			s.bringUpFrom(o)
			return
		}
	}
}

// recovered is called when the database is what it should be.
func (s *Site) recovered() {
	s.restored = restored{}
	s.troubled = s.w.now
	s.giveBack()
	if s.backAgain != nil {
		s.backAgain()
		s.backAgain = nil
	}
}
