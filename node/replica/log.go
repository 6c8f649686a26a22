package replica

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"baraza/clock"
	"baraza/internal/kv"
)

// Log is the entries of all origins that this site has, to be relayed to
// others: per origin numbered 1, 2, 3 and without gaps. It is safe for
// concurrent use, since sessions read and append while the engine works.
type Log struct {
	store kv.Store
	self  clock.SiteID

	mu   sync.Mutex
	have clock.VersionVector
	// first is the first entry held of each origin of which entries were
	// dropped, or never came as entries; of the others it is 1.
	first clock.VersionVector
	// lent: have was given out, and is copied before it is written.
	lent   bool
	recent recent
	// batch and mem serve one Append after the other.
	batch kv.Batch
	mem   arena
}

// load reads how far the log goes, with appends held off.
func (l *Log) load() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.clear()
	l.lent = false
	if l.have, err = loadVector(l.store, metaHave); err != nil {
		return err
	}
	l.first, err = loadVector(l.store, metaFirst)
	for _, e := range l.have {
		l.first.Set(clock.Entry{Site: e.Site, Seq: max(l.first.Seq(e.Site), 1)})
	}
	return err
}

// Vector returns how far the log has each origin. The caller must not change
// it.
func (l *Log) Vector() clock.VersionVector {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent = true
	return l.have
}

// Look calls f with what Vector returns, and with appends held off. It is valid
// during the call only, which must not ask the log: so the log need not copy it
// with the next append.
func (l *Log) Look(f func(clock.VersionVector)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.have)
}

// copyVector is Vector, in memory of the caller.
func (l *Log) copyVector(to clock.VersionVector) clock.VersionVector {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(to[:0], l.have...)
}

// setHave changes how far the log has an origin. The caller holds mu.
func (l *Log) setHave(e clock.Entry) {
	if l.lent {
		l.have, l.lent = l.have.With(e), false
		return
	}
	l.have.Set(e)
}

// seq returns how far the log has an origin.
func (l *Log) seq(origin clock.SiteID) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.have.Seq(origin)
}

// beyond reports whether the log has more of some other origin than v.
func (l *Log) beyond(v clock.VersionVector) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.have {
		if e := &l.have[i]; e.Seq > v.SeqAt(i, e.Site) && e.Site != l.self {
			return true
		}
	}
	return false
}

// Append stores entries of another origin, which follow each other from first
// on. Entries that are in the log already are skipped; a gap is an error. On
// return the entries are durable.
func (l *Log) Append(origin clock.SiteID, first uint64, entries [][]byte) error {
	return l.extend(origin, first, entries, false)
}

// Take is Append of entries that nobody writes to any more: a log whose store is in memory
// keeps them as they are, and what they are slices of. So where a message goes to many
// logs of one process, they share it.
func (l *Log) Take(origin clock.SiteID, first uint64, entries [][]byte) error {
	return l.extend(origin, first, entries, true)
}

// extend is Append, or Take where the entries are given.
func (l *Log) extend(origin clock.SiteID, first uint64, entries [][]byte, given bool) error {
	if origin == l.self {
		return fmt.Errorf("a peer sent entry %d of this very site: another site runs with a copy of this site's key; stop one of them", first)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.have.Seq(origin)
	if first > have+1 {
		return fmt.Errorf("entries of site %s start at %d, but the log ends at %d", origin.Short(), first, have)
	}
	skip := min(have+1-first, uint64(len(entries)))
	entries = entries[skip:]
	if len(entries) == 0 {
		return nil
	}
	b := &l.batch
	defer func() { clear(b.Ops); b.Reset(); l.mem.clear() }()
	if !given {
		entries, given = own(entries)
	}
	for i, e := range entries {
		if len(e) < 2 {
			return fmt.Errorf("entry %d of site %s is empty", have+1+uint64(i), origin.Short())
		}
		key := appendLogKey(l.mem.room(logKeyBytes), origin, have+1+uint64(i))
		if given {
			b.Give(key, e)
		} else {
			b.Set(key, e)
		}
	}
	last := have + uint64(len(entries))
	key := append(append(l.mem.room(len(metaHave)+len(origin)), metaHave...), origin[:]...)
	b.Set(key, binary.BigEndian.AppendUint64(l.mem.room(8), last))
	if err := l.store.Write(b, true); err != nil {
		return fmt.Errorf("append to the log: %w", err)
	}
	l.recent.keep(origin, have+1, entries)
	l.setHave(clock.Entry{Site: origin, Seq: last})
	l.hold(origin)
	return nil
}

// hold gives an origin that is new its first entry. The caller holds mu.
func (l *Log) hold(origin clock.SiteID) {
	if l.first.Seq(origin) == 0 {
		l.first.Set(clock.Entry{Site: origin, Seq: 1})
	}
}

// Read returns entries of an origin after a number, at least one if there is
// one, and about maxBytes at most; they are read only. Where the log does not hold the next one any
// more, or never did because the site was brought up by state, first is the
// first entry that it does hold, and there are none.
func (l *Log) Read(origin clock.SiteID, after uint64, maxBytes int) (first uint64, entries [][]byte, err error) {
	l.mu.Lock()
	have, held := l.have.Seq(origin), l.first.Seq(origin)
	var last [][]byte
	if after+1 == have && held <= have {
		last = l.recent.find(origin, have)
	}
	l.mu.Unlock()
	if last != nil {
		return have, last, nil
	}
	if after >= have {
		return after + 1, nil, nil
	}
	if after+1 < held {
		return held, nil, nil
	}
	entries, err = l.scan(origin, after, have, maxBytes)
	if err == nil && len(entries) == 0 { // dropped meanwhile, it must be
		return max(after+1, l.First(origin)), nil, nil
	}
	return after + 1, entries, err
}

// scan reads entries of an origin after a number, up to have, from the store.
func (l *Log) scan(origin clock.SiteID, after, have uint64, maxBytes int) (entries [][]byte, err error) {
	size, next := 0, after+1
	_, lasts := l.store.(kv.Lasting)
	err = l.store.Scan(logKey(origin, after+1), logKey(origin, have+1), func(k, v []byte) bool {
		if binary.BigEndian.Uint64(k[len(k)-8:]) != next { // the rest of the keys is one
			return false
		}
		next++
		if !lasts {
			v = slices.Clone(v)
		}
		entries = append(entries, v[:len(v):len(v)])
		size += len(v)
		return size < maxBytes
	})
	return entries, err
}

// First returns the first entry of an origin from which on the log has all; one
// more than the last when it has none.
func (l *Log) First(origin clock.SiteID) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.first.Seq(origin), 1)
}

// entries returns how many entries the log holds.
func (l *Log) entries() (n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.have {
		n += e.Seq + 1 - l.first.Seq(e.Site)
	}
	return n
}

// jump commits a step after which the log goes on where v ends, with nothing
// before. Appends are held off meanwhile.
func (l *Log) jump(v clock.VersionVector, t *txn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	have, first := l.have.Clone(), l.first.Clone()
	for _, e := range v {
		if mine := have.Seq(e.Site); mine < e.Seq {
			for seq := max(first.Seq(e.Site), 1); seq <= mine; seq++ {
				t.set(logKey(e.Site, seq), nil) // what came before leaves no gap
				if t.bytes >= t.limits.stepBytes {
					if err := t.spill(); err != nil {
						return err
					}
				}
			}
			have.Set(clock.Entry{Site: e.Site, Seq: e.Seq})
			first.Set(clock.Entry{Site: e.Site, Seq: e.Seq + 1})
			t.set(siteKey(metaHave, e.Site), binary.BigEndian.AppendUint64(nil, e.Seq))
			t.set(siteKey(metaFirst, e.Site), binary.BigEndian.AppendUint64(nil, e.Seq+1))
		}
	}
	if err := t.commit(); err != nil {
		return err
	}
	l.have, l.first, l.lent = have, first, false
	l.recent.clear()
	return nil
}

// advanceSelf tells the log of own entries that the engine committed, up to seq.
// Entry seq is last, if that is not nil.
func (l *Log) advanceSelf(seq uint64, last []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq == 0 || l.have.Seq(l.self) == seq {
		return
	}
	if last != nil {
		l.recent.keep(l.self, seq, [][]byte{last})
	}
	l.setHave(clock.Entry{Site: l.self, Seq: seq})
	l.hold(l.self)
}

// loadVector reads a per-site meta value into a vector.
func loadVector(store kv.Reader, prefix []byte) (clock.VersionVector, error) {
	var v clock.VersionVector
	err := store.Scan(prefix, kv.After(prefix), func(k, val []byte) bool {
		var e clock.Entry
		copy(e.Site[:], k[len(prefix):])
		e.Seq = binary.BigEndian.Uint64(val)
		if len(val) >= 16 {
			e.Through = clock.Timestamp(binary.BigEndian.Uint64(val[8:]))
		}
		v.Set(e)
		return true
	})
	return v, err
}
