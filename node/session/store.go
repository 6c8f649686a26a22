package session

import (
	"sync"

	"baraza/gossip"
)

// arrival is a message of entries that waits to be stored.
type arrival struct {
	from *Session
	gossip.Entries
	size int
}

// storer gathers arrivals. What a peer may add to it is bounded by
// ReceiveBudget.
type storer struct {
	mu   sync.Mutex
	list []arrival
	more chan struct{}
}

// store hands entries to the goroutine that stores.
func (h *Hub) store(a arrival) {
	h.storer.mu.Lock()
	h.storer.list = append(h.storer.list, a)
	h.storer.mu.Unlock()
	select {
	case h.storer.more <- struct{}{}:
	default:
	}
}

// take returns the arrivals for one go: all there are, up to StoreGroupBytes.
func (s *storer) take() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.list) && (n == 0 || size+s.list[n].size <= StoreGroupBytes) {
		size += s.list[n].size
		n++
	}
	group := s.list[:n:n]
	s.list = s.list[n:]
	if len(s.list) == 0 {
		s.list = nil
	}
	return group
}

// storeAll stores what arrives, until the hub closes.
func (h *Hub) storeAll() {
	for {
		select {
		case <-h.done:
			return
		case <-h.storer.more:
		}
		for group := h.storer.take(); len(group) > 0; group = h.storer.take() {
			h.storeGroup(group)
			for _, a := range group {
				a.from.release(a.size)
			}
		}
	}
}

// storeGroup passes arrivals through the protocol and appends what is new, one
// origin at a time. An origin that cannot be stored does not stop the others.
func (h *Hub) storeGroup(group []arrival) {
	h.storing.Lock()
	defer h.storing.Unlock()
	runs := h.accept(group)
	if len(runs) == 0 {
		return
	}
	var failed []gossip.Entries
	for _, run := range runs {
		if err := h.log.Append(run.Origin, run.First, run.Payloads); err != nil {
			h.cfg.Log.Error("cannot store entries of a peer, trying again later", "origin", run.Origin.Short(), "first", run.First, "error", err)
			failed = append(failed, run)
		}
	}
	v := h.log.Vector()
	h.mu.Lock()
	now := h.now()
	h.protocol.Advanced(v, now)
	for _, run := range failed {
		h.protocol.StoreFailed(run.Origin, now)
	}
	h.stir()
	h.mu.Unlock()
	if len(failed) < len(runs) {
		h.cfg.Stored()
	}
}

// accept returns what of a group is new, a run per origin: what the protocol
// accepts of one origin joins up.
func (h *Hub) accept(group []arrival) []gossip.Entries {
	h.mu.Lock()
	defer h.mu.Unlock()
	var runs []gossip.Entries
	for _, a := range group {
		if h.forgotten[a.from.peer] {
			continue
		}
		e, err := h.protocol.Handle(a.from.peer, a.Entries, h.now())
		if err != nil {
			go a.from.end(err)
			continue
		}
		if len(e.Payloads) == 0 {
			continue
		}
		joined := false
		for i := range runs {
			if runs[i].Origin == e.Origin {
				runs[i].Payloads = append(runs[i].Payloads, e.Payloads...)
				joined = true
			}
		}
		if !joined {
			runs = append(runs, e)
		}
	}
	h.stir() // a gap is answered at once
	return runs
}
