package sim

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/node/replica"
)

// Sites that come and go. A site that joins is brought up by state from a member;
// what its database had before becomes known to all. A site that leaves does not
// come back. One whose data directory is lost does both: it joins again over the
// same database, with a new identity.

// Join is a site, counted from 0, that joins while others run.
type Join struct {
	Site int
	At   time.Duration
}

// adoptedTime is the latest stamp of what a site had before it joined, and of what
// beat it there.
const adoptedTime clock.Timestamp = 2

// identity is a name under which a site writes, or wrote.
type identity struct {
	id   clock.SiteID
	site *Site
}

func (o identity) String() string {
	if o.id == o.site.id {
		return o.site.String()
	}
	return fmt.Sprintf("%s before it lost its disk (%s)", o.site, o.id.Short())
}

// away reports whether a site is no member, or waits for its first rows.
func (s *Site) away() bool { return s.outside || s.left }

// plant makes the sites that join later wait outside.
func (w *World) plant() {
	for _, j := range w.opts.Joins {
		if j.Site > 0 && j.Site < len(w.Sites) {
			s := w.Sites[j.Site]
			s.outside = true
			w.At(j.At, s.join)
		}
	}
}

// join makes a site a member: what its database has by now is not captured.
func (s *Site) join() {
	if !s.outside {
		return
	}
	s.outside = false
	s.w.note("%s joins with %d persons of its own", s, s.db.Len("person"))
	s.adopt()
	s.start()
}

// adopt prepares a new data directory over the database as it is.
func (s *Site) adopt() {
	s.breaker = breaker{}
	ctx := context.Background()
	noted, err := s.db.Noted(ctx, 0, math.MaxInt)
	if err == nil && len(noted) > 0 {
		reading, e := s.db.Read(ctx)
		for e == nil {
			part, e2 := reading.Next(ctx, 1000)
			if e2 != nil || part == nil {
				e = e2
				break
			}
			e = s.db.Release(ctx, part.IDs)
		}
		err = e
	}
	if err == nil {
		err = replica.BeginBringUpOf(s.disk, s.before)
	}
	s.w.fail(err)
	s.commits = nil
	s.joinedAt = s.w.now
	s.restored = restored{behind: true}
}

// bringUp gets the first rows from whichever member a line leads to.
func (s *Site) bringUp() {
	if s.w.now < s.fetchedAt+bringUpPause {
		return
	}
	s.lend()
	for _, l := range s.links {
		if o := l.other(s); s.fetch == nil && o.up && !o.restored.behind && l.up(0) && l.up(1) {
			s.bringUpFrom(o)
		}
	}
}

// Leave stops a site for good, if the others stay joined by lines.
func (s *Site) Leave() {
	if s.away() || !s.w.spares(s) {
		s.w.note("%s stays", s)
		return
	}
	s.Crash(time.Hour)
	s.left = true
	s.giveBack()
	s.w.ledger.strand(s)
	s.w.note("%s leaves for good", s)
	s.w.retire(s.id)
}

// spares reports whether the other sites are joined by lines and couriers without one,
// and one of them can give rows.
func (w *World) spares(gone *Site) bool {
	var first *Site
	members, whole := 0, 0
	for _, s := range w.Sites {
		if s == gone || s.left {
			continue
		}
		first = s
		members++
		if !s.outside && !s.restored.behind {
			whole++
		}
	}
	if whole == 0 {
		return false
	}
	reached := map[*Site]bool{first: true}
	for way := []*Site{first}; len(way) > 0; way = way[1:] {
		for _, o := range way[0].neighbours() {
			if !reached[o] && o != gone && !o.left {
				reached[o] = true
				way = append(way, o)
			}
		}
	}
	return len(reached) == members
}

// neighbours are those to whom lines and couriers lead.
func (s *Site) neighbours() (list []*Site) {
	for _, l := range s.links {
		if l.lent == nil {
			list = append(list, l.other(s))
		}
	}
	for _, c := range s.w.opts.Couriers {
		switch s.n - 1 {
		case c.A:
			list = append(list, s.w.Sites[c.B])
		case c.B:
			list = append(list, s.w.Sites[c.A])
		}
	}
	return list
}

// LoseDisk takes a site's data directory away; in a while it joins again over
// the same database.
func (s *Site) LoseDisk(d time.Duration) {
	if s.away() || s.restored.behind || s.strange() || !s.w.spares(s) {
		s.w.note("%s keeps its disk", s)
		return
	}
	s.Crash(time.Hour)
	s.loseDisk(d, DiskLost)
}

// machineDown is how long a site is down that lost disk and database.
const machineDown = 10 * time.Second

// LoseBoth takes a backup of a site's database now. In a while the machine is
// lost: another has the backup, and no data directory, and joins again over it.
func (s *Site) LoseBoth(d time.Duration) {
	backup, at := s.db.Backup(), s.w.now
	s.w.note("%s has a backup of its database", s)
	s.w.after(d, func() {
		if s.w.repaired || s.w.err != nil || s.away() || s.joinedAt > at {
			return
		}
		if s.restored.behind || s.strange() || !s.w.spares(s) {
			s.w.note("%s keeps its machine", s)
			return
		}
		s.Crash(time.Hour)
		s.w.fail(s.watch.look())
		before := tables(s.db)
		s.db.Restore(backup)
		s.waiting = nil
		s.showAll(before)
		s.w.fail(s.watch.look())
		s.boths++
		s.w.lostBoth = true
		s.loseDisk(machineDown, BothLost)
	})
}

// loseDisk is LoseDisk of a site that is down.
func (s *Site) loseDisk(d time.Duration, what FaultKind) {
	s.w.note("%s loses its disk", s)
	s.backAgain = s.w.began(what.String(), s)
	s.w.ledger.strand(s)
	s.w.retire(s.id)
	s.giveBack()
	for _, l := range s.links {
		l.forget(s)
	}
	s.lives++
	s.base += s.w.lastSeq(s.id)
	s.before, s.id = s.id, clock.SiteID{byte(s.n >> 8), byte(s.n), byte(s.lives)}
	s.w.origins = append(s.w.origins, identity{s.id, s})
	for _, l := range s.links {
		l.other(s).linkTo[s.id] = l
	}
	s.disk = &disk{Mem: kv.NewMem(), breaker: &s.breaker}
	s.oracle, s.told, s.jumped, s.offered = newOracle(), nil, nil, nil
	s.r, s.outside, s.bundles = nil, true, newBundles()
	s.w.after(d, s.join)
}

// lastSeq is the last entry that an identity logged.
func (w *World) lastSeq(id clock.SiteID) uint64 {
	if l := w.logs[id]; l != nil {
		return uint64(len(l.raw))
	}
	return 0
}

// forget ends what is left of the connection with a site that has another
// identity now.
func (l *Link) forget(s *Site) {
	at := l.sideOf(s)
	if o := l.ends[1-at]; l.up(1-at) && o.up {
		l.conn.side[1-at].up = false
		o.p.Down(s.id, o.instant())
		if 1-at == 0 {
			l.redial(l.backoff)
		}
	}
	l.conn = nil
}

// sawCopy reports whether who overwrote a value knowingly had seen it as one that a site
// had when it joined again without its data directory: such a copy goes by a stamp of
// that site, and the value itself had not come, or came as one of another row that got the
// same number, or of the row before it was deleted and forgotten (docs/limits.md).
func (s *Site) sawCopy(c *replica.Conflict) bool {
	row := s.oracle.rows[c.ID]
	facts := append(slices.Clone(row.past), row.facts...)
	other := c.Apart || slices.ContainsFunc(row.past, func(f *fact) bool { return f.at == c.Stamp })
	for i := range facts {
		copied := facts[i]
		v, wrote := copied.value(c.Column)
		if !wrote || v != c.Value || copied.at.Time > adoptedTime && !(c.ID.Table == numbered && s.w.ledger.ofCopy(c.ID, copied.at)) || !rejoined(copied.at.Site) {
			continue
		}
		for j := range facts {
			if by := facts[j]; by.Prior.Of(c.Column) == copied.at && (other || !by.seen.Covers(c.Stamp)) {
				return true
			}
		}
	}
	return false
}

// ofCopy reports whether a conflict is about a value of a copy of a numbered row: one
// that a site had when it joined again, or one that a member gave it from which its join
// did not go on. Whoever had seen the row itself had not seen the copy (docs/limits.md).
func (s *Site) ofCopy(c *replica.Conflict) bool {
	if c.ID.Table != numbered {
		return false
	}
	return s.w.ledger.ofCopy(c.ID, c.Stamp) || slices.ContainsFunc(s.oracle.rows[c.ID].facts, func(f *fact) bool { return f.at == c.Stamp && f.goesOn() })
}

// sawAhead reports whether who overwrote a value had seen it as a member gave it from which
// his site's join did not go on: the other had not got it yet (docs/limits.md).
func (s *Site) sawAhead(c *replica.Conflict) bool {
	for _, f := range s.oracle.rows[c.ID].facts {
		if _, wrote := f.value(c.Column); f.seen.Covers(c.Stamp) || !wrote && !f.Delete {
			continue
		}
		for _, o := range s.w.origins {
			if o.id != f.at.Site || !o.site.offered.Covers(c.Stamp) {
				continue
			}
			if first := &s.w.logs[o.id].entries[0]; first.Unseen && !first.after.Covers(c.Stamp) {
				return true
			}
		}
	}
	return false
}

// rejoined reports whether a site writes under a name since it lost its data directory.
func rejoined(id clock.SiteID) bool { return id[2] > 0 }

// strand notes what is lost with a site that leaves, or with its log: what no
// other member has of it. What the database shows is not. It may have had the
// last copy of what sites wrote whose logs were lost before, too.
func (l *ledger) strand(s *Site) {
	lost := loss{id: s.id, site: s, upTo: l.txns, vague: true, never: true}
	if !s.left {
		lost.shown = map[cell]bool{}
		for id, r := range tables(s.db) {
			for i, c := range r.Columns {
				lost.shown[cell{id, c, r.Values[i]}] = true
			}
		}
	}
	// What it, or one that left, showed when it lost its disk before, and neither shows
	// now nor others have by now, goes with it.
	for i := range l.losses {
		if before := &l.losses[i]; before.site == s || before.site != nil && before.site.left {
			maps.DeleteFunc(before.shown, func(c cell, _ bool) bool { return !lost.shown[c] && !l.kept(s, c.value) })
		}
	}
	l.losses = append(l.losses, lost)
	for i := range l.losses {
		if lost := &l.losses[i]; lost.never {
			l.last(s, lost)
		}
	}
}

// last adds to a loss what nobody has when a site goes.
func (l *ledger) last(gone *Site, lost *loss) {
	sent := 0 // the last transaction under that name that others have
	for v, by := range l.wrote {
		if by.site != lost.site || by.txn > lost.upTo {
			continue
		}
		if !l.kept(gone, v) {
			lost.txns = append(lost.txns, by.txn)
		}
		if by.txn > sent && gone.w.has(gone, lost.id, v) {
			sent = by.txn
		}
	}
	for txn, id := range l.silent {
		if id == lost.id && txn > sent {
			lost.txns = append(lost.txns, txn)
		}
	}
	slices.Sort(lost.txns)
	lost.txns = slices.Compact(lost.txns)
}

// regain takes back what is lost for good, where a bundle has brought it: only what no
// member has now is.
func (l *ledger) regain(w *World) {
	for i := range l.losses {
		if lost := &l.losses[i]; lost.never {
			lost.txns = nil
			l.last(&Site{w: w}, lost)
		}
	}
}

// kept reports whether a member other than one that goes has the batch of a value
// in its log, under any name that its writer had.
func (l *ledger) kept(gone *Site, v crdt.Value) bool {
	return slices.ContainsFunc(gone.w.origins, func(o identity) bool {
		return o.site == l.wrote[v].site && gone.w.has(gone, o.id, v)
	})
}

// has reports whether a member other than one that goes has the batch in which a value
// was logged under a name.
func (w *World) has(gone *Site, id clock.SiteID, v crdt.Value) bool {
	log := w.logs[id]
	return log != nil && log.seen[v] != 0 && log.last != 0 && slices.ContainsFunc(w.Sites, func(o *Site) bool {
		return o != gone && !o.left && o.r != nil && log.through(log.seen[v]) <= o.r.Log().Vector().Seq(id)
	})
}

// through is the last entry of the batch that begins with an entry; beyond all
// when its end was never seen.
func (l *originLog) through(first uint64) uint64 {
	for seq := first; seq <= uint64(len(l.entries)); seq++ {
		if l.entries[seq-1].Last {
			return seq
		}
	}
	return math.MaxUint64
}
