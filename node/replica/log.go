package replica

import (
	"bytes"
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
}

// load reads how far the log goes, with appends held off.
func (l *Log) load() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.have, err = loadVector(l.store, metaHave)
	return err
}

// Vector returns how far the log has each origin.
func (l *Log) Vector() clock.VersionVector {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.have.Clone()
}

// Append stores entries of another origin, which follow each other from first
// on. Entries that are in the log already are skipped; a gap is an error. On
// return the entries are durable.
func (l *Log) Append(origin clock.SiteID, first uint64, entries [][]byte) error {
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
	b := &kv.Batch{}
	for i, e := range entries {
		if len(e) < 2 {
			return fmt.Errorf("entry %d of site %s is empty", have+1+uint64(i), origin.Short())
		}
		b.Set(logKey(origin, have+1+uint64(i)), e)
	}
	last := have + uint64(len(entries))
	b.Set(siteKey(metaHave, origin), binary.BigEndian.AppendUint64(nil, last))
	if err := l.store.Write(b, true); err != nil {
		return fmt.Errorf("append to the log: %w", err)
	}
	l.have.Set(clock.Entry{Site: origin, Seq: last})
	return nil
}

// Read returns entries of an origin after a number, at least one if there is
// one, and about maxBytes at most. Of what the log no longer has, or never had
// because the site was brought up by state, there is none.
func (l *Log) Read(origin clock.SiteID, after uint64, maxBytes int) (first uint64, entries [][]byte, err error) {
	l.mu.Lock()
	have := l.have.Seq(origin)
	l.mu.Unlock()
	if after >= have {
		return after + 1, nil, nil
	}
	size, next := 0, after+1
	err = l.store.Scan(logKey(origin, after+1), logKey(origin, have+1), func(k, v []byte) bool {
		if !bytes.Equal(k, logKey(origin, next)) {
			return false
		}
		next++
		entries = append(entries, slices.Clone(v))
		size += len(v)
		return size < maxBytes
	})
	return after + 1, entries, err
}

// First returns the first entry of an origin from which on the log has all; one
// more than the last when it has none.
func (l *Log) First(origin clock.SiteID) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.have.Seq(origin)
	lo, hi := uint64(1), have+1 // entries from hi on are there
	for lo < hi {
		mid := lo + (hi-lo)/2
		b, err := l.store.Get(logKey(origin, mid))
		if err != nil {
			return 0, fmt.Errorf("read the log: %w", err)
		}
		if b != nil {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return hi, nil
}

// jump commits a step after which the log goes on where v ends, with nothing
// before. Appends are held off meanwhile.
func (l *Log) jump(v clock.VersionVector, t *txn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.have.Clone()
	for _, e := range v {
		if mine := have.Seq(e.Site); mine < e.Seq {
			for seq := uint64(1); seq <= mine; seq++ {
				t.set(logKey(e.Site, seq), nil) // what came before leaves no gap
			}
			have.Set(clock.Entry{Site: e.Site, Seq: e.Seq})
			t.set(siteKey(metaHave, e.Site), binary.BigEndian.AppendUint64(nil, e.Seq))
		}
	}
	if err := t.commit(); err != nil {
		return err
	}
	l.have = have
	return nil
}

// advanceSelf tells the log of own entries that the engine committed.
func (l *Log) advanceSelf(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.have.Set(clock.Entry{Site: l.self, Seq: seq})
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
