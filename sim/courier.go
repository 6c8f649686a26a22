package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"baraza/clock"
	"baraza/gossip"
)

// Courier carries bundles by hand between two sites that have no line: at A she
// takes one for B, at B she has it read and takes the reply, at A she has that
// read. What is in a bundle, and what the sites know of it, is the code of
// production; its compression and encryption, which need random bytes, are not
// there.
type Courier struct {
	A, B int // sites, counted from 0
	// At is when she first leaves A, 0 for some time within Every, which is the
	// time between two departures. A journey one way takes Trip.
	At, Every, Trip time.Duration
	// Loss is the part of the bundles that never arrive.
	Loss float64
}

// Round is the time from one departure to the end of the journey.
func (c *Courier) Round() time.Duration { return c.Every + 2*c.Trip + 2*courierStay }

const (
	// courierStay is how long the courier waits for a bundle to be read.
	courierStay = 10 * time.Second
	// keptOneIn is how often the courier also hands over a bundle of earlier,
	// which she has kept; keptMax bounds those.
	keptOneIn = 4
	keptMax   = 3
	// restMax is how long a site may take nothing of an origin after it could not
	// store something, as gossip.Config.RestMax.
	restMax = time.Minute
)

// courier is one on her way.
type courier struct {
	Courier
	w    *World
	rnd  *rand.Rand
	kept [2][][]byte // bundles of earlier, by where they go to
}

// carried reports whether a courier goes between two sites in place of a line.
func (o *Options) carried(a, b int) bool {
	return slices.ContainsFunc(o.Couriers, func(c Courier) bool { return c.A == a && c.B == b || c.A == b && c.B == a })
}

// depart sends the couriers on their ways.
func (w *World) depart() {
	for i, from := range w.opts.Couriers {
		c := &courier{Courier: from, w: w, rnd: w.random("courier", i)}
		for _, n := range []int{c.A, c.B} {
			w.Sites[n].couriers++
		}
		first := c.At
		if first == 0 {
			first = time.Duration(c.rnd.Int64N(int64(c.Every)))
		}
		w.At(first, c.leave)
	}
}

// courierRound is the longest that changes wait for a courier, there and back.
func (w *World) courierRound() (most time.Duration) {
	for i := range w.opts.Couriers {
		most = max(most, w.opts.Couriers[i].Round())
	}
	return 2 * most
}

// leave begins a journey, and the next one in time.
func (c *courier) leave() {
	a, b := c.w.Sites[c.A], c.w.Sites[c.B]
	c.w.after(c.Every, c.leave)
	c.carry(a, b, func() { c.carry(b, a, func() {}) })
}

// carry takes a bundle from one site to the other, where it is read, and then
// goes on.
func (c *courier) carry(from, to *Site, then func()) {
	bundle := from.pack(to)
	where := 0
	if to.n-1 == c.B {
		where = 1
	}
	c.w.after(c.Trip, func() {
		kept := c.kept[where]
		if len(kept) > 0 && c.rnd.IntN(keptOneIn) == 0 {
			to.unpack(from, kept[c.rnd.IntN(len(kept))])
		}
		switch {
		case bundle == nil:
		case c.rnd.Float64() < c.Loss && !c.w.repaired:
			c.w.note("the courier loses the bundle of %s for %s", from, to)
		default:
			to.unpack(from, bundle)
		}
		if bundle != nil {
			c.kept[where] = append(kept[max(len(kept)-keptMax+1, 0):], bundle)
		}
		c.w.after(courierStay, then)
	})
}

// bundles is what a site remembers of bundles; a crash leaves it.
type bundles struct {
	number uint64
	heard  map[clock.SiteID]gossip.Heard
}

// pack writes a bundle for another site; nil when this one is down.
func (s *Site) pack(to *Site) []byte {
	if !s.up {
		s.w.note("%s is down: no bundle for %s", s, to)
		return nil
	}
	applied, at := s.r.Published(to.id)
	base, gap := s.p.Begin(to.id, s.p.Base(to.id, s.bundles.heard[to.id], applied, at), s.r.Log().First)
	if gap != nil && s.w.opts.Administrator && s.jumped.Seq(gap.Origin) > gap.Have { // it has the rows
		s.w.note("%s has no bundle for %s: it got rows in place of what it has not of the log of %s", s, to, gap.Origin.Short())
		to.refusedBundle(gap.Origin)
		return nil
	}
	if gap != nil {
		s.w.fail(fmt.Errorf("%s has no bundle for %s: its log of %s begins at %d, after %d", s, to, gap.Origin.Short(), gap.First, gap.Have))
		return nil
	}
	s.bundles.number = max(uint64(s.nowMillis()), s.bundles.number+1)
	pack := s.p.NewPack(to.id, base)
	b := binary.AppendUvarint(nil, s.bundles.number)
	b = appendFrame(b, pack.Hello())
	for {
		origin, after, last, ok := pack.Next()
		if !ok {
			break
		}
		first, payloads, err := s.r.Log().Read(origin, after, entriesBytes)
		if err != nil || first != after+1 || len(payloads) == 0 {
			s.w.fail(fmt.Errorf("%s: the log of %s has nothing after %d, though its vector says so (%w)", s, origin.Short(), after, err))
			return nil
		}
		b = appendFrame(b, pack.Entries(payloads[:min(uint64(len(payloads)), last-after)]))
	}
	s.told.Merge(pack.Hello().Vector)
	s.w.note("%s packs %d entries for %s, %d bytes", s, pack.Written(), to, len(b))
	return b
}

func appendFrame(dst []byte, m gossip.Message) []byte {
	b := gossip.AppendMessage(nil, m)
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// unpack reads a bundle, a message at a time as the disk takes it. When the
// courier's stay is over all of it must be there, if nothing went wrong here.
func (s *Site) unpack(from *Site, bundle []byte) {
	if !s.up {
		s.w.note("%s is down: it does not read the bundle of %s", s, from)
		return
	}
	s.w.note("%s reads a bundle of %s, %d bytes", s, from, len(bundle))
	number, n := binary.Uvarint(bundle)
	u := gossip.NewUnpack(from.id)
	began := s.w.now
	s.feed(u, from, number, bundle[n:])
	s.while(courierStay-time.Millisecond, func() {
		missing := u.Missing(s.id, s.r.Log().Vector())
		if len(missing) > 0 && s.troubled < began-restMax {
			s.w.fail(fmt.Errorf("%s lacks of a bundle of %s after %v: %+v", s, from, courierStay, missing))
		}
	})
}

func (s *Site) feed(u *gossip.Unpack, from *Site, number uint64, rest []byte) {
	if len(rest) == 0 {
		return
	}
	if s.storer.busy || len(s.storer.list) > 0 { // memory is bounded
		s.while(syncMin, func() { s.feed(u, from, number, rest) })
		return
	}
	size, n := binary.Uvarint(rest)
	m, err := gossip.DecodeMessage(rest[n : n+int(size)])
	if err == nil {
		err = u.Take(m)
	}
	if err == nil {
		err = s.unpacked(m, from, number)
	}
	if err != nil {
		s.w.fail(fmt.Errorf("%s cannot read a bundle of %s: %w", s, from, err))
		return
	}
	s.feed(u, from, number, rest[n+int(size):])
}

// unpacked takes a message of a bundle.
func (s *Site) unpacked(m gossip.Message, from *Site, number uint64) error {
	if e, ok := m.(gossip.Entries); ok {
		s.storer.list = append(s.storer.list, arrival{from, e})
		s.store()
		return nil
	}
	if h, ok := m.(gossip.Hello); ok && number > s.bundles.heard[from.id].Number {
		if err := s.p.Carried(from.id, h.Vector); err != nil {
			return err
		}
		s.bundles.heard[from.id] = gossip.Heard{Number: number, Vector: h.Vector}
	}
	return nil
}
