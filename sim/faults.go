package sim

import (
	"math/rand/v2"
	"time"
)

// The cuts, by the names that the field knows them under (Jepsen). Each cuts
// the lines between some sites and returns what heals them.

// Cut cuts every direction from a site to another that which names, counted
// from 0.
func (w *World) Cut(name string, which func(from, to int) bool) (heal func()) {
	var ways []way
	for _, l := range w.Links {
		for d := range l.blocked {
			if which(l.ends[d].n-1, l.ends[1-d].n-1) {
				ways = append(ways, way{l, d})
			}
		}
	}
	return w.cutWays(name, ways)
}

// way is one direction of a line.
type way struct {
	l         *Link
	direction int
}

func (w *World) cutWays(name string, ways []way) (heal func()) {
	for _, c := range ways {
		c.l.block(c.direction)
	}
	w.note("cut %s: %d ways", name, len(ways))
	ended := w.began(name)
	healed := false
	heal = func() {
		if healed {
			return
		}
		healed = true
		w.note("heal %s", name)
		ended()
		for _, c := range ways {
			c.l.unblock(c.direction)
		}
	}
	w.cuts = append(w.cuts, heal)
	return heal
}

// CutOne cuts one site off from all others.
func (w *World) CutOne(rnd *rand.Rand) func() {
	one := rnd.IntN(len(w.Sites))
	return w.Cut("one", func(from, to int) bool { return from == one || to == one })
}

// CutLine cuts one line, both ways.
func (w *World) CutLine(rnd *rand.Rand) func() {
	if len(w.Links) == 0 {
		return func() {} // there are couriers only
	}
	l := w.Links[rnd.IntN(len(w.Links))]
	a, b := l.ends[0].n-1, l.ends[1].n-1
	return w.Cut("one line", func(from, to int) bool { return from == a && to == b || from == b && to == a })
}

// CutGroups cuts the lines between a random group of a size and the others.
func (w *World) CutGroups(name string, rnd *rand.Rand, size int) func() {
	in := make([]bool, len(w.Sites))
	for _, n := range rnd.Perm(len(w.Sites))[:size] {
		in[n] = true
	}
	return w.Cut(name, func(from, to int) bool { return in[from] != in[to] })
}

// CutHalves cuts the sites into two halves.
func (w *World) CutHalves(rnd *rand.Rand) func() {
	return w.CutGroups("halves", rnd, len(w.Sites)/2)
}

// CutMajority cuts a random minority off.
func (w *World) CutMajority(rnd *rand.Rand) func() {
	return w.CutGroups("majority/minority", rnd, 1+rnd.IntN(max((len(w.Sites)-1)/2, 1)))
}

// CutRing lets every site reach a majority, no two the same one: in a random
// ring, each reaches its nearest neighbours only.
func (w *World) CutRing(rnd *rand.Rand) func() {
	n := len(w.Sites)
	place := rnd.Perm(n)
	reach := n / 4 // to each side; with itself a majority
	if 2*reach+1 <= n/2 {
		reach++
	}
	return w.Cut("ring of majorities", func(from, to int) bool {
		d := (place[from] - place[to] + n) % n
		return min(d, n-d) > reach
	})
}

// CutBridge cuts the sites into two halves that one site still joins.
func (w *World) CutBridge(rnd *rand.Rand) func() {
	place := rnd.Perm(len(w.Sites))
	half := len(w.Sites) / 2
	return w.Cut("bridge", func(from, to int) bool {
		a, b := place[from], place[to]
		return a != half && b != half && (a < half) != (b < half)
	})
}

// CutOneWay lets nothing through from some sites to the others; the way back
// stays open.
func (w *World) CutOneWay(rnd *rand.Rand) func() {
	in := make([]bool, len(w.Sites))
	for _, n := range rnd.Perm(len(w.Sites))[:1+rnd.IntN(max(len(w.Sites)-1, 1))] {
		in[n] = true
	}
	return w.Cut("one-way", func(from, to int) bool { return in[from] && !in[to] })
}

// Flap cuts a random half of the sites off and lets it back, again and again,
// for a while.
func (w *World) Flap(rnd *rand.Rand, length time.Duration) {
	end := w.now + length
	var flap func()
	flap = func() {
		if w.repaired || w.now >= end {
			return
		}
		heal := w.CutHalves(rnd)
		w.after(time.Duration(rnd.Int64N(int64(10*time.Second))), heal)
		w.after(10*time.Second+time.Duration(rnd.Int64N(int64(10*time.Second))), flap)
	}
	flap()
}

// Strobe sets a site's clock to and fro for a while, then right.
func (w *World) Strobe(s *Site, rnd *rand.Rand, length time.Duration) {
	end := w.now + length
	by := time.Duration(1+rnd.IntN(60_000)) * time.Millisecond
	var strobe func()
	strobe = func() {
		switch {
		case w.repaired:
		case w.now >= end:
			s.SetClockRight()
		default:
			s.BumpClock(by)
			by = -by
			w.after(time.Duration(50+rnd.IntN(2000))*time.Millisecond, strobe)
		}
	}
	strobe()
}
