package replica

import (
	"fmt"

	"baraza/clock"
	"baraza/crdt"
)

// nextGroup collects batches that are due: per origin in order, across origins
// in causal order.
func (r *Replica) nextGroup(limit int) (*group, error) {
	g := &group{applied: r.applied.Clone(), contexts: map[clock.SiteID]clock.VersionVector{}, observed: r.clock.Last()}
	have := r.log.Vector()
	rows := 0
	for progress := true; progress && rows < limit; {
		progress = false
		for _, e := range have {
			for e.Site != r.cfg.Self && rows < limit {
				b, n, err := r.due(g, e, limit, rows)
				if err != nil {
					return nil, err
				}
				if b == nil {
					break
				}
				g.add(b)
				if n < 0 {
					g.large = true
					return g, nil
				}
				rows += n
				progress = true
			}
		}
	}
	return g, nil
}

// add takes a batch into the group.
func (g *group) add(b *due) {
	g.batches = append(g.batches, b.pending)
	g.applied.Set(clock.Entry{Site: b.origin, Seq: b.last, Through: b.through})
	g.contexts[b.origin] = b.context
	g.observed = max(g.observed, b.through)
}

type due struct {
	pending
	through clock.Timestamp
}

// due returns the origin's next batch if it is whole, not quarantined, and all
// that its writer had seen is applied; nil if not. rows is -1 for a batch that
// must be applied alone, piece by piece; such a batch is due only for an empty
// group.
func (r *Replica) due(g *group, have clock.Entry, limit, soFar int) (b *due, rows int, err error) {
	seq := g.applied.Seq(have.Site) + 1
	if seq > have.Seq {
		return nil, 0, nil
	}
	last, whole, err := r.batchEnd(have.Site, seq, have.Seq)
	if err != nil || !whole {
		return nil, 0, err
	}
	e, err := r.entry(have.Site, seq)
	if err != nil {
		return nil, 0, err
	}
	if !e.First {
		return nil, 0, fmt.Errorf("entry %d of site %s should begin a batch and does not: the log is damaged", seq, have.Site.Short())
	}
	for _, c := range e.Context {
		if g.applied.Seq(c.Site) < c.Seq {
			return nil, 0, nil
		}
	}
	b = &due{pending: pending{origin: have.Site, first: seq, last: last, changes: e.Changes}}
	b.context = r.contextOf(g, have.Site, e.Context)
	for s := seq + 1; s <= last && (len(b.changes) <= limit || s == last); s++ {
		if e, err = r.entry(have.Site, s); err != nil {
			return nil, 0, err
		}
		b.changes = append(b.changes, e.Changes...)
		if len(b.changes) > limit && s < last {
			s = last - 1 // only its end is still of interest
		}
	}
	b.through = e.Through
	if b.through.Millis() > r.cfg.NowMillis()+r.cfg.MaxDriftMillis {
		return nil, 0, nil // quarantined
	}
	n := len(b.changes)
	switch {
	case soFar > 0 && soFar+n > limit:
		return nil, 0, nil
	case n > limit:
		b.changes = nil
		return b, -1, nil
	}
	return b, n, nil
}

// scan is how far an origin's log was searched for the end of a batch.
type scan struct {
	first, next uint64
	last        uint64 // the end, once found
}

// batchEnd finds the last entry of the batch that begins at first; false when
// the log does not have it yet. It goes on where it stopped before, so that a
// batch of many entries costs one look at each.
func (r *Replica) batchEnd(origin clock.SiteID, first, have uint64) (last uint64, whole bool, err error) {
	s := r.scans[origin]
	if s.first != first {
		s = scan{first: first, next: first}
	}
	for ; s.last == 0 && s.next <= have; s.next++ {
		b, err := r.rawEntry(origin, s.next)
		if err != nil {
			return 0, false, err
		}
		if crdt.EndsBatch(b) {
			s.last = s.next
		}
	}
	r.scans[origin] = s
	return s.last, s.last != 0, nil
}

// contextOf returns the batch's whole context: what the origin had applied,
// and its own earlier batches.
func (r *Replica) contextOf(g *group, origin clock.SiteID, delta clock.VersionVector) clock.VersionVector {
	before, ok := g.contexts[origin]
	if !ok {
		before = r.contexts[origin]
	}
	context := before.Clone()
	context.Merge(delta)
	context.Merge(clock.VersionVector{g.applied.Get(origin)})
	return context
}

// entry reads and decodes one log entry.
func (r *Replica) entry(origin clock.SiteID, seq uint64) (*crdt.Entry, error) {
	b, err := r.rawEntry(origin, seq)
	if err != nil {
		return nil, err
	}
	e, err := crdt.DecodeEntry(b)
	if err != nil {
		return nil, fmt.Errorf("entry %d of site %s: %w", seq, origin.Short(), err)
	}
	return e, nil
}

func (r *Replica) rawEntry(origin clock.SiteID, seq uint64) ([]byte, error) {
	b, err := r.cfg.Store.Get(logKey(origin, seq))
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if b == nil {
		return nil, fmt.Errorf("entry %d of site %s is missing from the log: the store is damaged", seq, origin.Short())
	}
	return b, nil
}
