package session

import (
	"time"

	"baraza/clock"
	"baraza/gossip"
)

// PeerStatus is how things stand with a peer that has a session.
type PeerStatus struct {
	Peer    clock.SiteID
	Address string
	Dialled bool // by us
	Since   time.Time
	// Ahead is how far the peer's clock is ahead of ours (negative: behind),
	// measured with RoundTrip; Measured is false before the first answer.
	Ahead, RoundTrip time.Duration
	Measured         bool
}

// Peers returns the peers that have a session, sorted by id.
func (h *Hub) Peers() []PeerStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]PeerStatus, 0, len(h.sessions))
	for _, s := range h.sessions {
		st := PeerStatus{Peer: s.peer, Dialled: s.dialled, Since: s.since}
		if a := s.conn.RemoteAddr(); a != nil {
			st.Address = a.String()
		}
		st.Ahead, st.RoundTrip, st.Measured = h.protocol.Offset(s.peer)
		all = append(all, st)
	}
	return all
}

// Connected reports whether a peer has a session.
func (h *Hub) Connected(peer clock.SiteID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.find(peer)
	return ok
}

// Traffic returns a peer's bytes since the hub was made.
func (h *Hub) Traffic(peer clock.SiteID) Traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.traffic[peer]; t != nil {
		return t.read()
	}
	return Traffic{}
}

// Known returns what a peer last said is durable there (sequence numbers
// only), be it connected or away; nil when it was never met.
func (h *Hub) Known(peer clock.SiteID) clock.VersionVector {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.protocol.Known(peer).Clone()
}

// OwnAhead returns the greatest own entry that a peer has and this site lacks,
// or 0: see gossip.Protocol.OwnAhead.
func (h *Hub) OwnAhead() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.protocol.OwnAhead()
}

// FetchOwn makes the hub fetch this site's own entries from peers, or stop.
func (h *Hub) FetchOwn(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.protocol.SetFetchOwn(on, h.now())
	h.stir()
}

// Stranded returns what only a transfer of state can bring.
func (h *Hub) Stranded() []gossip.Stranded {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.protocol.Stranded()
}

// Metrics returns the protocol's counters.
func (h *Hub) Metrics() gossip.Metrics {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.protocol.Metrics()
}
