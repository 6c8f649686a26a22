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
	kept [2][]*bundle // of earlier, by where they go to
}

// bundle is one that was written, by and for whom: sites may have other identities
// when it arrives.
type bundle struct {
	writer, reader clock.SiteID
	number         uint64
	bytes          []byte
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
	c.carry(a, b, func() {
		c.carry(b, a, func() {
			if a.stranger(b) && b.stranger(a) { // no bundle of either is written, nor would it be read
				a.refusedBundle(b.id)
				b.refusedBundle(a.id)
			}
		})
	})
}

// stranger reports whether a site runs that does not know another yet.
func (s *Site) stranger(o *Site) bool {
	return s.up && !s.away() && !s.joining() && !o.away() && !s.knows(o.id)
}

// carry takes a bundle from one site to the other, where it is read, and then
// goes on.
func (c *courier) carry(from, to *Site, then func()) {
	b := from.pack(to)
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
		case b == nil:
		case c.rnd.Float64() < c.Loss && !c.w.repaired:
			c.w.note("the courier loses the bundle of %s for %s", from, to)
		default:
			to.unpack(from, b)
		}
		if b != nil {
			c.kept[where] = append(kept[max(len(kept)-keptMax+1, 0):], b)
		}
		c.w.after(courierStay, then)
	})
}

// bundles is what a site remembers of bundles; a crash leaves it.
type bundles struct {
	number uint64
	heard  map[clock.SiteID]gossip.Heard
}

func newBundles() bundles { return bundles{heard: map[clock.SiteID]gossip.Heard{}} }

// pack writes a bundle for another site; nil when this one is down, or cannot.
func (s *Site) pack(to *Site) *bundle {
	switch {
	case !s.up:
		s.w.note("%s is down: no bundle for %s", s, to)
		return nil
	case s.joining() || to.outside || !s.knows(to.id):
		s.w.note("%s has no bundle for %s yet", s, to)
		return nil
	}
	applied, at := s.r.Published(to.id)
	base, gap := s.p.Begin(to.id, s.p.Base(to.id, s.bundles.heard[to.id], applied, at), s.r.Stable(), s.r.Log().First)
	if gap != nil && s.w.opts.Administrator && s.lacks(gap, to.id) {
		s.w.note("%s has no bundle for %s: it has no more than the rows of what that lacks of the log of %s", s, to, gap.Origin.Short())
		to.refusedBundle(gap.Origin)
		return nil
	}
	if gap != nil {
		s.w.fail(fmt.Errorf("%s has no bundle for %s: its log of %s begins at %d, after %d", s, to, gap.Origin.Short(), gap.First, gap.Have))
		return nil
	}
	s.bundles.number = max(uint64(s.nowMillis()), s.bundles.number+1)
	pack := s.p.NewPack(to.id, base)
	b := appendFrame(nil, pack.Hello())
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
	return &bundle{writer: s.id, reader: to.id, number: s.bundles.number, bytes: b}
}

// lacks reports whether a site has only rows in place of entries that another is to
// get: it got the rows, or did not know of the other.
func (s *Site) lacks(m *gossip.Missing, reader clock.SiteID) bool {
	return s.jumped.Seq(m.Origin) > m.Have || s.passed[reader].Seq(m.Origin) > m.Have
}

func appendFrame(dst []byte, m gossip.Message) []byte {
	b := gossip.AppendMessage(nil, m)
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// unpack reads a bundle, a message at a time as the disk takes it. When the
// courier's stay is over all of it must be there, if nothing went wrong here.
func (s *Site) unpack(from *Site, b *bundle) {
	if why := s.refuses(b); why != "" {
		s.w.note("%s does not read the bundle of %s: %s", s, from, why)
		return
	}
	if b.writer != from.id { // what was lost with its disk may come back
		s.w.note("%s reads the bundle of who %s was before", s, from)
		s.w.brought = true
	}
	if !s.knows(b.writer) && !s.restored.behind && !s.wroteSystem(s.passOn(b.writer)) {
		return
	}
	s.w.note("%s reads a bundle of %s, %d bytes", s, from, len(b.bytes))
	u := gossip.NewUnpack(b.writer)
	began := s.w.now
	s.feed(u, b, b.bytes)
	s.while(courierStay-time.Millisecond, func() {
		for _, m := range u.Missing(s.id, s.r.Log().Vector()) {
			if m.Gap() && b.writer == from.id && from.lacks(&m, s.id) {
				s.w.note("%s lacks of a bundle of %s what that has no more than the rows of: %+v", s, from, m)
			} else if s.troubled < began-restMax {
				s.w.fail(fmt.Errorf("%s lacks of a bundle of %s after %v: %+v", s, from, courierStay, m))
			}
		}
	})
}

// refuses tells why a site does not read a bundle; "" when it does.
func (s *Site) refuses(b *bundle) string {
	switch {
	case !s.up:
		return "it is down"
	case b.reader != s.id:
		return "it is for who it was before"
	case s.joining():
		return "it has no rows yet"
	case s.w.membership.moved && slices.Contains(s.listed(expulsionsTable), b.writer):
		return "its writer was removed"
	}
	return ""
}

// feed takes what is left of a bundle.
func (s *Site) feed(u *gossip.Unpack, b *bundle, rest []byte) {
	if len(rest) == 0 {
		return
	}
	if s.storer.busy || len(s.storer.list) > 0 { // memory is bounded
		s.while(syncMin, func() { s.feed(u, b, rest) })
		return
	}
	size, n := binary.Uvarint(rest)
	m, err := gossip.DecodeMessage(rest[n : n+int(size)])
	if err == nil {
		err = u.Take(m)
	}
	if err == nil {
		err = s.unpacked(m, b)
	}
	if err != nil {
		s.w.fail(fmt.Errorf("%s cannot read a bundle of %s: %w", s, b.writer.Short(), err))
		return
	}
	s.feed(u, b, rest[n+int(size):])
}

// unpacked takes a message of a bundle.
func (s *Site) unpacked(m gossip.Message, b *bundle) error {
	if e, ok := m.(gossip.Entries); ok {
		s.storer.list = append(s.storer.list, arrival{b.writer, e})
		s.store()
		return nil
	}
	if h, ok := m.(gossip.Hello); ok && b.number > s.bundles.heard[b.writer].Number {
		if err := s.p.Carried(b.writer, h.Vector); err != nil {
			return err
		}
		s.bundles.heard[b.writer] = gossip.Heard{Number: b.number, Vector: h.Vector}
	}
	return nil
}
