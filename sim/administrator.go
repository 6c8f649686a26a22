package sim

import (
	"slices"
	"time"

	"baraza/clock"
)

// An administrator reads the alarms of `baraza status` and what `export` refuses, and
// does what docs/limits.md says of a site that lacks log entries which none of those
// has that reach it: gives it a line to another member, and where there is no further
// one lets it join again.

const (
	// administratorEvery is the time between two looks at the sites.
	administratorEvery = 10 * time.Second
	// alarmStands is how long an alarm stands before anything is done; one that is not
	// seen for so long is over.
	alarmStands = time.Minute
)

// attention is what the administrator knows of a site that waits.
type attention struct {
	// first and last are when the alarm was seen.
	first, last time.Duration
	// refused is when a bundle for the site was refused last, 0 is never, for lack of
	// entries of an origin.
	refused time.Duration
	origin  clock.SiteID
}

// attend lets the administrator look after the sites.
func (w *World) attend() {
	if !w.opts.Administrator {
		return
	}
	w.after(administratorEvery, func() {
		for _, s := range w.Sites {
			if s.up && !s.away() && !s.restored.behind {
				s.attended()
			}
		}
		w.attend()
	})
}

// refusedBundle notes that no bundle could be written for a site, as the writer has
// rows in place of the entries of an origin.
func (s *Site) refusedBundle(origin clock.SiteID) {
	s.attention.refused, s.attention.origin = s.w.now, origin
}

// alarms returns of which origin the site lacks entries that those who reach it do not
// have.
func (s *Site) alarms() (origin clock.SiteID, is bool) {
	if list := s.p.Stranded(); len(list) > 0 {
		return list[0].Origin, true
	}
	a := &s.attention
	refused := a.refused > 0 && s.w.now < a.refused+s.w.courierRound()
	return a.origin, refused && s.r.Log().Vector().Seq(a.origin) < s.w.lastSeq(a.origin)
}

// attended is a look at one site. As long as an alarm stands nobody can ask the site,
// or what it hands on, to be in step.
func (s *Site) attended() {
	a, now := &s.attention, s.w.now
	origin, is := s.alarms()
	if !is {
		return
	}
	if now > a.last+alarmStands {
		a.first = now
	}
	a.last, s.troubled = now, now
	if now < a.first+alarmStands {
		return
	}
	a.first = now // what is done now has so long to help
	if !s.lineTo(origin) && s.w.repaired {
		s.joinAgain()
	}
}

// lineTo gives a site a line to another member: to the one whose entries it lacks, if
// that can be, since it has them, also while its database is to be brought up again.
func (s *Site) lineTo(origin clock.SiteID) bool {
	others := slices.DeleteFunc(slices.Clone(s.w.Sites), func(o *Site) bool {
		return o == s || o.away() || o.restored.behind && (o.id != origin || o.joining()) || s.w.opts.carried(s.n-1, o.n-1) ||
			slices.ContainsFunc(s.links, func(l *Link) bool { return l.other(s) == o })
	})
	if len(others) == 0 || len(s.w.Links) == 0 {
		return false
	}
	to := others[0]
	for _, o := range others {
		if o.id == origin {
			to = o
		}
	}
	line := s.w.Links[0].line
	line.Open = nil
	s.w.note("the administrator gives %s a line to %s, since it lacks entries of %s", s, to, origin.Short())
	s.w.connect(s, to, line)
	return true
}

// joining reports whether a site waits for its first rows.
func (s *Site) joining() bool { return s.r == nil || s.r.BringingUp() }

// joinAgain gives a site a new data directory.
func (s *Site) joinAgain() {
	if !s.w.spares(s) {
		s.w.note("the administrator can do nothing for %s", s)
		return
	}
	s.w.note("the administrator lets %s join again, since no line helps", s)
	s.Crash(time.Hour)
	s.loseDisk(machineDown, DiskLost)
}
