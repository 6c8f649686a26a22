package gossip

import (
	"fmt"

	"baraza/clock"
)

// A bundle is what one site would say to another over a connection, in a file:
// its Hello, then Entries. Nothing answers while it is written, so what the
// reader has is what the writer last knew; and whether it arrives is known only
// from a bundle that comes back. So a bundle always starts where the reader is
// known to be: one that is lost, read twice or read late does no harm.

// Heard is what a peer said in its last bundle.
type Heard struct {
	// Number is the bundle's; 0 when there was none. It grows from one bundle of
	// a site to the next, and is about the time in milliseconds.
	Number uint64
	Vector clock.VersionVector
}

// Base is what a peer has as far as is known.
type Base struct {
	Vector clock.VersionVector
	// Told: it has told this site so itself. If not it may have much more.
	Told bool
}

// Base returns what a peer has as far as is known. The word of
// the last connection, or of a bundle that came since, counts; the peer may have
// published since that it applied more, at the time atMillis. A bundle's word is
// not merged with an older one: the peer may have been set back in between.
func (p *Protocol) Base(peer clock.SiteID, last Heard, applied clock.VersionVector, atMillis int64) Base {
	known := p.Known(peer).Clone()
	if known == nil {
		known = last.Vector.Clone()
	}
	told := len(known) > 0
	if uint64(max(atMillis, 0)) > last.Number {
		known.Merge(applied)
	}
	return Base{known, told}
}

// Begin returns where a bundle begins for a peer that has base, by the first
// entries that the log holds. What every member has, everyone's, it has too, though it
// may have joined since it was last heard of. A bundle for a peer that has told nothing
// begins where the log does at the latest, and the reply tells; else gap is the first
// origin of which the log does not hold what the peer lacks.
func (p *Protocol) Begin(peer clock.SiteID, from Base, everyones clock.VersionVector, first func(clock.SiteID) uint64) (_ clock.VersionVector, gap *Missing) {
	base := from.Vector.Clone()
	for _, e := range p.have {
		held, has := first(e.Site), base.Seq(e.Site)
		switch {
		case has+1 >= held || e.Site == peer:
		case !from.Told || everyones.Seq(e.Site)+1 >= held:
			base.Set(clock.Entry{Site: e.Site, Seq: held - 1})
		default:
			return nil, &Missing{Origin: e.Site, Have: has, First: held}
		}
	}
	return base, nil
}

// Pack is a bundle that is being written.
type Pack struct {
	hello Hello
	spans []span
	turn  int
	count uint64
}

// span is what is left to write of an origin: its entries after `after` up to
// last.
type span struct {
	origin      clock.SiteID
	after, last uint64
}

// NewPack begins a bundle for a peer that has base: all that this site has
// beyond it, but for the peer's own entries.
func (p *Protocol) NewPack(peer clock.SiteID, base clock.VersionVector) *Pack {
	k := &Pack{hello: Hello{Version: Version, Site: p.cfg.Site, Vector: p.have.Clone()}}
	if p.cfg.Note != nil {
		k.hello.Note = p.cfg.Note(peer)
	}
	for _, e := range p.have {
		if after := base.Seq(e.Site); e.Site != peer && after < e.Seq {
			k.spans = append(k.spans, span{e.Site, after, e.Seq})
		}
	}
	return k
}

// Hello is the first message of the bundle.
func (k *Pack) Hello() Hello { return k.hello }

// Next names what is to be written next: the origin's entries after an entry,
// at least one and not beyond last. Origins take turns. ok is false at the end.
func (k *Pack) Next() (origin clock.SiteID, after, last uint64, ok bool) {
	if len(k.spans) == 0 {
		return clock.SiteID{}, 0, 0, false
	}
	s := k.spans[k.turn%len(k.spans)]
	return s.origin, s.after, s.last, true
}

// Entries makes the message of what was read from the log after Next, and
// counts it as written.
func (k *Pack) Entries(payloads [][]byte) Entries {
	s := &k.spans[k.turn]
	n := min(uint64(len(payloads)), MaxEntries, s.last-s.after)
	e := Entries{Origin: s.origin, First: s.after + 1, Payloads: payloads[:n]}
	s.after += n
	k.count += n
	if s.after == s.last {
		k.spans = append(k.spans[:k.turn], k.spans[k.turn+1:]...)
	} else {
		k.turn++
	}
	if k.turn >= len(k.spans) {
		k.turn = 0
	}
	return e
}

// Written counts the entries so far, and Left those that are still to come.
func (k *Pack) Written() uint64 { return k.count }

// Left counts the entries that are still to be written.
func (k *Pack) Left() (n uint64) {
	for _, s := range k.spans {
		n += s.last - s.after
	}
	return n
}

// Unpack is a bundle that is being read.
type Unpack struct {
	from  clock.SiteID
	hello *Hello
	// first and last are, per origin, the first and the last entry of it.
	first, last clock.VersionVector
	count       uint64
}

// NewUnpack begins to read a bundle that a site wrote.
func NewUnpack(from clock.SiteID) *Unpack { return &Unpack{from: from} }

// Take checks that a message has its place in the bundle: call it for each, and
// hand Entries to Protocol.Handle after it.
func (u *Unpack) Take(m Message) error {
	switch m := m.(type) {
	case Hello:
		switch {
		case u.hello != nil:
			return fmt.Errorf("gossip: second hello in the bundle of %s", u.from.Short())
		case m.Version != Version:
			return fmt.Errorf("gossip: the bundle is of protocol version %d, this site speaks %d; upgrade the older one", m.Version, Version)
		case m.Site != u.from:
			return fmt.Errorf("gossip: hello of %s in the bundle of %s", m.Site.Short(), u.from.Short())
		}
		u.hello = &m
		return nil
	case Entries:
		if u.hello == nil {
			break
		}
		if m.Last() > u.hello.Vector.Seq(m.Origin) || m.First == 0 || u.last.Seq(m.Origin) != 0 && m.First != u.last.Seq(m.Origin)+1 {
			return fmt.Errorf("gossip: entries of %s from %d that have no place in the bundle", m.Origin.Short(), m.First)
		}
		if u.first.Seq(m.Origin) == 0 {
			u.first.Set(clock.Entry{Site: m.Origin, Seq: m.First})
		}
		u.last.Set(clock.Entry{Site: m.Origin, Seq: m.Last()})
		u.count += uint64(len(m.Payloads))
		return nil
	}
	return fmt.Errorf("gossip: %T has no place in the bundle of %s", m, u.from.Short())
}

// Hello is the first message of the bundle; nil before it came.
func (u *Unpack) Hello() *Hello { return u.hello }

// Entries counts the entries that came.
func (u *Unpack) Entries() uint64 { return u.count }

// Missing is entries of an origin that the bundle was to bring and did not.
type Missing struct {
	Origin clock.SiteID
	// Have is the last entry here, and First the first in the bundle.
	Have, First uint64
}

// Gap reports whether the bundle begins after what is here; if not, what it
// brought could not be stored.
func (m Missing) Gap() bool { return m.First > m.Have+1 }

// New counts the entries of the bundle that a site got which had before and has
// after.
func (u *Unpack) New(before, after clock.VersionVector) (n uint64) {
	for _, e := range u.last {
		if have, had := min(after.Seq(e.Site), e.Seq), before.Seq(e.Site); have > had {
			n += have - had
		}
	}
	return n
}

// Missing returns what a site that has v, after all of the bundle was stored,
// still lacks of it. The site's own entries are not looked at.
func (u *Unpack) Missing(self clock.SiteID, v clock.VersionVector) []Missing {
	var out []Missing
	for _, e := range u.last {
		if have := v.Seq(e.Site); e.Site != self && have < e.Seq {
			out = append(out, Missing{Origin: e.Site, Have: have, First: u.first.Seq(e.Site)})
		}
	}
	return out
}

// Carried tells what a peer had when it wrote a bundle. What a peer says itself
// while it is connected counts more. The caller sees to it that no older
// bundle's word replaces a newer one's.
func (p *Protocol) Carried(id clock.SiteID, v clock.VersionVector) error {
	if id == p.cfg.Site || id.IsZero() || p.Connected(id) {
		return nil
	}
	pe := p.peer(id)
	if pe == nil {
		i, _ := p.findPeer(id)
		if len(p.peers) >= MaxPeers {
			return fmt.Errorf("gossip: %d peers already; forget peers that are gone for good", MaxPeers)
		}
		pe = p.addPeer(i, id)
	}
	p.unlearn(pe)
	return p.learn(pe, v)
}
