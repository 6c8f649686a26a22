package sim

import (
	"fmt"
	"time"

	"baraza/clock"
	"baraza/crdt"
)

// How soon changes must travel. Two sites are joined by a working path when
// every line on it has been open both ways, and every site on it has run
// without a failure, for a time: then each has in its log what the other had
// that time ago. It must hold while other sites and lines are cut off, so it is
// looked at all the time, and not only when everything is repaired.
const (
	// soonEvery is the time between two looks.
	soonEvery = 5 * time.Second
	// soonWithin covers giving a dead connection up, dialling with the longest
	// back-off, a provider that stalls, and the longest rest of an origin that
	// could not be stored; soonPerHop is added for each further line of a path.
	soonWithin = 3 * time.Minute
	soonPerHop = 30 * time.Second
	// soonBytesPerSecond is the slowest line of which it is asked, and
	// soonBreakEvery the shortest mean life of its connections: where a large
	// entry takes longer than a connection lives, nothing can be promised.
	soonBytesPerSecond = 256 << 10
	soonBreakEvery     = 20 * time.Second
)

// soon is what the checker remembers: what each site had at the last looks.
type soon struct {
	looks []look
	// wrongClocks: a clock was wrong once, so that batches may be in quarantine.
	wrongClocks bool
}

type look struct {
	at      time.Duration
	have    []clock.VersionVector // in the log
	pending []bool                // local changes were not captured
}

// within is how long a change may take.
func (w *World) within() time.Duration {
	return soonWithin + time.Duration(len(w.Sites)-1)*soonPerHop
}

// watchSoon looks now and again.
func (w *World) watchSoon() {
	if w.opts.Checks == CheckNone {
		return
	}
	w.after(soonEvery, func() {
		if w.opts.Exchange.Kind == Both {
			w.fail(w.checkSoon())
		}
		for _, s := range w.Sites {
			w.fail(s.checkBounds())
		}
		w.watchSoon()
	})
}

// checkSoon compares what sites have with what others on a working path had
// when the path was open already.
func (w *World) checkSoon() error {
	now := look{at: w.now}
	for _, s := range w.Sites {
		if s.r == nil || s.away() {
			now.have, now.pending = append(now.have, nil), append(now.pending, false)
			continue
		}
		now.have = append(now.have, s.r.Log().Vector())
		now.pending = append(now.pending, s.db.Pending() > 0)
	}
	s := &w.soon
	s.looks = append(s.looks, now)
	then := s.looks[0]
	if then.at > w.now-w.within() {
		return nil
	}
	s.looks = s.looks[1:]
	for _, group := range w.joined(then.at) {
		var had clock.VersionVector
		for _, site := range group {
			had.Merge(then.have[site.n-1])
		}
		for _, site := range group {
			if err := w.behindSoon(site, had, then.at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *World) behindSoon(s *Site, had clock.VersionVector, then time.Duration) error {
	have, applied := s.r.Log().Vector(), s.r.Applied()
	for _, e := range had {
		if have.Seq(e.Site) < e.Seq {
			return fmt.Errorf("%s has %s only up to %d; a site to which a way has been open since %v had %d then", s, e.Site.Short(), have.Seq(e.Site), then, e.Seq)
		}
		if whole := w.due(e, had); !w.soon.wrongClocks && applied.Seq(e.Site) < whole {
			return fmt.Errorf("%s applied %s only up to %d, and had %d since %v at the latest", s, e.Site.Short(), applied.Seq(e.Site), whole, then)
		}
	}
	return nil
}

// whole is the last entry, up to the one given, that ends a batch.
func (w *World) whole(e clock.Entry) uint64 {
	if w.opts.Checks == CheckNone { // the world keeps no logs
		return w.wholeIn(e)
	}
	return w.lastOf(e, func(x *loggedEntry) bool { return x.Last })
}

// wholeIn is whole as the log of a site has it that has the entries.
func (w *World) wholeIn(e clock.Entry) uint64 {
	for _, s := range w.members() {
		if s.r == nil || s.r.Log().Vector().Seq(e.Site) < e.Seq {
			continue
		}
		for seq := e.Seq; seq > 0; seq-- {
			first, raw, err := s.r.Log().Read(e.Site, seq-1, 1)
			if err != nil {
				w.fail(err)
				return seq
			}
			if first > seq || crdt.EndsBatch(raw[0]) { // what a log dropped, all have applied
				return seq
			}
		}
		return 0
	}
	return e.Seq
}

// due is whole of batches whose writers had seen nothing but what is in had: where
// that lacks something, no site may apply them yet.
func (w *World) due(e clock.Entry, had clock.VersionVector) uint64 {
	return w.lastOf(e, func(x *loggedEntry) bool { return x.Last && had.Includes(x.seen) })
}

func (w *World) lastOf(e clock.Entry, is func(*loggedEntry) bool) uint64 {
	l := w.logs[e.Site]
	if l == nil {
		return 0
	}
	seq := min(e.Seq, uint64(len(l.entries)))
	for seq > 0 && !is(&l.entries[seq-1]) {
		seq--
	}
	return seq
}

// joined returns the groups of sites that working paths have joined since a
// moment; sites alone are groups too.
func (w *World) joined(since time.Duration) [][]*Site {
	var groups [][]*Site
	seen := make([]bool, len(w.Sites))
	for i, s := range w.Sites {
		if seen[i] || !s.calm(since) {
			continue
		}
		seen[i] = true
		group := []*Site{s}
		for at := 0; at < len(group); at++ {
			for _, l := range group[at].links {
				if o := l.other(group[at]); !seen[o.n-1] && o.calm(since) && l.open(since) {
					seen[o.n-1] = true
					group = append(group, o)
				}
			}
		}
		groups = append(groups, group)
	}
	return groups
}

// calm reports whether a site has run since a moment without a failure.
func (s *Site) calm(since time.Duration) bool {
	return s.up && !s.away() && !s.restored.behind && s.troubled <= since
}

// open reports whether a line has been open both ways since a moment.
func (l *Link) open(since time.Duration) bool {
	slow := l.line.BytesPerSecond > 0 && l.line.BytesPerSecond < soonBytesPerSecond
	shaky := l.line.BreakEvery > 0 && l.line.BreakEvery < soonBreakEvery
	return !slow && !shaky && l.blocked == [2]int{} && l.opened <= since
}
