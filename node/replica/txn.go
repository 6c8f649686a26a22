package replica

import (
	"encoding/binary"
	"slices"

	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/schema"
)

// txn is the store's side of one capture or apply step: it collects what the
// store should become, and is committed at once or staged first (see the
// package comment). It implements merge.States.
type txn struct {
	store kv.Store
	names *names
	rows  map[merge.RowID]*txnRow
	raw   map[string]rawWrite // other keys
	// bytes is about what rows and raw hold.
	bytes  int
	limits *limits
	model  *schema.Model
	// deaths, when not nil, is told of deleted rows.
	deaths *bool
	// spilled: some writes are in the staging area already, because the step
	// is larger than the limits.
	spilled bool
	// tried: the step wrote to the store, or tried to.
	tried bool
	// waiting: some row may wait for another; asked once, since hardly any
	// step has one.
	waiting, askedWaiting bool
}

// txnRow is a row that the step has read; cur and losses are what it becomes.
type txnRow struct {
	old, cur  *merge.State
	oldLosses []crdt.Loss
	losses    []crdt.Loss
	dirty     bool
}

// rawWrite is a write of a key; a nil value deletes it.
type rawWrite struct{ key, value []byte }

func (r *Replica) newTxn() *txn {
	return &txn{store: r.cfg.Store, names: r.names, limits: &r.limits, model: r.cfg.Model, deaths: &r.tombs.fresh, rows: map[merge.RowID]*txnRow{}, raw: map[string]rawWrite{}}
}

// get reads a key as the step has it.
func (t *txn) get(key []byte) ([]byte, error) {
	if w, ok := t.raw[string(key)]; ok {
		return w.value, nil
	}
	if t.spilled {
		v, err := t.store.Get(append([]byte{keyStaged}, key...))
		if err != nil {
			return nil, err
		}
		if v != nil {
			return stagedValue(v), nil
		}
	}
	return t.store.Get(key)
}

// set writes a key. The step keeps both slices.
func (t *txn) set(key, value []byte) {
	t.raw[string(key)] = rawWrite{key, value}
	t.bytes += len(key) + len(value)
}

// row loads a row state once.
func (t *txn) row(id merge.RowID) (*txnRow, error) {
	if r := t.rows[id]; r != nil {
		return r, nil
	}
	if len(t.rows) >= t.limits.stepRows || t.bytes >= t.limits.stepBytes {
		if err := t.spill(); err != nil {
			return nil, err
		}
	}
	b, err := t.get(rowKey(keyState, id))
	if err != nil {
		return nil, err
	}
	return t.loadRow(id, b)
}

// loadLosses reads a row's losses. Only a spilled step can have staged ones,
// so both places are read.
func (t *txn) loadLosses(id merge.RowID) ([]crdt.Loss, error) {
	prefix := rowKey(keyLoss, id)
	found := map[string][]byte{}
	collect := func(k, v []byte) bool { found[string(k)] = slices.Clone(v); return true }
	if err := t.store.Scan(prefix, kv.After(prefix), collect); err != nil {
		return nil, err
	}
	if t.spilled {
		staged := append([]byte{keyStaged}, prefix...)
		err := t.store.Scan(staged, kv.After(staged), func(k, v []byte) bool {
			return collect(k[1:], stagedValue(v))
		})
		if err != nil {
			return nil, err
		}
	}
	var losses []crdt.Loss
	for _, v := range found {
		if v == nil {
			continue
		}
		l, err := t.names.decodeLoss(v)
		if err != nil {
			return nil, err
		}
		losses = append(losses, l)
	}
	crdt.SortLosses(losses)
	return losses, nil
}

// State implements merge.States.
func (t *txn) State(id merge.RowID) (*merge.State, error) {
	r, err := t.row(id)
	if err != nil || r.cur == nil {
		return nil, err
	}
	s := *r.cur
	s.Cells, s.KnownCells = slices.Clone(s.Cells), slices.Clone(s.KnownCells)
	return &s, nil
}

// Losses implements merge.States.
func (t *txn) Losses(id merge.RowID) ([]crdt.Loss, error) {
	r, err := t.row(id)
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.losses), nil
}

// Put implements merge.States.
func (t *txn) Put(id merge.RowID, s *merge.State, losses []crdt.Loss) error {
	r, err := t.row(id)
	if err != nil {
		return err
	}
	t.indexPlace(id, r.cur, s)
	r.cur, r.losses, r.dirty = s, losses, true
	if s != nil {
		for _, v := range s.Values {
			t.bytes += len(v)
		}
	}
	return nil
}

// indexPlace keeps the indexes of rows that wait or are not placed.
func (t *txn) indexPlace(id merge.RowID, before, after *merge.State) {
	if before != nil {
		for _, m := range before.Missing {
			t.set(waitingKey(m, id), nil)
		}
		if indexed(before.Place) {
			t.set(rowKey(keyAside, id), nil)
		}
	}
	if before != nil && before.Dead() {
		t.indexLeft(id, before, after)
	}
	if after == nil {
		return
	}
	if before == nil && after.Dead() {
		t.indexBrief(id, after)
	}
	if after.Dead() && t.deaths != nil {
		*t.deaths = true
	}
	for _, m := range after.Missing {
		t.waiting = true
		t.set(waitingKey(m, id), []byte{byte(after.Place)})
	}
	if indexed(after.Place) {
		t.set(rowKey(keyAside, id), []byte{byte(after.Place)})
	}
}

// indexed reports whether rows in the place are in the index that NotPlaced
// reads.
func indexed(p merge.Place) bool { return p == merge.Held || p == merge.Aside || p == merge.Kept }

func waitingKey(missing, id merge.RowID) []byte {
	b := appendString(rowKey(keyWaiting, missing), id.Table)
	return appendKey(b, id.Key)
}

// WaitingFor implements merge.States.
func (t *txn) WaitingFor(id merge.RowID) ([]merge.RowID, error) {
	if !t.askedWaiting {
		t.askedWaiting = true
		err := t.store.Scan([]byte{keyWaiting}, []byte{keyWaiting + 1}, func(_, _ []byte) bool {
			t.waiting = true
			return false
		})
		if err != nil {
			return nil, err
		}
	}
	if !t.waiting {
		return nil, nil
	}
	return t.list(rowKey(keyWaiting, id), 1, 0)
}

// NotPlaced implements merge.States.
func (t *txn) NotPlaced(table string, limit int) ([]merge.RowID, error) {
	return t.list(appendString([]byte{keyAside}, table), 0, limit)
}

// list returns the row ids at the given place of the keys with a prefix: those
// in the store and those that this step adds, less those it removes. The
// indexes are small.
func (t *txn) list(prefix []byte, place, limit int) ([]merge.RowID, error) {
	var keys []string
	err := t.store.Scan(prefix, kv.After(prefix), func(k, _ []byte) bool {
		if w, ok := t.raw[string(k)]; !ok || w.value != nil {
			keys = append(keys, string(k))
		}
		return limit == 0 || len(keys) < limit
	})
	if err != nil {
		return nil, err
	}
	if err := t.listStaged(prefix, &keys); err != nil {
		return nil, err
	}
	kind := prefix[0]
	if kind == keyWaiting || kind == keyAside {
		for k, w := range t.raw {
			if w.value != nil && len(k) >= len(prefix) && k[:len(prefix)] == string(prefix) {
				keys = append(keys, k)
			}
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var ids []merge.RowID
	for _, k := range keys {
		if all := rowIDs([]byte(k)); place < len(all) {
			ids = append(ids, all[place])
		}
	}
	return ids, nil
}

// listStaged adds the staged keys with a prefix and takes staged deletes out.
func (t *txn) listStaged(prefix []byte, keys *[]string) error {
	if !t.spilled {
		return nil
	}
	staged := append([]byte{keyStaged}, prefix...)
	gone := map[string]bool{}
	err := t.store.Scan(staged, kv.After(staged), func(k, v []byte) bool {
		if stagedValue(v) == nil {
			gone[string(k[1:])] = true
		} else if w, ok := t.raw[string(k[1:])]; !ok || w.value != nil {
			*keys = append(*keys, string(k[1:]))
		}
		return true
	})
	*keys = slices.DeleteFunc(*keys, func(k string) bool { return gone[k] })
	return err
}

// writes calls each for every write of the step that is still in memory, in
// key order, so that the same step writes the same batch.
func (t *txn) writes(each func(key, value []byte)) {
	for id, r := range t.rows {
		if r.dirty {
			t.rowWrites(id, r)
		}
	}
	keys := make([]string, 0, len(t.raw))
	for k := range t.raw {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		w := t.raw[k]
		each(w.key, w.value)
	}
}

// rowWrites moves a dirty row to raw.
func (t *txn) rowWrites(id merge.RowID, r *txnRow) {
	for i := range r.oldLosses {
		t.set(t.names.lossKey(id, &r.oldLosses[i]), nil)
	}
	for i := range r.losses {
		t.set(t.names.lossKey(id, &r.losses[i]), t.names.encodeLoss(&r.losses[i]))
	}
	switch {
	case r.cur == nil && r.old != nil:
		t.set(rowKey(keyState, id), nil)
	case r.cur != nil:
		t.set(rowKey(keyState, id), t.names.encodeState(r.cur))
	}
	r.dirty = false
}

// spill moves what is in memory to the staging area, not synced.
func (t *txn) spill() error {
	b := t.stagedBatch()
	t.rows, t.raw, t.bytes = map[merge.RowID]*txnRow{}, map[string]rawWrite{}, 0
	t.spilled, t.tried = true, true
	return t.store.Write(b, false)
}

func (t *txn) stagedBatch() *kv.Batch {
	b := &kv.Batch{}
	t.writes(func(k, v []byte) {
		b.Set(append([]byte{keyStaged}, k...), staged(v))
	})
	t.names.flush(b)
	return b
}

// stage makes the step durable in the staging area under a number. Number 0
// means that it holds whatever the database says. What it returns completes
// the step.
func (t *txn) stage(number uint64) (finish func() error, err error) {
	t.tried = true
	head := binary.BigEndian.AppendUint64(nil, number)
	if t.spilled {
		b := t.stagedBatch()
		b.Set(metaStaged, head)
		return func() error { return finishStaged(t.store) }, t.store.Write(b, true)
	}
	final := t.batch()
	b := &kv.Batch{}
	b.Set(metaStaged, appendOps(head, final))
	t.names.flush(b)
	final.Delete(metaStaged)
	return func() error { return t.store.Write(final, false) }, t.store.Write(b, true)
}

// batch is the writes of a step that fits into memory.
func (t *txn) batch() *kv.Batch {
	b := &kv.Batch{Ops: make([]kv.Op, 0, len(t.raw)+len(t.rows)+1)}
	t.writes(func(k, v []byte) {
		if v == nil {
			b.Delete(k)
		} else {
			b.Set(k, v)
		}
	})
	return b
}

// commit writes a step that needs no database transaction.
func (t *txn) commit() error {
	if t.spilled {
		finish, err := t.stage(0)
		if err != nil {
			return err
		}
		return finish()
	}
	t.tried = true
	b := t.batch()
	t.names.flush(b)
	return t.store.Write(b, true)
}
