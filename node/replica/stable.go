package replica

import (
	"cmp"
	"slices"

	"baraza/clock"
)

// Membership is what the replica must know of the book of members. It must be
// no older than the membership records that were applied: the caller sets it
// after every Apply that brought rows of system tables.
type Membership struct {
	// Members are all who are or may be members, this site among them.
	Members []clock.SiteID
	// Gone are those who were members and are not any more.
	Gone []clock.SiteID
}

// SetMembership tells who is a member. Before it was called nothing is
// published and nothing dropped.
func (r *Replica) SetMembership(m Membership) {
	byID := func(a, b clock.SiteID) int { return a.Compare(b) }
	r.members, r.gone = slices.Clone(m.Members), slices.Clone(m.Gone)
	slices.SortFunc(r.members, byID)
	slices.SortFunc(r.gone, byID)
	if r.members == nil {
		r.members = []clock.SiteID{}
	}
}

// advanceStable works out what every member has applied, as far as this site
// has heard: per origin the least that any says. A member that has said nothing
// yet holds all; so does a ghost. What was stable stays so: a member that comes
// later is brought up from a site that had it (docs/decisions/0005).
func (r *Replica) advanceStable() error {
	for _, p := range r.published {
		r.stable.Merge(p.settled) // who knows better is believed
	}
	voters, err := r.ghosts()
	if err != nil {
		return err
	}
	voters = append(voters, r.members...)
	var all []*published
	for _, id := range voters {
		if id == r.cfg.Self {
			continue
		}
		p := r.published[id]
		if p == nil {
			return nil
		}
		all = append(all, p)
	}
	for _, e := range r.applied {
		least := e
		for _, p := range all {
			// What an origin says of its own log was true when it said so; it
			// has all of it whenever one asks.
			if p != r.published[e.Site] {
				least = lesser(least, p.applied.Get(e.Site))
			}
		}
		if r.stable.Seq(e.Site) < least.Seq {
			r.stable.Set(least)
		}
	}
	return nil
}

// Stable is what every member has applied, as far as this site knew when it last
// shortened its log or said what it has applied itself.
func (r *Replica) Stable() clock.VersionVector { return r.stable.Clone() }

func lesser(a, b clock.Entry) clock.Entry {
	if b.Seq < a.Seq {
		return b
	}
	return a
}

// ghosts returns the forgotten sites that still count: as long as some member
// may get entries of theirs that others lack, which may be writes that had not
// seen a delete. A member closes a forgotten site's log when it knows of the
// forgetting, no longer takes anything from the site, and has applied what it
// took. When all members have, what they hold together is all that there will
// ever be; and once this site has applied that, the ghost is laid. But a member may
// close its log and then get entries from another forgotten site after all, as long as
// it has not heard of that one's forgetting: a bundle may be long on its way. So members
// say too of whom they have heard (nobodyBrings).
func (r *Replica) ghosts() ([]clock.SiteID, error) {
	var out []clock.SiteID
	for _, f := range r.gone {
		laid, err := r.laid(f)
		if err != nil {
			return nil, err
		}
		if !laid {
			out = append(out, f)
		}
	}
	return out, nil
}

// nobodyBrings reports whether no other forgotten site can bring entries of one to a
// member any more: that one had closed its log, with no more than is applied here, or
// every member knew that it is forgotten when it last said what it has applied. This
// site counts too: what it says after it has applied what waited for lost entries
// (caused), the others could not apply.
func (r *Replica) nobodyBrings(f clock.SiteID) bool {
	for _, g := range r.gone {
		if g == f {
			continue
		}
		if p := r.published[g]; p != nil && slices.Contains(p.closed, f) && p.applied.Seq(f) <= r.applied.Seq(f) {
			continue
		}
		for _, m := range r.members {
			if p := r.published[m]; p == nil || !slices.Contains(p.closed, g) && !slices.Contains(p.heard, g) {
				return false
			}
		}
	}
	return true
}

func (r *Replica) laid(f clock.SiteID) (bool, error) {
	if !r.nobodyBrings(f) {
		return false, nil
	}
	most := uint64(0)
	for _, m := range r.members {
		if m == r.cfg.Self {
			continue
		}
		p := r.published[m]
		if p == nil || !slices.Contains(p.closed, f) {
			return false, nil
		}
		most = max(most, p.applied.Seq(f))
	}
	closed, err := r.closes(f)
	return closed && r.applied.Seq(f) >= most, err
}

// A batch may wait for entries of a forgotten site that nobody has any more: its writer
// had seen them. Nobody applies it before somebody has said that the ghost is laid; and
// who says so has not applied it either, so that all can apply the word. That a site
// knows it by itself is not enough: another may have let a new site take its first rows
// meanwhile, and would wait for the word of that one, which might come after the batch.

// saidLaid reports whether somebody has said that nobody has more of a forgotten site's
// log than is applied here.
func (r *Replica) saidLaid(f clock.SiteID, applied clock.VersionVector) bool {
	for _, p := range r.published {
		if slices.Contains(p.laid, f) && applied.Seq(f) >= p.applied.Seq(f) {
			return true
		}
	}
	return false
}

// saysLaid returns of which forgotten sites this one says so: those that it said it of
// before, and those that are waited for.
func (r *Replica) saysLaid() (list []clock.SiteID, err error) {
	if p := r.published[r.cfg.Self]; p != nil {
		list = slices.Clone(p.laid)
	}
	for _, f := range r.gone {
		if !r.awaited[f] || slices.Contains(list, f) || r.saidLaid(f, r.applied) {
			continue
		}
		laid, err := r.laid(f)
		if err != nil {
			return nil, err
		}
		if laid {
			list = append(list, f)
		}
	}
	return list, nil
}

// closing returns the forgotten sites whose log is closed here.
func (r *Replica) closing() ([]clock.SiteID, error) {
	var out []clock.SiteID
	for _, f := range r.gone {
		closed, err := r.closes(f)
		if err != nil {
			return nil, err
		}
		if closed {
			out = append(out, f)
		}
	}
	return out, nil
}

// closes reports whether all is applied that the log has of a forgotten site,
// but for a batch whose end did not come before the forgetting.
func (r *Replica) closes(f clock.SiteID) (bool, error) {
	have, applied := r.log.Vector().Seq(f), r.applied.Seq(f)
	if have <= applied {
		return true, nil
	}
	_, whole, err := r.batchEnd(f, applied+1, have)
	return err == nil && !whole, err
}

// Holder is a site that keeps this one from dropping something.
type Holder struct {
	Site clock.SiteID
	// Behind counts the entries of this site's log that it has not said it has
	// applied.
	Behind uint64
	// SinceMillis is when it last said what it has applied; 0 is never.
	SinceMillis int64
	// Gone: it was forgotten, and not all members have confirmed that yet.
	Gone bool
}

// Stability is how things stand with what is kept until every member has it.
type Stability struct {
	// Stable is what every member has applied, as far as known here.
	Stable clock.VersionVector
	// Entries are in the log, and Unstable of them not applied everywhere yet.
	Entries, Unstable uint64
	// Tombstones are the deleted rows that were still remembered when they were
	// last counted.
	Tombstones int
	// Holders are the sites that lack something, the one that has said nothing
	// for longest first.
	Holders []Holder
}

// Stability tells how things stand.
func (r *Replica) Stability() (Stability, error) {
	s := Stability{Stable: r.stable.Clone(), Entries: r.log.entries(), Tombstones: r.tombs.kept}
	s.Unstable = r.stable.Behind(r.applied)
	ghosts, err := r.ghosts()
	if err != nil {
		return s, err
	}
	add := func(id clock.SiteID, gone bool) {
		h := Holder{Site: id, Gone: gone}
		p := r.published[id]
		for _, e := range r.applied {
			if e.Site == id {
				continue
			}
			said := uint64(0)
			if p != nil {
				said = p.applied.Seq(e.Site)
			}
			if content := r.content[e.Site]; content > said {
				h.Behind += content - said
			}
		}
		if p != nil {
			h.SinceMillis = p.at.Millis()
		}
		if h.Behind > 0 || p == nil || gone {
			s.Holders = append(s.Holders, h)
		}
	}
	for _, id := range r.members {
		if id != r.cfg.Self {
			add(id, false)
		}
	}
	for _, id := range ghosts {
		add(id, true)
	}
	slices.SortStableFunc(s.Holders, func(a, b Holder) int { return cmp.Compare(a.SinceMillis, b.SinceMillis) })
	return s, nil
}
