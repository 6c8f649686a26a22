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
		pe.told = p.have.Clone()
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
		return Ping{Sent: now.Wall}, true
	}
	if now.Elapsed >= pe.haveAt || pe.busy && now.Elapsed >= pe.haveAt-p.cfg.AckDelay/ackEarlyPart {
		pe.haveAt = never
		if changed := p.news(pe); len(changed) > 0 {
			pe.told.Merge(changed)
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
func (p *Protocol) announceLater(pe *peer, origin clock.SiteID, now time.Duration) {
	if !pe.connected || !pe.greeted {
		return
	}
	at := p.have.Place(origin)
	have := p.have.SeqAt(at, origin)
	if have <= pe.told.SeqAt(at, origin) {
		return
	}
	known := pe.known.SeqAt(at, origin)
	if pe.sendsFrom(origin, known) < have {
		pe.behind = true
		return
	}
	delay := p.cfg.HaveDelay
	if known >= have || pe.isFed(at, origin) {
		delay = p.cfg.AckDelay
	}
	pe.haveAt = min(pe.haveAt, now+delay)
}

// feeds notes the origins that a peer has come further with while it was not
// subscribed to them here: it gets them elsewhere.
func (pe *peer) feeds(announced clock.VersionVector) {
	for _, e := range announced {
		if _, here := pe.findCursor(e.Site); here || e.Seq <= pe.known.Seq(e.Site) {
			continue
		}
		if i, ok := pe.findFed(e.Site); !ok {
			pe.fed = slices.Insert(pe.fed, i, e.Site)
		}
	}
}

func (pe *peer) findFed(origin clock.SiteID) (int, bool) {
	return slices.BinarySearchFunc(pe.fed, origin, clock.SiteID.Compare)
}

// isFed is asked with a guess of the origin's place.
func (pe *peer) isFed(guess int, origin clock.SiteID) bool {
	for i := guess; i >= 0 && i > guess-3; i-- {
		if i < len(pe.fed) && pe.fed[i] == origin {
			return true
		}
	}
	_, ok := pe.findFed(origin)
	return ok
}

// news returns what a peer was not told and will not get pushed.
func (p *Protocol) news(pe *peer) clock.VersionVector {
	var changed clock.VersionVector
	for i, e := range p.have {
		if e.Seq > pe.told.SeqAt(i, e.Site) && pe.sendsFrom(e.Site, pe.known.SeqAt(i, e.Site)) >= e.Seq {
			changed = append(changed, clock.Entry{Site: e.Site, Seq: e.Seq})
		}
	}
	return changed
}

func (pe *peer) findCursor(origin clock.SiteID) (int, bool) {
	return slices.BinarySearchFunc(pe.cursors, origin, func(c cursor, id clock.SiteID) int { return c.origin.Compare(id) })
}

// from returns the entry after which a peer is to be sent an origin's entries:
// its cursor, or what it has got elsewhere meanwhile. For an origin that it did
// not subscribe to it is beyond every entry.
func (pe *peer) from(origin clock.SiteID) uint64 {
	return pe.sendsFrom(origin, pe.known.Seq(origin))
}

// sendsFrom is from, with what the peer is known to have.
func (pe *peer) sendsFrom(origin clock.SiteID, known uint64) uint64 {
	i, ok := pe.findCursor(origin)
	if !ok {
		return ^uint64(0)
	}
	return max(pe.cursors[i].after, known)
}

func (pe *peer) subscribed(s Subscribe) error {
	pe.behind = true
	i, ok := pe.findCursor(s.Origin)
	if ok {
		pe.cursors[i].after = s.After
		return nil
	}
	if len(pe.cursors) >= MaxOrigins {
		return fmt.Errorf("gossip: peer %s subscribed to more than %d origins", pe.id.Short(), MaxOrigins)
	}
	pe.cursors = slices.Insert(pe.cursors, i, cursor{s.Origin, s.After})
	return nil
}

func (p *Protocol) unsubscribed(pe *peer, origin clock.SiteID, now time.Duration) {
	if i, ok := pe.findCursor(origin); ok {
		pe.cursors = slices.Delete(pe.cursors, i, i+1)
	}
	p.announceLater(pe, origin, now)
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
		c := pe.cursors[(start+k)%len(pe.cursors)]
		if from := pe.from(c.origin); from < p.have.Seq(c.origin) {
			return c.origin, from, true
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
	if last > pe.told.Seq(origin) {
		pe.told.Set(clock.Entry{Site: origin, Seq: last})
	}
	if i, ok := pe.findCursor(origin); ok && pe.cursors[i].after <= after && pe.from(origin) >= after {
		pe.cursors[i].after = max(pe.cursors[i].after, last)
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
	if i, ok := pe.findCursor(origin); ok {
		pe.cursors = slices.Delete(pe.cursors, i, i+1)
	}
	pe.gone.Set(clock.Entry{Site: origin, Seq: first})
}
