package replica

import (
	"fmt"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

// nextGroup collects batches that are due: per origin in order, across origins
// in causal order.
func (r *Replica) nextGroup(limit int) (*group, error) {
	g := r.newGroup()
	clear(r.awaited)
	r.have = r.log.copyVector(r.have)
	have := r.have
	for progress := true; progress; {
		progress = false
		for i := range have {
			e := have[i]
			for e.Seq > g.applied.SeqAt(i, e.Site) && e.Site != r.cfg.Self && g.room(limit) && !g.large {
				b, err := r.due(g, e, limit)
				if err != nil {
					return nil, err
				}
				if !b.is {
					break
				}
				g.add(&b)
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
	x := g.gains.of(b.origin)
	x.context, x.hasContext, x.own = b.after, true, true
	if b.said != nil {
		x.said = b.said
	}
	if b.content {
		x.content = b.last
	}
	g.observed = max(g.observed, b.through)
	if g.rows != nil {
		g.count(b.changes)
	}
	g.changes += len(b.changes)
	g.bytes += b.bytes
	g.large = b.large
}

// room reports whether the group may take a batch. What it is limited by is the
// rows that it locks and writes: many changes of one row are one write. But
// merging takes time too, while the locks are held.
func (g *group) room(limit int) bool {
	return g.distinct(limit) < limit && g.changes < limit*foldMax
}

// count notes which rows some changes are of.
func (g *group) count(changes []crdt.Change) {
	for i := range changes {
		g.rows[merge.RowID{Table: changes[i].Table, Key: changes[i].Key}] = true
	}
}

// distinct returns how many rows the batches change, or, while that is below the
// limit in any case, how many changes they have.
func (g *group) distinct(limit int) int {
	if g.rows == nil && g.changes >= limit {
		g.rows = map[merge.RowID]bool{}
		for i := range g.batches {
			g.count(g.batches[i].changes)
		}
	}
	if g.rows == nil {
		return g.changes
	}
	return len(g.rows)
}

// foldMax is how many changes per row of its limit a group may have.
const foldMax = 8

// fits reports whether a further batch stays within the limit.
func (g *group) fits(b *due, limit int) bool {
	if g.changes+len(b.changes) > limit*foldMax {
		return false
	}
	if g.rows == nil && g.changes+len(b.changes) <= limit {
		return true
	}
	rows := g.distinct(0)
	for i := 0; i < len(b.changes) && rows+len(b.changes) > limit; i++ {
		if !g.rows[merge.RowID{Table: b.changes[i].Table, Key: b.changes[i].Key}] {
			rows++
		}
		if rows > limit {
			return false
		}
	}
	return true
}

type due struct {
	pending
	is      bool // there is one
	through clock.Timestamp
	bytes   int
	// large: the batch must be applied alone, piece by piece.
	large bool
	// after is the batch's context in the log's sense: what must be applied
	// before it. Its writers may have seen less (pending.context).
	after clock.VersionVector
	// said is what its origin says in it of itself; content: it has more than
	// baraza's own rows.
	said    *published
	content bool
}

// due returns the origin's next batch if it is whole, not quarantined, all
// that its writer had seen is applied, and it fits into the group; none if not.
// A batch beyond the limits fits into an empty group only.
func (r *Replica) due(g *group, have clock.Entry, limit int) (b due, err error) {
	seq := g.applied.Seq(have.Site) + 1
	if seq > have.Seq {
		return due{}, nil
	}
	raw, err := r.rawEntry(have.Site, seq)
	if err != nil {
		return due{}, err
	}
	last, whole := seq, crdt.EndsBatch(raw)
	if !whole {
		if last, whole, err = r.batchEnd(have.Site, seq, have.Seq); err != nil || !whole {
			return due{}, err
		}
	}
	b = due{pending: pending{origin: have.Site, first: seq, last: last}}
	for s := seq; s <= last; s++ {
		if b.large && !onlySystem(b.changes) {
			s = last // only its end is still of interest
		}
		if s > seq {
			if raw, err = r.rawEntry(have.Site, s); err != nil {
				return due{}, err
			}
		}
		e, err := r.decode(raw, have.Site, s)
		if err != nil {
			return due{}, err
		}
		if s == seq {
			if !e.First {
				return due{}, fmt.Errorf("entry %d of site %s should begin a batch and does not: the log is damaged", seq, have.Site.Short())
			}
			if !r.caused(g, e.Context) {
				return due{}, nil
			}
			b.after = r.contextOf(g, have.Site, e.Context)
			b.context = b.after
			if e.Unseen {
				b.context, b.unseen = nil, b.after
			}
			b.said = publishedIn(have.Site, e.Changes)
			b.settled = g.settledOf(r, have.Site, b.said)
		}
		b.through = e.Through
		b.bytes += len(raw)
		if b.changes == nil {
			b.changes = e.Changes
		} else {
			b.changes = append(b.changes, e.Changes...)
		}
		b.large = b.large || len(b.changes) > limit || b.bytes > r.limits.groupBytes
	}
	if b.through.Millis() > r.cfg.NowMillis()+r.cfg.MaxDriftMillis {
		return due{}, nil // quarantined
	}
	if len(g.batches) > 0 && (b.large || !g.fits(&b, limit) || g.bytes+b.bytes > r.limits.groupBytes) {
		return due{}, nil
	}
	b.content = !onlySystem(b.changes)
	if b.large {
		b.changes = nil
	}
	b.is = true
	return b, nil
}

// caused reports whether everything is applied that the writer of a batch had seen, or
// will never come: entries of a forgotten site that no member has.
func (r *Replica) caused(g *group, context clock.VersionVector) bool {
	if g.applied.Includes(context) {
		return true
	}
	all := true
	for _, e := range context {
		if g.applied.Seq(e.Site) >= e.Seq || r.saidLaid(e.Site, g.applied) {
			continue
		}
		r.awaited[e.Site] = true
		all = false
	}
	return all
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
	before, ok := g.gains.context(origin)
	if !ok {
		before = r.contexts[origin].vector
	}
	context := append(r.spareContext[:0], before...)
	r.spareContext = nil
	context.Merge(delta)
	context.Merge(clock.VersionVector{g.applied.Get(origin)})
	return context
}

// entry reads and decodes one log entry.
func (r *Replica) entry(origin clock.SiteID, seq uint64) (*crdt.Entry, error) {
	raw, err := r.rawEntry(origin, seq)
	if err != nil {
		return nil, err
	}
	return decode(raw, origin, seq)
}

func decode(raw []byte, origin clock.SiteID, seq uint64) (*crdt.Entry, error) {
	e, err := crdt.DecodeEntry(raw)
	if err != nil {
		return nil, fmt.Errorf("entry %d of site %s: %w", seq, origin.Short(), err)
	}
	return e, nil
}

// decode reads an entry of a group into its memory; it is valid until the next one
// is read, but for its changes.
func (r *Replica) decode(raw []byte, origin clock.SiteID, seq uint64) (*crdt.Entry, error) {
	e, err := r.decoder.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("entry %d of site %s: %w", seq, origin.Short(), err)
	}
	return e, nil
}

// Reading ahead: entries are read in order, and most are small.
const (
	// aheadBytes is about how much of an origin's log is read at a time, and
	// aheadOrigins of how many origins it is kept.
	aheadBytes   = 256 << 10
	aheadOrigins = 16
)

// ahead is entries of an origin that were read and perhaps not used yet.
type ahead struct {
	first   uint64
	entries [][]byte
}

// rawEntry returns one log entry; it is read only.
func (r *Replica) rawEntry(origin clock.SiteID, seq uint64) ([]byte, error) {
	a := r.ahead[origin]
	if seq < a.first || seq-a.first >= uint64(len(a.entries)) {
		first, entries, err := r.log.Read(origin, seq-1, aheadBytes)
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if len(entries) == 0 {
			return nil, fmt.Errorf("entry %d of site %s is missing from the log: the store is damaged", seq, origin.Short())
		}
		if len(r.ahead) >= aheadOrigins {
			clear(r.ahead)
		}
		a = ahead{first, entries}
		r.ahead[origin] = a
	}
	return a.entries[seq-a.first], nil
}
