package gossip

import (
	"fmt"
	"time"

	"baraza/clock"
)

// greet takes a peer's Hello: from now on it can be asked and asks.
func (p *Protocol) greet(pe *peer, h Hello, now time.Duration) error {
	switch {
	case pe.greeted:
		return fmt.Errorf("gossip: second hello from %s", pe.id.Short())
	case h.Version != Version:
		return fmt.Errorf("gossip: peer %s speaks protocol version %d, this site %d; upgrade the older one", pe.id.Short(), h.Version, Version)
	case h.Site != pe.id:
		return fmt.Errorf("gossip: hello of %s on the connection of %s", h.Site.Short(), pe.id.Short())
	}
	if p.cfg.Greeted != nil {
		if err := p.cfg.Greeted(pe.id, h.Note); err != nil {
			return fmt.Errorf("gossip: peer %s: %w", pe.id.Short(), err)
		}
	}
	pe.greeted = true
	p.unlearn(pe) // a peer whose store was set back knows less than it did
	pe.pingAt = now
	p.soon(now)
	pe.entriesAt = now
	if p.room(pe.id) {
		p.origin(pe.id) // subscribed to before it has anything
	}
	if err := p.learn(pe, h.Vector); err != nil {
		return err
	}
	for _, o := range p.origins {
		p.review(o, now)
		p.announceLater(pe, o, now) // what came since our own hello
	}
	return nil
}

// announced takes a Have.
func (p *Protocol) announced(pe *peer, changed clock.VersionVector, now time.Duration) error {
	for i, place := 0, 0; i < len(changed); i++ {
		e := &changed[i]
		o, err := p.named(pe, &place, e.Site)
		if err != nil {
			return err
		}
		s := o.of(pe)
		if e.Seq > s.known {
			// Who came further without a subscription here gets it elsewhere.
			s.known, s.fed = e.Seq, s.fed || !s.subscribed
		}
		// What is here already changes no choice, but for the origin's own site.
		if e.Seq > o.accepted || o.own == pe {
			p.review(o, now)
		}
		p.announceLater(pe, o, now)
	}
	return nil
}

// named returns the state of an origin that a peer named in a vector.
func (p *Protocol) named(pe *peer, place *int, id clock.SiteID) (*origin, error) {
	if i, ok := p.seek(place, id); ok {
		return p.origins[i], nil
	}
	if !p.room(id) {
		return nil, fmt.Errorf("gossip: peer %s names more than %d origins; forget sites that are gone for good", pe.id.Short(), MaxOrigins)
	}
	return p.origin(id), nil
}

// learn raises what a peer is known to have.
func (p *Protocol) learn(pe *peer, v clock.VersionVector) error {
	for i, place := 0, 0; i < len(v); i++ {
		o, err := p.named(pe, &place, v[i].Site)
		if err != nil {
			return err
		}
		s := o.of(pe)
		s.known = max(s.known, v[i].Seq)
	}
	pe.heard = true
	return nil
}

// unlearn forgets what a peer is known to have.
func (p *Protocol) unlearn(pe *peer) {
	for _, o := range p.origins {
		o.of(pe).known = 0
	}
	pe.heard = false
}

// receive takes entries, from whomever they come. It returns what of them is
// next in order.
func (p *Protocol) receive(pe *peer, e Entries, now time.Duration) (Entries, error) {
	none := Entries{}
	if len(e.Payloads) == 0 || e.First == 0 || e.Last() < e.First || !p.room(e.Origin) {
		return none, fmt.Errorf("gossip: entries of %s from %d that cannot be", e.Origin.Short(), e.First)
	}
	if e.Origin == p.cfg.Site && !p.cfg.FetchOwn {
		p.count.Duplicates += uint64(len(e.Payloads))
		return none, nil
	}
	o := p.origin(e.Origin)
	if pe != nil && pe.connected {
		pe.entriesAt = now
		s := o.of(pe)
		s.known = max(s.known, e.Last())
	}
	if now < o.restUntil {
		return none, nil // was under way when storing failed
	}
	if e.First > o.accepted+1 {
		p.gap(pe, o, now)
		return none, nil
	}
	seen := min(o.accepted-(e.First-1), uint64(len(e.Payloads)))
	p.count.Duplicates += seen
	if seen == uint64(len(e.Payloads)) {
		return none, nil
	}
	e.First += seen
	e.Payloads = e.Payloads[seen:]
	p.count.Received += uint64(len(e.Payloads))
	o.accepted = e.Last()
	if o.graceSeq != 0 && o.accepted >= o.graceSeq {
		p.review(o, now)
	}
	return e, nil
}

// gap answers entries that do not join up. The provider is asked again from
// where we are; until the answer can be here, what it had under way is dropped.
func (p *Protocol) gap(pe *peer, o *origin, now time.Duration) {
	p.count.Gaps++
	switch {
	case pe == nil || !pe.connected:
	case o.provider != pe:
		p.review(o, now)
	case now >= o.since+p.cfg.Grace:
		p.ask(o, pe, now)
	}
}

// goneAt takes a peer's word that its log no longer holds what was asked.
func (p *Protocol) goneAt(pe *peer, g Gone, now time.Duration) error {
	if !p.room(g.Origin) {
		return fmt.Errorf("gossip: gone of %s, never asked for", g.Origin.Short())
	}
	o := p.origin(g.Origin)
	o.of(pe).gone = g.First
	if o.provider == pe && !pe.usable(o) {
		o.provider = nil
	}
	p.review(o, now)
	return nil
}

// Stranded is an origin that a connected peer has more of than this site, but
// no longer as log entries from where this site is: state must be fetched.
type Stranded struct {
	Origin, Peer clock.SiteID
	// First is the first entry that the peer still holds.
	First uint64
}

// Stranded returns what cannot be had as entries from any connected peer.
func (p *Protocol) Stranded() []Stranded {
	var all []Stranded
	for _, o := range p.origins {
		if o.provider != nil {
			continue
		}
		for _, pe := range p.peers {
			if s := o.of(pe); pe.connected && pe.greeted && !pe.usable(o) && s.known > o.accepted {
				all = append(all, Stranded{Origin: o.id, Peer: pe.id, First: s.gone})
			}
		}
	}
	return all
}

// Receiving tells that a part of a large message has come from a peer, so that
// it does not count as stalled.
func (p *Protocol) Receiving(id clock.SiteID, now Instant) {
	if pe := p.peer(id); pe != nil {
		pe.entriesAt = now.Elapsed
	}
}

// Advanced tells what is durable here now. It may jump ahead of the entries
// that came, as after a transfer of state.
func (p *Protocol) Advanced(v clock.VersionVector, now Instant) {
	for i := range v {
		if e := &v[i]; e.Seq > p.have.SeqAt(i, e.Site) {
			p.advanced(*e, now.Elapsed)
		}
	}
}

func (p *Protocol) advanced(e clock.Entry, now time.Duration) {
	p.have.Set(e)
	o := p.origin(e.Site)
	o.have, o.failures = e.Seq, 0
	if e.Seq > o.accepted {
		o.accepted = e.Seq
		if o.provider != nil {
			p.ask(o, o.provider, now) // spare us what we have
		}
		p.review(o, now)
	}
	for _, pe := range p.peers {
		p.announceLater(pe, o, now)
	}
}

// StoreFailed tells that entries of an origin that Handle returned could not be
// stored. The origin rests for a while, longer each time, and is then asked for
// again; the other origins flow on.
func (p *Protocol) StoreFailed(id clock.SiteID, now Instant) {
	o := p.origin(id)
	o.accepted = p.have.Seq(id)
	o.restUntil = now.Elapsed + min(p.cfg.RestMin<<min(o.failures, restDoublingsMax), p.cfg.RestMax)
	o.failures++
	if o.provider != nil {
		p.command(o.provider, id, false, now.Elapsed)
	}
	o.provider = nil
	p.review(o, now.Elapsed)
}
