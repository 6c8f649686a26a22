package replica

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"baraza/clock"
	"baraza/internal/kv"
	"baraza/merge"
)

const (
	// dropEntries is how many log entries one Truncate drops at most, and
	// dropStates how many row states it looks at for tombstones.
	dropEntries = 2000
	dropStates  = 4000
)

// Truncate does a piece of what keeps the disk small: it drops log entries that
// every member has applied, and tombstones that every site treats as settled.
// more: there is more to do at once.
//
// What goes is decided by what was published, which is durable by its nature,
// and it goes in a write that need not be synced: a crash brings it back, and
// the next pass takes it again.
func (r *Replica) Truncate(ctx context.Context) (more bool, err error) {
	if err := r.begin(ctx); err != nil || r.members == nil {
		return false, err
	}
	if err := r.advanceStable(); err != nil {
		return false, err
	}
	moreLog, err := r.log.drop(r.stable, dropEntries)
	if err != nil {
		r.unsettled = true
		return false, fmt.Errorf("shorten the log: %w", err)
	}
	moreTombs, err := r.dropTombstones(dropStates)
	if err != nil {
		r.unsettled = true
		return false, fmt.Errorf("drop deleted rows: %w", err)
	}
	return moreLog || moreTombs, nil
}

// drop drops entries that v covers, at most so many, the oldest of each origin
// first. What is stable is written with them, so that it is never less than
// what was dropped.
func (l *Log) drop(v clock.VersionVector, most int) (more bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &kv.Batch{}
	next := l.first.Clone()
	for _, e := range v {
		upTo := min(e.Seq, l.have.Seq(e.Site))
		first := max(next.Seq(e.Site), 1)
		seq := first
		for ; seq <= upTo && most > 0; seq++ {
			b.Delete(logKey(e.Site, seq))
			most--
		}
		if seq > first {
			next.Set(clock.Entry{Site: e.Site, Seq: seq})
			b.Set(siteKey(metaFirst, e.Site), binary.BigEndian.AppendUint64(nil, seq))
		}
		more = more || seq <= upTo
	}
	if b.Empty() {
		return false, nil
	}
	b.Set(metaStable, encodeVector(v))
	l.first = next // should the write fail, it is not known what became of it: claim less
	if err := l.store.Write(b, false); err != nil {
		return false, err
	}
	return more, nil
}

// tombs is how far the search for tombstones is.
type tombs struct {
	// at is where it goes on; nil where it begins.
	at []byte
	// through is the settled vector of the pass that is under way, or was last.
	through clock.VersionVector
	// seen was settled once, when seenWith was applied here. What it covers may go
	// when seenWith is settled too (tombstone.go).
	seen, seenWith clock.VersionVector
	// now was settled when the pass began.
	now clock.VersionVector
	// again: the pass found rows that may go as soon as now says so.
	again bool
	// fresh: rows were deleted since the pass began; kept are those that it
	// left, counted so far in counted.
	fresh         bool
	kept, counted int
}

// dropVector is what every site says is settled: tombstones that it covers are
// not looked at any more, whoever writes the row.
func (r *Replica) dropVector() (clock.VersionVector, error) {
	voters, err := r.ghosts()
	if err != nil {
		return nil, err
	}
	voters = append(voters, r.members...)
	var least clock.VersionVector
	for i, id := range voters {
		p := r.published[id]
		if p == nil {
			return nil, nil
		}
		if i == 0 {
			least = p.settled.Clone()
			continue
		}
		for j := range least {
			least[j] = lesser(least[j], p.settled.Get(least[j].Site))
		}
	}
	return slices.DeleteFunc(least, func(e clock.Entry) bool { return e.Seq == 0 }), nil
}

// dropTombstones looks at the next row states.
func (r *Replica) dropTombstones(limit int) (more bool, err error) {
	if r.tombs.at == nil {
		if begins, err := r.beginPass(); err != nil || !begins {
			return false, err
		}
	}
	looked := 0
	next := []byte(nil)
	var dead []merge.RowID
	err = r.cfg.Store.Scan(r.tombs.at, []byte{keyState + 1}, func(k, v []byte) bool {
		if looked++; looked > limit {
			next = slices.Clone(k)
			return false
		}
		if len(v) > 0 && v[0]&stateDeleted != 0 {
			dead = append(dead, rowIDs(k)[0])
		}
		return true
	})
	if err != nil {
		return false, err
	}
	if err := r.dropDead(dead); err != nil {
		return false, err
	}
	r.tombs.at = next
	if next == nil {
		r.tombs.kept, r.tombs.counted = r.tombs.counted, 0
		err = r.dropLeft()
	}
	return next != nil, err
}

// beginPass begins to look for tombstones, if more of them can go: rows were
// deleted since the pass before or some were left by it, and more is settled.
func (r *Replica) beginPass() (bool, error) {
	v, err := r.dropVector()
	if err != nil || len(v) == 0 {
		return false, err
	}
	t := &r.tombs
	if t.through.Includes(t.seen) {
		t.seen, t.seenWith = v, r.contents()
	}
	if t.through.Includes(t.seen) && !t.again || !v.Includes(t.seenWith) {
		return false, nil
	}
	t.through, t.now, t.again = t.seen, v, false
	if t.kept == 0 && !t.fresh {
		return false, nil
	}
	t.at, t.fresh = []byte{keyState}, false
	return true, nil
}
