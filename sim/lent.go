package sim

import (
	"math/rand/v2"
	"slices"
)

// Rows come over a line (docs/bundles.md): a site that joins, or whose database was
// restored, and that only couriers reach, gets a line to some member until it has its
// rows.

// lent are the lines of that kind that there have been, and who draws the next one.
type lent struct {
	links map[[2]int]*Link
	rnd   *rand.Rand
}

// couldLend reports whether a site may get such a line: where there are couriers.
func (w *World) couldLend(s *Site) bool { return len(w.opts.Couriers) > 0 && len(w.wholeBut(s)) > 0 }

// lend gives a site that needs rows a line, if none leads to anybody who could give them.
func (s *Site) lend() {
	w := s.w
	if w.couldGive(s) || !w.couldLend(s) {
		return
	}
	if w.lent.links == nil {
		w.lent = lent{links: map[[2]int]*Link{}, rnd: w.random("lent lines", 0)}
	}
	others := w.wholeBut(s)
	o := others[w.lent.rnd.IntN(len(others))]
	w.note("%s gets a line to %s for its rows", s, o)
	pair := [2]int{min(s.n, o.n), max(s.n, o.n)}
	if l := w.lent.links[pair]; l != nil {
		l.plug(s)
		return
	}
	line := Line{Latency: w.opts.Latency, BytesPerSecond: w.opts.BytesPerSecond, BreakEvery: w.opts.BreakEvery, Mishaps: w.opts.Mishaps}
	if w.opts.Wire != nil {
		line, _ = w.opts.Wire(pair[0]-1, pair[1]-1)
		line.Open = nil
	}
	if line.slow() && !w.slow { // the rows may be large
		line.BytesPerSecond = 0
	}
	w.connect(w.Sites[pair[0]-1], w.Sites[pair[1]-1], line)
	l := w.Links[len(w.Links)-1]
	l.opened, l.lent = w.now, s
	w.lent.links[pair] = l
}

// wholeBut are the members that could give a site its rows, now or when they are up again.
func (w *World) wholeBut(to *Site) []*Site {
	return slices.DeleteFunc(slices.Clone(w.Sites), func(o *Site) bool { return o == to || o.away() || o.restored.behind })
}

// giveBack takes the lines away that a site got for its rows.
func (s *Site) giveBack() {
	for _, l := range slices.Clone(s.links) {
		if l.lent == s {
			l.unplug()
		}
	}
}

// unplug takes a line away.
func (l *Link) unplug() {
	l.w.note("the line between %s and %s is taken away", l.ends[0], l.ends[1])
	l.off = true
	l.block(0)
	l.block(1)
	if c := l.conn; c != nil {
		l.hangUp(c, 0)
		l.hangUp(c, 1)
		l.conn = nil
	}
	for _, s := range l.ends {
		s.links = slices.DeleteFunc(s.links, func(x *Link) bool { return x == l })
	}
}

// plug brings it back, for a site.
func (l *Link) plug(s *Site) {
	l.off, l.lent = false, s
	a, b := l.ends[0], l.ends[1]
	a.links, b.links = append(a.links, l), append(b.links, l)
	a.linkTo[b.id], b.linkTo[a.id] = l, l
	l.unblock(0)
	l.unblock(1)
	l.redial(0)
}
