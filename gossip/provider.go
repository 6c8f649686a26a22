package gossip

import (
	"slices"
	"time"

	"baraza/clock"
)

// usable reports whether an origin's entries can be had from a peer.
func (pe *peer) usable(o *origin) bool {
	return pe.connected && pe.greeted && o.of(pe).gone <= o.accepted+1
}

// ifUsable returns the peer when there is one and it is usable for the origin,
// else nil.
func (pe *peer) ifUsable(o *origin) *peer {
	if pe != nil && pe.usable(o) {
		return pe
	}
	return nil
}

// furthest returns the usable peer that has the most of an origin, leaving one
// out; nil when no usable peer has anything. Equals are taken in turn by a mix
// of both ids, so that not all origins lean on the peer with the least id.
func (p *Protocol) furthest(o *origin, except *peer) *peer {
	var best *peer
	var bestSeq uint64
	for _, pe := range p.peers {
		seq := o.of(pe).known
		if seq < bestSeq || seq == 0 || pe == except || !pe.usable(o) {
			continue
		}
		if seq > bestSeq || best != nil && seq == bestSeq && o.rank(pe) < o.rank(best) {
			best, bestSeq = pe, seq
		}
	}
	return best
}

// rank orders peers that have the same of an origin; the least is taken.
func (o *origin) rank(pe *peer) uint64 {
	s := o.of(pe)
	if s.turn == 0 {
		s.turn = mix(pe.id, o.id)
	}
	return s.turn
}

func mix(a, b clock.SiteID) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range a {
		h = (h ^ uint64(a[i])) * 1099511628211
		h = (h ^ uint64(b[i])) * 1099511628211
	}
	return h
}

// review chooses an origin's provider. It is called whenever something that the
// choice depends on has changed, and at reviewAt.
func (p *Protocol) review(o *origin, now time.Duration) {
	p.choose(o, now)
	p.soon(o.reviewAt)
}

func (p *Protocol) choose(o *origin, now time.Duration) {
	o.reviewAt = never
	if o.id == p.cfg.Site && !p.cfg.FetchOwn {
		return
	}
	if now < o.restUntil {
		o.reviewAt = o.restUntil
		return
	}
	p.prefer(o, now)
	cur := o.provider.ifUsable(o)
	if cur == nil {
		o.provider = nil
		o.graceSeq = 0
		return
	}
	if !p.patience(o, cur, now) {
		p.stalled(o, cur, now)
	}
}

// prefer takes the origin's own site when it can be had and has something to
// give (a site whose store was set back has not), and gives an origin without a
// provider the peer that has the most.
func (p *Protocol) prefer(o *origin, now time.Duration) {
	cur, own := o.provider.ifUsable(o), o.own.ifUsable(o)
	var best *peer
	if cur == nil {
		best = p.furthest(o, nil)
	}
	switch {
	case own != nil && cur != own && o.of(own).known >= o.accepted:
		if cur == nil || now >= o.holdUntil {
			p.ask(o, own, now)
		} else {
			o.reviewAt = o.holdUntil
		}
	case cur == nil && best != nil && o.of(best).known > o.accepted:
		p.ask(o, best, now)
	}
}

// patience gives the provider up, and reports true, when another peer announced
// entries a grace time ago that have come neither here nor to the provider.
func (p *Protocol) patience(o *origin, cur *peer, now time.Duration) bool {
	curSeq := max(o.of(cur).known, o.accepted)
	best := p.furthest(o, cur)
	if best == nil || o.of(best).known <= curSeq {
		o.graceSeq = 0
		return false
	}
	if o.graceSeq != 0 && curSeq < o.graceSeq && now >= o.graceAt {
		o.holdUntil = now + p.cfg.Hold
		p.count.Switches++
		p.ask(o, best, now)
		o.reviewAt = min(o.reviewAt, now+p.cfg.Stall)
		return true
	}
	if o.graceSeq == 0 || curSeq >= o.graceSeq {
		o.graceSeq, o.graceAt = o.of(best).known, now+p.cfg.Grace
	}
	o.reviewAt = min(o.reviewAt, o.graceAt)
	return false
}

// stalled asks another peer, or the same again, when the provider announced
// entries and sends nothing.
func (p *Protocol) stalled(o *origin, cur *peer, now time.Duration) {
	if o.of(cur).known <= o.accepted {
		return
	}
	if at := max(cur.entriesAt, o.since) + p.cfg.Stall; now < at {
		o.reviewAt = min(o.reviewAt, at)
		return
	}
	next := cur
	if other := p.furthest(o, cur); other != nil && o.of(other).known > o.accepted {
		next = other
		o.holdUntil = now + p.cfg.Hold
		p.count.Switches++
	}
	p.ask(o, next, now)
	o.reviewAt = min(o.reviewAt, now+p.cfg.Stall)
}

// ask subscribes to an origin at a peer, from where this site is, and takes the
// subscription with the former provider back.
func (p *Protocol) ask(o *origin, pe *peer, now time.Duration) {
	if former := o.provider; former != nil && former != pe && former.connected {
		p.command(former, o.id, false, now)
	}
	o.provider, o.since, o.graceSeq = pe, now, 0
	p.command(pe, o.id, true, now)
}

// command notes a subscription to ask a peer for, or to take back. Only the
// last one of an origin counts.
func (p *Protocol) command(pe *peer, origin clock.SiteID, subscribe bool, now time.Duration) {
	p.soon(now)
	i, ok := slices.BinarySearchFunc(pe.commands, origin, func(c command, id clock.SiteID) int { return c.origin.Compare(id) })
	if ok {
		pe.commands[i].subscribe = subscribe
		return
	}
	pe.commands = slices.Insert(pe.commands, i, command{origin, subscribe})
}
