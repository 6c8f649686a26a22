package gossip

import (
	"slices"
	"time"

	"baraza/clock"
)

// usable reports whether an origin's entries can be had from a peer.
func (pe *peer) usable(o *origin) bool {
	return pe.connected && pe.greeted && pe.goneThere.Seq(o.id) <= o.accepted+1
}

// usablePeer returns the peer when it is usable for the origin, else nil.
func (p *Protocol) usablePeer(id clock.SiteID, o *origin) *peer {
	if pe := p.peer(id); pe != nil && pe.usable(o) {
		return pe
	}
	return nil
}

// furthest returns the usable peer that has the most of an origin, leaving one
// out; nil when no usable peer has anything. Equals are taken in turn by a mix
// of both ids, so that not all origins lean on the peer with the least id.
func (p *Protocol) furthest(o *origin, except clock.SiteID) *peer {
	var best *peer
	var bestSeq uint64
	at := p.have.Place(o.id)
	for _, pe := range p.peers {
		seq := pe.known.SeqAt(at, o.id)
		if seq < bestSeq || seq == 0 || pe.id == except || !pe.usable(o) {
			continue
		}
		if seq > bestSeq || best != nil && seq == bestSeq && mix(pe.id, o.id) < mix(best.id, o.id) {
			best, bestSeq = pe, seq
		}
	}
	return best
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
	o.reviewAt = never
	if o.id == p.cfg.Site && !p.cfg.FetchOwn {
		return
	}
	if now < o.restUntil {
		o.reviewAt = o.restUntil
		return
	}
	p.prefer(o, now)
	cur := p.usablePeer(o.provider, o)
	if cur == nil {
		o.provider = clock.SiteID{}
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
	cur, own, best := p.usablePeer(o.provider, o), p.usablePeer(o.id, o), p.furthest(o, clock.SiteID{})
	switch {
	case own != nil && cur != own && own.known.Seq(o.id) >= o.accepted:
		if cur == nil || now >= o.holdUntil {
			p.ask(o, own, now)
		} else {
			o.reviewAt = o.holdUntil
		}
	case cur == nil && best != nil && best.known.Seq(o.id) > o.accepted:
		p.ask(o, best, now)
	}
}

// patience gives the provider up, and reports true, when another peer announced
// entries a grace time ago that have come neither here nor to the provider.
func (p *Protocol) patience(o *origin, cur *peer, now time.Duration) bool {
	curSeq := max(cur.known.Seq(o.id), o.accepted)
	best := p.furthest(o, cur.id)
	if best == nil || best.known.Seq(o.id) <= curSeq {
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
		o.graceSeq, o.graceAt = best.known.Seq(o.id), now+p.cfg.Grace
	}
	o.reviewAt = min(o.reviewAt, o.graceAt)
	return false
}

// stalled asks another peer, or the same again, when the provider announced
// entries and sends nothing.
func (p *Protocol) stalled(o *origin, cur *peer, now time.Duration) {
	if cur.known.Seq(o.id) <= o.accepted {
		return
	}
	if at := max(cur.entriesAt, o.since) + p.cfg.Stall; now < at {
		o.reviewAt = min(o.reviewAt, at)
		return
	}
	next := cur
	if other := p.furthest(o, cur.id); other != nil && other.known.Seq(o.id) > o.accepted {
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
	if former := p.peer(o.provider); former != nil && former != pe && former.connected {
		former.command(o.id, false)
	}
	o.provider, o.since, o.graceSeq = pe.id, now, 0
	pe.command(o.id, true)
}

// command notes a subscription to ask a peer for, or to take back. Only the
// last one of an origin counts.
func (pe *peer) command(origin clock.SiteID, subscribe bool) {
	i, ok := slices.BinarySearchFunc(pe.commands, origin, func(c command, id clock.SiteID) int { return c.origin.Compare(id) })
	if ok {
		pe.commands[i].subscribe = subscribe
		return
	}
	pe.commands = slices.Insert(pe.commands, i, command{origin, subscribe})
}
