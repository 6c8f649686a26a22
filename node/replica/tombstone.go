package replica

import (
	"fmt"
	"slices"

	"baraza/clock"
	"baraza/internal/kv"
	"baraza/merge"
)

// A tombstone may be needed though its delete is settled, because of R4:
//
//   - Rows that went with it, or wait, must be told that it was deleted rather
//     than never came.
//   - A row that was deleted may stay in its table, as others refer to it, and
//     leave when the last of these goes. A site that has not heard of that yet
//     still has it, and its applications may refer to it anew.
//
// So a tombstone goes only when, after its delete was settled, all that was
// applied here by then is settled too: then everybody has heard of every row
// that had referred to it. What happens later shows here: the row comes back to
// its table and leaves again, or a row that refers to it comes and goes within
// one step. The index keyLeft notes that, and with it the wait begins anew.

// indexLeft notes that a dead row leaves its table, or comes back.
func (t *txn) indexLeft(id merge.RowID, before, after *merge.State) {
	switch {
	case after == nil || !after.Dead():
		t.set(rowKey(keyLeft, id), nil)
	case before.Stays() && !after.Stays():
		t.set(rowKey(keyLeft, id), []byte{})
	}
}

// indexBrief notes what a row referred to that came and went within one step.
func (t *txn) indexBrief(id merge.RowID, after *merge.State) {
	if t.model == nil {
		return
	}
	table := t.model.Tables[id.Table]
	if table == nil || after.Greatest().IsZero() {
		return // a row of the baseline
	}
	for i := range table.References {
		ref := &table.References[i]
		at := slices.Index(after.Columns, ref.Column)
		if at < 0 {
			continue
		}
		if key, ok := after.Values[at].Key(); ok {
			t.set(rowKey(keyLeft, merge.RowID{Table: ref.Table, Key: key}), []byte{})
		}
	}
	for _, v := range after.Values {
		if to, key, ok := v.Link(); ok {
			t.set(rowKey(keyLeft, merge.RowID{Table: to, Key: key}), []byte{})
		}
	}
}

// dropLeft drops what keyLeft has of rows that are not deleted.
func (r *Replica) dropLeft() error {
	var ids []merge.RowID
	err := r.cfg.Store.Scan([]byte{keyLeft}, []byte{keyLeft + 1}, func(k, _ []byte) bool {
		ids = append(ids, rowIDs(k)[0])
		return len(ids) < dropStates
	})
	b := &kv.Batch{}
	for i := 0; i < len(ids) && err == nil; i++ {
		var s *merge.State
		if s, err = r.stateOf(ids[i]); err == nil && (s == nil || !s.Dead()) {
			b.Delete(rowKey(keyLeft, ids[i]))
		}
	}
	if err != nil || b.Empty() {
		return err
	}
	return r.cfg.Store.Write(b, false)
}

// dropDead drops those of the rows that may go.
func (r *Replica) dropDead(ids []merge.RowID) error {
	b := &kv.Batch{}
	for _, id := range ids {
		s, err := r.stateOf(id)
		if err != nil {
			return fmt.Errorf("table %s, key %s: %w", id.Table, id.Key, err)
		}
		if s == nil || !s.Dead() {
			continue
		}
		may, err := r.mayDrop(id, s, b)
		if err != nil {
			return err
		}
		if !may {
			r.tombs.counted++
			continue
		}
		b.Delete(rowKey(keyState, id))
		b.Delete(rowKey(keyLeft, id))
		if s.Place == merge.Aside {
			b.Delete(rowKey(keyAside, id))
		}
	}
	if b.Empty() {
		return nil
	}
	return r.cfg.Store.Write(b, false)
}

// mayDrop reports whether every site takes no notice of a tombstone, and
// nothing here needs it.
func (r *Replica) mayDrop(id merge.RowID, s *merge.State, b *kv.Batch) (bool, error) {
	t := r.cfg.Model.Tables[id.Table]
	stranger := t == nil || !t.Replicated
	gone := s.Settled(r.tombs.through) || stranger && r.tombs.through.Covers(s.Deleted)
	if !gone || s.HasLoss {
		return false, nil
	}
	waited, err := waitedFor(r.cfg.Store, id)
	if err != nil || waited {
		return false, err
	}
	left, err := r.cfg.Store.Get(rowKey(keyLeft, id))
	switch {
	case err != nil || left == nil:
		return err == nil, err
	case len(left) == 0: // seen for the first time: it left with what is applied by now
		b.Set(rowKey(keyLeft, id), encodeVector(r.contents()))
		r.tombs.again = true
		return false, nil
	}
	return r.tombs.now.Includes(decodeVector(left)), nil
}

// contents is the last entry of each origin that has more than baraza's own
// rows, of those that are applied.
func (r *Replica) contents() clock.VersionVector {
	var v clock.VersionVector
	for _, e := range r.applied {
		v.Set(clock.Entry{Site: e.Site, Seq: r.content[e.Site]})
	}
	return v
}

// waitedFor reports whether some row is not in its place because of this one.
func waitedFor(store kv.Reader, id merge.RowID) (any bool, err error) {
	prefix := rowKey(keyWaiting, id)
	err = store.Scan(prefix, kv.After(prefix), func(_, _ []byte) bool { any = true; return false })
	return any, err
}
