package session

import (
	"sync"

	"baraza/clock"
	"baraza/gossip"
)

// arrival is a message of entries that waits to be stored. It came in a session
// or in a bundle, which is told when it was refused.
type arrival struct {
	gossip.Entries
	from    clock.SiteID
	size    int
	intake  *intake
	refused func(why error)
}

// intake counts the bytes of one source that were read and are not stored yet.
type intake struct {
	mu    sync.Mutex
	wake  sync.Cond
	waits int
	ended bool
	why   error
}

func (n *intake) add(size int) {
	n.mu.Lock()
	n.waits += size
	n.mu.Unlock()
}

// wait waits until no more than most wait to be stored, or the source has ended.
func (n *intake) wait(most int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wake.L == nil {
		n.wake.L = &n.mu
	}
	for n.waits > most && !n.ended {
		n.wake.Wait()
	}
	if n.ended {
		return n.why
	}
	return nil
}

// stored tells that bytes of this source were stored.
func (n *intake) stored(size int) {
	n.mu.Lock()
	n.waits -= size
	n.wake.Broadcast()
	n.mu.Unlock()
}

// end wakes who waits, for good.
func (n *intake) end(why error) {
	n.mu.Lock()
	if !n.ended {
		n.ended, n.why = true, why
	}
	n.wake.Broadcast()
	n.mu.Unlock()
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
				a.intake.stored(a.size)
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
		if h.forgotten[a.from] {
			continue
		}
		e, err := h.protocol.Handle(a.from, a.Entries, h.now())
		if err != nil {
			go a.refused(err) // closing may wait for the line
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
