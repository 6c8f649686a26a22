package gossip

import (
	"slices"

	"baraza/clock"
)

// slot is what is known of one peer and one origin. All that is asked of the two
// for each entry and each peer lies together: among n sites that all write there
// are n² such questions a second.
type slot struct {
	// known is how much the peer said it has; it outlives the connection.
	known uint64
	// turn orders equal peers, see rank; 0 is not known yet.
	turn uint64
	course
}

// course is the part of a slot that ends with the connection.
type course struct {
	// told is what the peer was told, by Have or by Entries.
	told uint64
	// after is what the peer's subscription was served up to.
	after uint64
	// gone is the first entry that the peer still holds; 0 when it holds all.
	gone uint64
	// subscribed: the peer is. fed: it gets the origin elsewhere.
	subscribed, fed bool
}

// addPeer adds a peer at its place in the order.
func (p *Protocol) addPeer(at int, id clock.SiteID) *peer {
	pe := &peer{id: id, mix: mix(p.cfg.Site, id), place: p.places, session: session{haveAt: never, pingAt: never}}
	if last := len(p.free) - 1; last >= 0 {
		pe.place, p.free = p.free[last], p.free[:last]
	} else {
		p.places++
	}
	if i, ok := p.findOrigin(id); ok {
		p.origins[i].own = pe
	}
	p.peers = slices.Insert(p.peers, at, pe)
	return pe
}

// forgetSession ends what is known of a peer's connection.
func (p *Protocol) forgetSession(pe *peer) {
	pe.session = session{haveAt: never, pingAt: never}
	for _, o := range p.origins {
		o.of(pe).course = course{}
	}
}

// of returns what is known of a peer and the origin.
func (o *origin) of(pe *peer) *slot {
	if more := pe.place + 1 - len(o.slots); more > 0 {
		o.slots = append(o.slots, make([]slot, more)...)
	}
	return &o.slots[pe.place]
}
