package replica

import (
	"bytes"
	"fmt"
	"slices"

	"baraza/internal/kv"
	"baraza/merge"
)

// prefetch loads the states of rows that the step is about to ask for, all in
// one pass over the store in key order: one at a time, most of a step's time
// would go into finding them. More rows than a step keeps are loaded one by one.
func (t *txn) prefetch(ids []merge.RowID) error {
	ask := slices.Grow(t.ask[:0], len(ids))
	for _, id := range ids {
		if t.find(id) == nil {
			ask = append(ask, asked{id: id, key: t.rowKey(keyState, id)})
		}
	}
	t.ask = ask
	if len(ask) > t.limits.stepRows/2 {
		return nil
	}
	if len(t.order)+len(ask) > t.limits.stepRows {
		if err := t.spill(); err != nil {
			return err
		}
	}
	slices.SortFunc(ask, func(a, b asked) int { return bytes.Compare(a.key, b.key) })
	ask = slices.CompactFunc(ask, func(a, b asked) bool { return a.id == b.id })
	if err := t.read(ask); err != nil {
		return err
	}
	all := string(t.found) // one copy for all, as states are cut from strings
	for i := range ask {
		if _, err := t.loadRow(ask[i].id, ask[i].key, all[ask[i].from:ask[i].to]); err != nil {
			return err
		}
	}
	return nil
}

// asked is a row whose state is wanted. It will be found[from:to]; nothing when
// it has none.
type asked struct {
	id       merge.RowID
	key      []byte
	from, to int
}

// got takes the state of a row that was asked for; nil for none.
func (t *txn) got(a *asked, v []byte) {
	a.from = len(t.found)
	t.found = append(t.found, v...)
	a.to = len(t.found)
}

// read reads states as the step has them, except for rows it holds in memory.
func (t *txn) read(ask []asked) error {
	keys := t.values[:0]
	for i := range ask {
		keys = append(keys, ask[i].key)
	}
	t.values, t.found = keys, t.found[:0]
	t.asking = ask
	if t.answer == nil {
		t.answer = func(i int, v []byte) { t.got(&t.asking[i], v) }
	}
	err := kv.GetMany(t.store, keys, t.answer)
	if err != nil || !t.spilled {
		return err
	}
	for i := range keys {
		keys[i] = append([]byte{keyStaged}, keys[i]...)
	}
	return kv.GetMany(t.store, keys, func(i int, v []byte) {
		if v != nil {
			t.got(&ask[i], stagedValue(v))
		}
	})
}

// loadRow takes a row's stored state into the step.
func (t *txn) loadRow(id merge.RowID, key []byte, state string) (*txnRow, error) {
	r := t.newRow(id)
	r.key = key
	if state != "" {
		var err error
		r.old = t.newState()
		if err = t.names.decodeStateTo(r.old, state, t.memory); err != nil {
			return nil, fmt.Errorf("table %s, key %s: %w", id.Table, id.Key, err)
		}
		r.cur = r.old
		if r.old.HasLoss {
			if r.oldLosses, err = t.loadLosses(id); err != nil {
				return nil, err
			}
			r.losses = r.oldLosses // Losses copies them
		}
	}
	t.take(r)
	return r, nil
}

// newRow returns a row of the step; take puts it in.
func (t *txn) newRow(id merge.RowID) *txnRow {
	if len(t.slab) == cap(t.slab) {
		t.slab = make([]txnRow, 0, max(8, 2*cap(t.slab)))
	}
	t.slab = append(t.slab, txnRow{id: id})
	return &t.slab[len(t.slab)-1]
}

// newState returns memory for a state.
func (t *txn) newState() *merge.State {
	if len(t.states) == cap(t.states) {
		t.states = make([]merge.State, 0, max(8, 2*cap(t.states)))
	}
	t.states = append(t.states, merge.State{})
	return &t.states[len(t.states)-1]
}

func (t *txn) take(r *txnRow) {
	t.order = append(t.order, r)
	if len(t.order) <= fewWrites {
		return
	}
	if len(t.rows) == 0 {
		for _, r := range t.order {
			t.rows[r.id] = r
		}
	}
	t.rows[r.id] = r
}

// find returns a row of the step; nil when it was not read. Most steps have a few:
// those are looked through.
func (t *txn) find(id merge.RowID) *txnRow {
	if len(t.order) > fewWrites {
		return t.rows[id]
	}
	for _, r := range t.order {
		if r.id.Key == id.Key && r.id.Table == id.Table {
			return r
		}
	}
	return nil
}

// assumeNew tells the step that a row has no state, so that it does not look.
func (t *txn) assumeNew(id merge.RowID) {
	if t.find(id) == nil && len(t.order) < t.limits.stepRows {
		t.take(t.newRow(id))
	}
}
