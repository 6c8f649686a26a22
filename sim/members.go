package sim

import (
	"context"
	"slices"
	"time"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/replica"
)

// Who is a member, where logs are shortened: admissions and expulsions are rows of
// system tables, as in node/membership.go. Their certificates are left out: every
// site believes what another says of members.
const (
	membersTable    = merge.SystemPrefix + "members"
	expulsionsTable = merge.SystemPrefix + "expulsions"
)

const (
	// forgetWithin is how long it takes at most until an administrator has told some
	// member that a site is gone for good, and forgetPause the wait before the next
	// member is asked where one could not note it.
	forgetWithin = time.Minute
	forgetPause  = time.Second
)

// membership is who comes and goes, as far as the world knows. The sites know it from
// the rows that they applied.
type membership struct {
	founders []clock.SiteID // members from the beginning
	moved    bool           // anybody was admitted or forgotten
	gone     []clock.SiteID // never come back
	leaving  int            // of them, are to be forgotten yet
}

// found notes who is a member from the beginning.
func (w *World) found() {
	for _, s := range w.Sites {
		if !s.outside {
			w.membership.founders = append(w.membership.founders, s.id)
		}
	}
}

// tellMembers gives the replica the members that the site knows, if logs are to be
// shortened.
func (s *Site) tellMembers() {
	if s.w.opts.Publish == 0 {
		return
	}
	m := replica.Membership{Members: slices.Clone(s.w.membership.founders)}
	if s.w.membership.moved {
		m.Members = append(m.Members, s.listed(membersTable)...)
		m.Gone = s.listed(expulsionsTable)
		m.Members = slices.DeleteFunc(m.Members, func(id clock.SiteID) bool { return slices.Contains(m.Gone, id) })
	}
	s.r.SetMembership(m)
}

// listed returns the sites that a system table names.
func (s *Site) listed(table string) (ids []clock.SiteID) {
	s.w.fail(s.r.SystemRows(table, func(r merge.Row) error {
		id, err := clock.ParseSiteID(r.Values[0].Payload())
		ids = append(ids, id)
		return err
	}))
	return ids
}

// list writes a site into a system table.
func (s *Site) list(table string, id clock.SiteID) error {
	s.w.membership.moved = true
	err := s.r.WriteSystem(context.Background(), []capture.Row{{
		Table: table, Key: crdt.MakeKey(crdt.Text(id.String())), At: s.clock.micros(s.w.now),
		Columns: []string{"record"}, Values: []crdt.Value{crdt.Text(id.String())},
	}})
	if err == nil {
		s.tellMembers()
	}
	return err
}

// passOn sees to it that the log says that a site was admitted, before it gets its
// first rows here, as that of node does.
func (s *Site) passOn(id clock.SiteID) error {
	if s.knows(id) {
		return nil
	}
	s.w.note("%s admits %s", s, id.Short())
	return s.list(membersTable, id)
}

// knows reports whether a site knows that another was admitted, if logs are shortened:
// else nobody asks.
func (s *Site) knows(id clock.SiteID) bool {
	return s.w.opts.Publish == 0 || slices.Contains(s.w.membership.founders, id) || slices.Contains(s.listed(membersTable), id)
}

// meets makes a site know another with which it has a connection: that shows who
// admitted it (trust.Introduce), and the site passes it on.
func (s *Site) meets(o *Site, c *conn, in time.Duration) {
	if s.w.opts.Publish == 0 || s.knows(o.id) {
		return
	}
	s.w.after(in, func() {
		if c.link.conn != c || !c.link.up(0) || !c.link.up(1) {
			return
		}
		waits := s.joining() || o.joining() || s.restored.behind || s.fetch != nil
		if waits || !s.knows(o.id) && !s.wroteSystem(s.passOn(o.id)) {
			s.meets(o, c, forgetPause)
		}
	})
}

// retire lets an administrator tell some member, within a while, that an identity
// never comes back.
func (w *World) retire(id clock.SiteID) {
	w.membership.gone = append(w.membership.gone, id)
	if w.opts.Publish > 0 {
		w.forgetSoon(id)
	}
}

func (w *World) forgetSoon(id clock.SiteID) {
	w.membership.leaving++
	rnd := w.random("forget "+id.String(), 0)
	w.after(time.Duration(rnd.Int64N(int64(forgetWithin))), func() { w.forget(id, rnd.IntN(len(w.Sites))) })
}

// forgetAgain does so once more where the member who was told is gone itself: others
// list the site still.
func (w *World) forgetAgain() {
	for _, id := range w.membership.gone {
		if slices.ContainsFunc(w.members(), func(s *Site) bool { return !slices.Contains(s.listed(expulsionsTable), id) }) {
			w.forgetSoon(id)
		}
	}
}

// publishLost is how often sites say what they have applied once it shows that
// something is lost for good, where logs are not shortened.
const publishLost = 10 * time.Second

// giveUp lets an administrator look once batches wait for entries that went with sites
// that are gone: those are to be forgotten, also by who has not heard of it. Sites whose
// logs are not shortened say what they have applied from then on. So all come to know
// that nobody has those entries.
func (w *World) giveUp() {
	if w.membership.leaving > 0 || len(w.membership.gone) == 0 || !w.waitsInVain() {
		return
	}
	if w.opts.Publish > 0 {
		w.forgetAgain()
		return
	}
	w.note("batches wait for what is lost: sites that are gone are forgotten")
	w.opts.Publish, w.membership.moved = publishLost, true
	for _, s := range w.members() {
		w.fail(s.passOn(s.id))
		s.tellMembers()
		s.grown()
	}
	for _, id := range w.membership.gone {
		w.forgetSoon(id)
	}
}

// waitsInVain reports whether all members run and some batch waits for entries that
// none of them has.
func (w *World) waitsInVain() bool {
	if w.opts.Checks == CheckNone {
		return false // nobody keeps what writers had seen
	}
	var have clock.VersionVector
	for _, s := range w.members() {
		if !s.up || s.away() || s.joining() || s.restored.behind {
			return false
		}
		have.Merge(s.r.Log().Vector())
	}
	return slices.ContainsFunc(have, func(e clock.Entry) bool { return w.due(e, have) < w.whole(e) })
}

// forget does so at the next site that can note it.
func (w *World) forget(id clock.SiteID, turn int) {
	s := w.Sites[turn%len(w.Sites)]
	if s.up && !s.away() && !s.restored.behind && s.fetch == nil {
		w.note("%s is told to forget %s", s, id.Short())
		err := s.list(expulsionsTable, id)
		if s.wroteSystem(err) {
			w.membership.leaving--
			return
		}
	}
	w.after(forgetPause, func() { w.forget(id, turn+1) })
}

// wroteSystem deals with the outcome of a write of a system table outside the
// engine's steps, and reports whether it is done.
func (s *Site) wroteSystem(err error) bool {
	if err == nil && !s.breaker.down {
		s.grown()
		s.nudge(s.stepTakes())
		return true
	}
	s.placing.forgotten, s.halfway = true, true
	wait, wrong := s.engine.driver.Failed(err)
	if !wrong {
		err = nil
	}
	if s.survived(err) && s.w.err == nil {
		s.nudge(wait + s.stepTakes())
	}
	return false
}
