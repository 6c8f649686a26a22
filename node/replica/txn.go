package replica

import (
	"bytes"
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
	// order are the rows that were loaded, and rows finds them where they are many.
	order []*txnRow
	rows  map[merge.RowID]*txnRow
	raw   writeSet // other keys
	// mem holds keys and values of the step, slab and states its rows; ask, values
	// and found are used again by prefetch.
	mem    arena
	slab   []txnRow
	states []merge.State
	ask    []asked
	asking []asked // of ask, at the moment
	answer func(i int, v []byte)
	values [][]byte
	found  []byte
	memory *crdt.Memory
	// staging are the batches that stage and finish write.
	staging [2]kv.Batch
	// local is the step's first batch of own changes.
	local local
	// bytes is about what rows and raw hold.
	bytes  int
	limits *limits
	mark   merge.Mark // of the database before the step
	model  *schema.Model
	// deaths, when not nil, is told of deleted rows.
	deaths *bool
	// spilled: some writes are in the staging area already, because the step
	// is larger than the limits.
	spilled bool
	// tried: the step wrote to the store, or tried to.
	tried bool
	// logs: the step adds to this site's log. Once others may have that, the step
	// must not be taken back, whatever becomes of the database.
	logs bool
	// waits and asides: this step has a row that waits for another, or is in the
	// index that NotPlaced reads.
	waits, asides bool
	none          *none
}

// none is what is known of the indexes of rows that wait or are not placed:
// that the store has nothing in them, as is mostly so. What a step adds ends that
// at once, whatever becomes of the step.
type none struct{ waiting, aside bool }

// mayHave reports whether there may be something in an index: the step has, or
// the store.
func (t *txn) mayHave(kind byte, added bool, none *bool) (bool, error) {
	if added || *none {
		return added, nil
	}
	any := false
	err := t.store.Scan([]byte{kind}, []byte{kind + 1}, func(_, _ []byte) bool {
		any = true
		return false
	})
	*none = err == nil && !any
	return any, err
}

// txnRow is a row that the step has read; cur and losses are what it becomes.
type txnRow struct {
	id        merge.RowID
	key       []byte // of its state; nil when nobody needed it yet
	old, cur  *merge.State
	oldLosses []crdt.Loss
	losses    []crdt.Loss
	dirty     bool
}

// newTxn returns the store's side of a new step.
func (r *Replica) newTxn() *txn {
	t := r.spare
	r.spare = nil
	if t == nil {
		t = &txn{rows: map[merge.RowID]*txnRow{}}
	}
	t.store, t.names, t.limits, t.model, t.deaths, t.none = r.cfg.Store, r.names, &r.limits, r.cfg.Model, &r.tombs.fresh, &r.none
	t.memory, t.mark = &r.memory, r.mark
	return t
}

// spareRows bounds the steps whose memory is kept for the next one, in rows.
const spareRows = 256

// done gives up a step that is done, or never began: its memory serves the
// next one. Nothing of it may be used any more.
func (r *Replica) done(t *txn) {
	if t.spilled || len(t.order) > spareRows {
		return
	}
	clear(t.rows)
	clear(t.order)
	clear(t.slab)
	clear(t.states)
	clear(t.ask[:cap(t.ask)])
	t.raw.clear()
	t.mem.clear()
	for i := range t.staging {
		clear(t.staging[i].Ops)
		t.staging[i].Reset()
	}
	pending := t.local.pending[:0]
	if clear(pending[:cap(pending)]); cap(pending) > spareRows {
		pending = nil
	}
	*t = txn{
		rows: t.rows, order: t.order[:0], raw: t.raw, mem: t.mem, slab: t.slab[:0], states: t.states[:0],
		ask: t.ask[:0], values: t.values[:0], found: t.found[:0],
		answer: t.answer, staging: t.staging, local: local{pending: pending},
	}
	r.spare = t
}

// get reads a key as the step has it.
func (t *txn) get(key []byte) ([]byte, error) {
	if v, ok := t.raw.get(key); ok {
		return v, nil
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
	t.raw.set(key, value)
	t.bytes += len(key) + len(value)
}

// give is set with a value that is nobody else's: a store in memory keeps it as it is.
func (t *txn) give(key, value []byte) {
	t.set(key, value)
	w := &t.raw.list[t.raw.find(key)]
	w.given = true
}

// row loads a row state once.
func (t *txn) row(id merge.RowID) (*txnRow, error) {
	if r := t.find(id); r != nil {
		return r, nil
	}
	if len(t.order) >= t.limits.stepRows || t.bytes >= t.limits.stepBytes {
		if err := t.spill(); err != nil {
			return nil, err
		}
	}
	key := t.rowKey(keyState, id)
	b, err := t.get(key)
	if err != nil {
		return nil, err
	}
	return t.loadRow(id, key, string(b))
}

// rowKey is the function of that name, in the step's memory.
func (t *txn) rowKey(kind byte, id merge.RowID) []byte {
	return t.mem.used(appendRowKey(t.mem.room(rowKeyMax(id)), kind, id))
}

// State implements merge.States.
func (t *txn) State(id merge.RowID) (*merge.State, error) {
	r, err := t.row(id)
	if err != nil || r.cur == nil {
		return nil, err
	}
	return r.cur, nil
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
	if r.cur != nil && s != nil && t.model != nil {
		t.noteGave(id, r.cur, s)
	}
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
			t.set(t.rowKey(keyAside, id), nil)
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
		t.waits, t.none.waiting = true, false
		t.set(waitingKey(m, id), []byte{byte(after.Place)})
	}
	if indexed(after.Place) {
		t.asides, t.none.aside = true, false
		t.set(t.rowKey(keyAside, id), []byte{byte(after.Place)})
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
	if may, err := t.mayHave(keyWaiting, t.waits, &t.none.waiting); err != nil || !may {
		return nil, err
	}
	return t.list(t.rowKey(keyWaiting, id), 1, 0)
}

// NotPlaced implements merge.States.
func (t *txn) NotPlaced(table string, limit int) ([]merge.RowID, error) {
	if may, err := t.mayHave(keyAside, t.asides, &t.none.aside); err != nil || !may {
		return nil, err
	}
	prefix := append(t.mem.room(3+len(table)), keyAside)
	return t.list(t.mem.used(appendString(prefix, table)), 0, limit)
}

// list returns the row ids at the given place of the keys with a prefix: those
// in the store and those that this step adds, less those it removes. The
// indexes are small.
func (t *txn) list(prefix []byte, place, limit int) ([]merge.RowID, error) {
	var keys []string
	err := t.store.Scan(prefix, kv.After(prefix), func(k, _ []byte) bool {
		if !t.raw.deletes(k) {
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
		for i := range t.raw.list {
			if w := &t.raw.list[i]; w.value != nil && bytes.HasPrefix(w.key, prefix) {
				keys = append(keys, string(w.key))
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
		} else if !t.raw.deletes(k[1:]) {
			*keys = append(*keys, string(k[1:]))
		}
		return true
	})
	*keys = slices.DeleteFunc(*keys, func(k string) bool { return gone[k] })
	return err
}

// writes calls each for every write of the step that is still in memory, in
// key order, so that the same step writes the same batch.
func (t *txn) writes(each func(w *rawWrite)) {
	for _, r := range t.order {
		if r.dirty {
			t.rowWrites(r.id, r)
		}
	}
	list := t.raw.sorted()
	for i := range list {
		each(&list[i])
	}
}

// rowWrites moves a dirty row to raw.
func (t *txn) rowWrites(id merge.RowID, r *txnRow) {
	if r.key == nil {
		r.key = t.rowKey(keyState, id)
	}
	t.lossWrites(id, r.oldLosses, r.losses)
	switch {
	case r.cur == nil && r.old != nil:
		t.set(r.key, nil)
	case r.cur != nil:
		t.set(r.key, t.mem.used(t.names.appendState(t.mem.room(stateBytes), r.cur)))
	}
	r.dirty = false
}

// spill moves what is in memory to the staging area, not synced.
func (t *txn) spill() error {
	b := t.stagedBatch()
	t.rows, t.raw, t.bytes = map[merge.RowID]*txnRow{}, writeSet{}, 0
	t.order, t.slab, t.states, t.mem = nil, nil, nil, arena{}
	t.spilled, t.tried = true, true
	return t.store.Write(b, false)
}

func (t *txn) stagedBatch() *kv.Batch {
	b := &kv.Batch{}
	t.writes(func(w *rawWrite) {
		b.Set(append([]byte{keyStaged}, w.key...), staged(w.value))
	})
	t.names.flush(b)
	return b
}

// stage makes the step durable in the staging area under a number. Number 0
// means that it holds whatever the database says. Then finish completes the step.
func (t *txn) stage(number uint64) error {
	t.tried = true
	if t.spilled {
		b := t.stagedBatch()
		b.Set(metaStaged, binary.BigEndian.AppendUint64(nil, number))
		return t.store.Write(b, true)
	}
	final, b := t.batch(), &t.staging[1]
	head := make([]byte, 0, stagedNumber+opsMax(final))
	b.Give(metaStaged, appendOps(binary.BigEndian.AppendUint64(head, number), final))
	t.names.flush(b)
	final.Delete(metaStaged)
	return t.store.Write(b, true)
}

// finish completes a step that is staged.
func (t *txn) finish() error {
	if t.spilled {
		return finishStaged(t.store, t.logs)
	}
	return t.store.Write(&t.staging[0], t.logs)
}

// batch is the writes of a step that fits into memory.
func (t *txn) batch() *kv.Batch {
	b := &t.staging[0]
	t.writes(func(w *rawWrite) {
		switch {
		case w.value == nil:
			b.Delete(w.key)
		case w.given:
			b.Give(w.key, w.value)
		default:
			b.Set(w.key, w.value)
		}
	})
	return b
}

// commit writes a step that needs no database transaction.
func (t *txn) commit() error {
	if t.spilled {
		if err := t.stage(0); err != nil {
			return err
		}
		return t.finish()
	}
	t.tried = true
	b := t.batch()
	t.names.flush(b)
	return t.store.Write(b, true)
}
