package gossip

import (
	"fmt"
	"slices"
	"time"

	"baraza/clock"
)

// Outgoing returns the next control message for a peer, if one is due. It
// counts as sent.
func (p *Protocol) Outgoing(id clock.SiteID, now Instant) (Message, bool) {
	pe := p.peer(id)
	if pe == nil || !pe.connected {
		return nil, false
	}
	if !pe.helloSent {
		pe.helloSent = true
		for _, o := range p.origins {
			o.of(pe).told = o.have
		}
		h := Hello{Version: Version, Site: p.cfg.Site, Vector: p.have.Clone()}
		if p.cfg.Note != nil {
			h.Note = p.cfg.Note(id)
		}
		return h, true
	}
	if pe.pong != nil {
		m := *pe.pong
		m.Sent = now.Wall
		pe.pong = nil
		return m, true
	}
	if len(pe.commands) > 0 {
		c := pe.commands[0]
		pe.commands = slices.Delete(pe.commands, 0, 1)
		if c.subscribe {
			return Subscribe{Origin: c.origin, After: p.origin(c.origin).accepted}, true
		}
		return Unsubscribe{Origin: c.origin}, true
	}
	if len(pe.gone) > 0 {
		e := pe.gone[0]
		pe.gone = slices.Delete(pe.gone, 0, 1)
		return Gone{Origin: e.Site, First: e.Seq}, true
	}
	if now.Elapsed >= pe.pingAt {
		pe.pingAt = now.Elapsed + p.cfg.PingEvery
		pe.pinged = now.Wall
		p.soon(pe.pingAt)
		return Ping{Sent: now.Wall}, true
	}
	if now.Elapsed >= pe.haveAt || pe.busy && now.Elapsed >= pe.haveAt-p.cfg.AckDelay/ackEarlyPart {
		pe.haveAt = never
		if changed := p.news(pe); len(changed) > 0 {
			return Have{Changed: changed}, true
		}
	}
	return nil, false
}

// announceLater sees to it that a peer is told of an origin's entries: soon
// when it lacks them and may have nobody to get them from, at leisure when it gets
// them elsewhere or only needs the acknowledgement, and not at all when they will
// be pushed to it. Among n sites that all have lines to each other, n messages
// soon after each entry would tell each peer what it has just got.
func (p *Protocol) announceLater(pe *peer, o *origin, now time.Duration) {
	if !pe.connected || !pe.greeted {
		return
	}
	s := o.of(pe)
	if o.have <= s.told {
		return
	}
	if s.from() < o.have {
		pe.behind = true
		p.soon(pe.gatherUntil)
		return
	}
	delay := p.cfg.HaveDelay
	if s.known >= o.have || s.fed {
		delay = p.ackDelay(pe)
	}
	pe.haveAt = min(pe.haveAt, now+delay)
	p.soon(pe.haveAt)
}

// ackDelay is how long a peer is not told what it has anyway. With n peers that
// are told everything each AckDelay, n sites send n² messages of n origins in it,
// more than all entries; so each peer has a time of its own, from AckDelay to the
// more multiples of it the more peers there are. It is enough that one of many
// hears soon what a provider that hangs withholds.
func (p *Protocol) ackDelay(pe *peer) time.Duration {
	times := uint64(max(p.connected/ackPeers, 1))
	return p.cfg.AckDelay * time.Duration(1+pe.mix%times)
}

// news returns what a peer was not told and will not get pushed, and notes that it
// is told.
func (p *Protocol) news(pe *peer) clock.VersionVector {
	changed := p.changed[:0]
	for _, o := range p.origins {
		s := o.of(pe)
		if o.have <= s.told || s.from() < o.have {
			continue
		}
		s.told = o.have
		changed = append(changed, clock.Entry{Site: o.id, Seq: o.have})
	}
	p.changed = changed
	return changed.Clone()
}

func (pe *peer) findCursor(id clock.SiteID) (int, bool) {
	return slices.BinarySearchFunc(pe.cursors, id, func(o *origin, id clock.SiteID) int { return o.id.Compare(id) })
}

// from returns the entry after which a peer is to be sent an origin's entries:
// what its subscription was served up to, or what it has got elsewhere meanwhile.
// For an origin that it did not subscribe to it is beyond every entry.
func (s *slot) from() uint64 {
	if !s.subscribed {
		return ^uint64(0)
	}
	return max(s.after, s.known)
}

func (p *Protocol) subscribed(pe *peer, m Subscribe) error {
	pe.behind = true
	p.soon(pe.gatherUntil)
	i, ok := pe.findCursor(m.Origin)
	if !ok {
		if len(pe.cursors) >= MaxOrigins || !p.room(m.Origin) {
			return fmt.Errorf("gossip: peer %s subscribed to more than %d origins", pe.id.Short(), MaxOrigins)
		}
		pe.cursors = slices.Insert(pe.cursors, i, p.origin(m.Origin))
	}
	s := pe.cursors[i].of(pe)
	s.subscribed, s.after = true, m.After
	return nil
}

// endCursor ends a peer's subscription to an origin.
func (pe *peer) endCursor(origin clock.SiteID) {
	if i, ok := pe.findCursor(origin); ok {
		pe.cursors[i].of(pe).subscribed = false
		pe.cursors = slices.Delete(pe.cursors, i, i+1)
	}
}

func (p *Protocol) unsubscribed(pe *peer, origin clock.SiteID, now time.Duration) {
	pe.endCursor(origin)
	if i, ok := p.findOrigin(origin); ok {
		p.announceLater(pe, p.origins[i], now)
	}
}

// Next names what a peer is to be sent next: the origin's entries after an
// entry, as many as make a good message. Origins take turns. ok is false when
// the peer has all it subscribed to, or is to wait for more to go with it.
func (p *Protocol) Next(id clock.SiteID, now Instant) (origin clock.SiteID, after uint64, ok bool) {
	pe := p.peer(id)
	if pe == nil || !pe.connected || !pe.greeted || !pe.helloSent || !pe.behind || now.Elapsed < pe.gatherUntil {
		return clock.SiteID{}, 0, false
	}
	start, found := pe.findCursor(pe.turn)
	if found {
		start++
	}
	for k := range pe.cursors {
		o := pe.cursors[(start+k)%len(pe.cursors)]
		if from := o.of(pe).from(); from < o.have {
			return o.id, from, true
		}
	}
	pe.behind = false
	if pe.busy {
		pe.busy, pe.gatherUntil = false, now.Elapsed+pe.gather()
	}
	return clock.SiteID{}, 0, false
}

// gather is how long what comes next for a peer waits for more to go with it.
func (pe *peer) gather() time.Duration {
	_, roundTrip := pe.offset()
	return min(roundTrip/gatherPart, gatherMax)
}

// Sent tells that a peer was sent an origin's entries after `after`, as Next
// named it, up to last. When the peer has subscribed anew since Next, it is
// served from there.
func (p *Protocol) Sent(id, origin clock.SiteID, after, last uint64) {
	pe := p.peer(id)
	if pe == nil || !pe.connected {
		return
	}
	pe.turn, pe.busy = origin, true
	i, ok := p.findOrigin(origin)
	if !ok {
		return
	}
	s := p.origins[i].of(pe)
	s.told = max(s.told, last)
	if s.subscribed && s.after <= after && s.from() >= after {
		s.after = max(s.after, last)
	}
}

// Truncated tells that the log does not hold what Next named: first is the
// origin's first entry that it does hold. The peer is told, and its
// subscription ends.
func (p *Protocol) Truncated(id, origin clock.SiteID, first uint64) {
	pe := p.peer(id)
	if pe == nil || !pe.connected {
		return
	}
	pe.endCursor(origin)
	pe.gone.Set(clock.Entry{Site: origin, Seq: first})
	p.soon(0)
}
