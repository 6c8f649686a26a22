package gossip

import (
	"fmt"
	"slices"
	"time"

	"baraza/clock"
)

// Protocol is the state of one site.
type Protocol struct {
	cfg     Config
	have    clock.VersionVector // durable here
	origins []*origin           // sorted by id
	peers   []*peer             // sorted by id; connected and away
	count   Metrics
	// places counts the places that peers have or had in origin.slots, and free
	// are those of forgotten ones.
	places int
	free   []int
	// latest is the peer that was looked for last; nil for none.
	latest *peer
	// connected counts the peers that are.
	connected int
	// changed is room for news.
	changed clock.VersionVector
	// Until quietUntil no peer gets ready, but for what calls soon.
	quietUntil time.Duration
}

// Metrics count what happened since the start.
type Metrics struct {
	Received   uint64 // entries that were new
	Duplicates uint64 // entries that were already here
	Gaps       uint64 // Entries messages that did not join up
	Switches   uint64 // providers given up for another while connected
}

// origin is what a site knows about the entries of one origin.
type origin struct {
	id clock.SiteID
	// have is the last entry that is durable here.
	have uint64
	// slots are what is known of each peer and this origin, by peer.place.
	slots []slot
	// own is the origin's own site, where that is a peer.
	own *peer
	// accepted is the last entry taken: durable here, or handed to the caller
	// to be stored.
	accepted uint64
	// provider is the peer subscribed to, which is connected; nil for none.
	provider *peer
	// since is when the provider was last asked.
	since time.Duration
	// graceSeq, when not 0, was announced by another peer and not by the
	// provider; at graceAt the patience with the provider ends.
	graceSeq uint64
	graceAt  time.Duration
	// holdUntil is when the origin's own site is preferred again.
	holdUntil time.Duration
	// failures counts the failed attempts to store since one succeeded; until
	// restUntil nothing is taken.
	failures  int
	restUntil time.Duration
	// reviewAt is when the choice of provider must be looked at again.
	reviewAt time.Duration
}

// peer is what a site knows about one peer.
type peer struct {
	id        clock.SiteID
	connected bool
	// mix is a number of this site and the peer, as good as drawn.
	mix uint64
	// place is where origin.slots have the peer.
	place int
	// heard: the peer has said what it has (slot.known).
	heard bool

	session
}

// session is the part of a peer's state that ends with the connection.
type session struct {
	greeted   bool // its Hello has come
	helloSent bool
	// haveAt is when there is something to announce.
	haveAt time.Duration
	// cursors are the peer's subscriptions, sorted by origin; turn is the
	// origin that was served last.
	cursors []*origin
	turn    clock.SiteID
	// behind: Next may find something. It saves a look at every subscription
	// each time that anything happens.
	behind bool
	// Until gatherUntil no entries go to the peer: those that come gather. busy: it
	// was sent some since it last had all.
	gatherUntil time.Duration
	busy        bool
	// commands are subscriptions to be asked for or taken back; gone are
	// answers owed. Both sorted by origin.
	commands []command
	gone     clock.VersionVector
	// entriesAt is when entries, or a part of them, last came.
	entriesAt time.Duration

	pingAt  time.Duration
	pinged  int64 // wall clock of the ping that is under way; 0 when none
	pong    *Pong // owed
	samples []sample
}

type command struct {
	origin    clock.SiteID
	subscribe bool
}

// New returns the protocol of a site whose log has vector.
func New(cfg Config, vector clock.VersionVector) *Protocol {
	p := &Protocol{cfg: cfg.withDefaults(), have: vector.Clone()}
	for _, e := range vector {
		o := p.origin(e.Site)
		o.have, o.accepted = e.Seq, e.Seq
	}
	return p
}

// Up tells of a new connection to a peer.
func (p *Protocol) Up(id clock.SiteID, now Instant) error {
	if id == p.cfg.Site || id.IsZero() {
		return fmt.Errorf("gossip: peer %s has this site's own identity; give one of the two a key of its own", id.Short())
	}
	i, ok := p.findPeer(id)
	if !ok {
		if len(p.peers) >= MaxPeers {
			return fmt.Errorf("gossip: %d peers already; forget peers that are gone for good", MaxPeers)
		}
		p.addPeer(i, id)
	}
	pe := p.peers[i]
	if pe.connected {
		p.Down(id, now)
	}
	pe.connected = true
	p.connected++
	p.forgetSession(pe)
	p.soon(now.Elapsed)
	return nil
}

// Down tells that a peer's connection is gone. What the peer is known to have
// stays known.
func (p *Protocol) Down(id clock.SiteID, now Instant) {
	pe := p.peer(id)
	if pe == nil || !pe.connected {
		return
	}
	pe.connected = false
	p.connected--
	p.forgetSession(pe)
	for _, o := range p.origins {
		if o.provider == pe {
			o.provider = nil
			o.graceSeq = 0
		}
		p.review(o, now.Elapsed)
	}
}

// Forget drops what is known of a peer that is not connected.
func (p *Protocol) Forget(id clock.SiteID) {
	i, ok := p.findPeer(id)
	if !ok || p.peers[i].connected {
		return
	}
	pe := p.peers[i]
	for _, o := range p.origins {
		*o.of(pe) = slot{}
		if o.own == pe {
			o.own = nil
		}
	}
	p.free = append(p.free, pe.place)
	p.latest = nil
	p.peers = slices.Delete(p.peers, i, i+1)
}

// Handle takes a message from a peer. It returns entries to be stored: when
// there are none, Payloads is empty. Call it for them in the order given, then
// Advanced. Entries are taken from a peer that has just gone as well; they are
// as good as ever. After an error the connection must be closed.
func (p *Protocol) Handle(from clock.SiteID, m Message, now Instant) (Entries, error) {
	pe := p.peer(from)
	if e, ok := m.(Entries); ok {
		return p.receive(pe, e, now.Elapsed)
	}
	if pe == nil || !pe.connected {
		return Entries{}, nil
	}
	if h, ok := m.(Hello); ok {
		return Entries{}, p.greet(pe, h, now.Elapsed)
	}
	if !pe.greeted {
		return Entries{}, fmt.Errorf("gossip: peer %s sent %T before hello", from.Short(), m)
	}
	switch m := m.(type) {
	case Have:
		return Entries{}, p.announced(pe, m.Changed, now.Elapsed)
	case Subscribe:
		return Entries{}, p.subscribed(pe, m)
	case Unsubscribe:
		p.unsubscribed(pe, m.Origin, now.Elapsed)
	case Gone:
		return Entries{}, p.goneAt(pe, m, now.Elapsed)
	case Ping:
		pe.pong = &Pong{Ping: m.Sent, Received: now.Wall}
		p.soon(now.Elapsed)
	case Pong:
		pe.measure(m, now)
	default:
		return Entries{}, fmt.Errorf("gossip: unknown message %T from %s", m, from.Short())
	}
	return Entries{}, nil
}

// Tick does what is due.
func (p *Protocol) Tick(now Instant) {
	for _, o := range p.origins {
		if o.reviewAt <= now.Elapsed {
			p.review(o, now.Elapsed)
		}
	}
}

// Wake returns the earliest time after now at which Tick has something to do or
// Outgoing has something to send that it has not now, or one before it; ok is
// false when only a message or a new entry can change that.
func (p *Protocol) Wake(now Instant) (at time.Duration, ok bool) {
	if now.Elapsed < p.quietUntil { // mostly: nothing has changed that
		return p.quietUntil, p.quietUntil != never
	}
	at = never
	due := false
	later := func(t time.Duration) {
		if t > now.Elapsed {
			at = min(at, t)
		}
	}
	for _, o := range p.origins {
		due = due || o.reviewAt <= now.Elapsed
		later(o.reviewAt)
	}
	for _, pe := range p.peers {
		due = due || pe.connected && pe.ready(now.Elapsed)
		if pe.behind {
			later(pe.gatherUntil)
		}
		later(pe.haveAt)
		later(pe.pingAt)
	}
	if !due { // what is due is to be found again: the line may have no room for it
		p.quietUntil = at
	}
	return at, at != never
}

// soon notes that something is due at a time.
func (p *Protocol) soon(at time.Duration) { p.quietUntil = min(p.quietUntil, at) }

// Ready calls each for the connected peers for which Outgoing or Next may have
// something now; for the others they have not.
func (p *Protocol) Ready(now Instant, each func(peer clock.SiteID)) {
	if now.Elapsed < p.quietUntil {
		return
	}
	for _, pe := range p.peers {
		if pe.connected && pe.ready(now.Elapsed) {
			each(pe.id)
		}
	}
}

func (pe *peer) ready(now time.Duration) bool {
	return !pe.helloSent || pe.behind && now >= pe.gatherUntil || pe.pong != nil || len(pe.commands) > 0 || len(pe.gone) > 0 ||
		now >= pe.pingAt || now >= pe.haveAt
}

// Vector returns what is durable here. The caller must not change it.
func (p *Protocol) Vector() clock.VersionVector { return p.have }

// Known returns what a peer last said it has, be it connected or away;
// nil when it was never met.
func (p *Protocol) Known(id clock.SiteID) clock.VersionVector {
	pe := p.peer(id)
	if pe == nil || !pe.heard {
		return nil
	}
	known := make(clock.VersionVector, 0, len(p.origins))
	for _, o := range p.origins {
		if seq := o.of(pe).known; seq > 0 {
			known = append(known, clock.Entry{Site: o.id, Seq: seq})
		}
	}
	return known
}

// Connected reports whether a peer is connected and has said hello.
func (p *Protocol) Connected(id clock.SiteID) bool {
	pe := p.peer(id)
	return pe != nil && pe.connected && pe.greeted
}

// Provider returns the peer that an origin's entries come from; zero when none.
func (p *Protocol) Provider(id clock.SiteID) clock.SiteID {
	if i, ok := p.findOrigin(id); ok && p.origins[i].provider != nil {
		return p.origins[i].provider.id
	}
	return clock.SiteID{}
}

// OwnAhead returns the greatest entry of this site's own that a peer says it
// has, when that is beyond the log here; else 0. It means that this site's
// store was lost or set back, or that two sites have one identity.
func (p *Protocol) OwnAhead() uint64 {
	i, ok := p.findOrigin(p.cfg.Site)
	if !ok {
		return 0
	}
	o, most := p.origins[i], uint64(0)
	for _, pe := range p.peers {
		most = max(most, o.of(pe).known)
	}
	if most <= o.have {
		return 0
	}
	return most
}

// SetFetchOwn changes Config.FetchOwn.
func (p *Protocol) SetFetchOwn(on bool, now Instant) {
	p.cfg.FetchOwn = on
	o := p.origin(p.cfg.Site)
	if pe := o.provider; !on && pe != nil {
		p.command(pe, o.id, false, now.Elapsed)
		o.provider = nil
	}
	p.review(o, now.Elapsed)
}

// Sizes are how much a protocol keeps in memory. All are bounded by the sites
// there are.
type Sizes struct{ Origins, Peers, Subscriptions, Commands int }

// Sizes counts what is kept.
func (p *Protocol) Sizes() Sizes {
	z := Sizes{Origins: len(p.origins), Peers: len(p.peers)}
	for _, pe := range p.peers {
		z.Subscriptions += len(pe.cursors)
		z.Commands += len(pe.commands) + len(pe.gone)
	}
	return z
}

// Metrics returns the counters.
func (p *Protocol) Metrics() Metrics { return p.count }

func (p *Protocol) findPeer(id clock.SiteID) (int, bool) {
	return slices.BinarySearchFunc(p.peers, id, func(pe *peer, id clock.SiteID) int { return pe.id.Compare(id) })
}

func (p *Protocol) peer(id clock.SiteID) *peer {
	if p.latest != nil && p.latest.id == id {
		return p.latest
	}
	if i, ok := p.findPeer(id); ok {
		p.latest = p.peers[i]
		return p.latest
	}
	return nil
}

func (p *Protocol) findOrigin(id clock.SiteID) (int, bool) {
	return slices.BinarySearchFunc(p.origins, id, func(o *origin, id clock.SiteID) int { return o.id.Compare(id) })
}

// seek is findOrigin for whoever goes through a vector that mostly names the same
// origins in the same order: the place is looked at first, and is then that of the
// next one.
func (p *Protocol) seek(place *int, id clock.SiteID) (int, bool) {
	i, ok := *place, *place < len(p.origins) && p.origins[*place].id == id
	if !ok {
		i, ok = p.findOrigin(id)
	}
	*place = i + 1
	return i, ok
}

// origin returns the state of an origin, new when it was not known.
func (p *Protocol) origin(id clock.SiteID) *origin {
	i, ok := p.findOrigin(id)
	if !ok {
		p.origins = slices.Insert(p.origins, i, &origin{id: id, own: p.peer(id), reviewAt: never})
	}
	return p.origins[i]
}

// room reports whether an origin is known or there is room for it.
func (p *Protocol) room(id clock.SiteID) bool {
	_, ok := p.findOrigin(id)
	return ok || len(p.origins) < MaxOrigins
}
