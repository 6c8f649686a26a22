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
	ask := make([]asked, 0, len(ids))
	for _, id := range ids {
		if t.rows[id] == nil {
			ask = append(ask, asked{id: id, key: rowKey(keyState, id)})
		}
	}
	if len(ask) > t.limits.stepRows/2 {
		return nil
	}
	if len(t.rows)+len(ask) > t.limits.stepRows {
		if err := t.spill(); err != nil {
			return err
		}
	}
	slices.SortFunc(ask, func(a, b asked) int { return bytes.Compare(a.key, b.key) })
	ask = slices.CompactFunc(ask, func(a, b asked) bool { return a.id == b.id })
	if err := t.read(ask); err != nil {
		return err
	}
	for i := range ask {
		if _, err := t.loadRow(ask[i].id, ask[i].value); err != nil {
			return err
		}
	}
	return nil
}

// asked is a row whose state is wanted; value is nil when it has none.
type asked struct {
	id         merge.RowID
	key, value []byte
}

// read reads states as the step has them, except for rows it holds in memory.
func (t *txn) read(ask []asked) error {
	keys := make([][]byte, len(ask))
	for i := range ask {
		keys[i] = ask[i].key
	}
	err := kv.GetMany(t.store, keys, func(i int, v []byte) {
		if v != nil {
			ask[i].value = append([]byte{}, v...)
		}
	})
	if err != nil || !t.spilled {
		return err
	}
	for i := range keys {
		keys[i] = append([]byte{keyStaged}, keys[i]...)
	}
	return kv.GetMany(t.store, keys, func(i int, v []byte) {
		if v != nil {
			ask[i].value = stagedValue(v)
		}
	})
}

// loadRow takes a row's stored state into the step.
func (t *txn) loadRow(id merge.RowID, b []byte) (*txnRow, error) {
	r := &txnRow{}
	if b != nil {
		var err error
		if r.old, err = t.names.decodeState(b); err != nil {
			return nil, fmt.Errorf("table %s, key %s: %w", id.Table, id.Key, err)
		}
		r.cur = r.old
		if r.old.HasLoss {
			if r.oldLosses, err = t.loadLosses(id); err != nil {
				return nil, err
			}
			r.losses = slices.Clone(r.oldLosses)
		}
	}
	t.rows[id] = r
	return r, nil
}

// assumeNew tells the step that a row has no state, so that it does not look.
func (t *txn) assumeNew(id merge.RowID) {
	if t.rows[id] == nil && len(t.rows) < t.limits.stepRows {
		t.rows[id] = &txnRow{}
	}
}
