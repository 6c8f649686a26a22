package replica

import (
	"slices"

	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// losses reads the losses of a row that a store has.
func (n *names) losses(store kv.Reader, id merge.RowID) ([]crdt.Loss, error) {
	prefix := rowKey(keyLoss, id)
	var losses []crdt.Loss
	var bad error
	err := store.Scan(prefix, kv.After(prefix), func(_, v []byte) bool {
		var l crdt.Loss
		l, bad = n.decodeLoss(v)
		losses = append(losses, l)
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	crdt.SortLosses(losses)
	return losses, err
}

// loadLosses reads a row's losses. Only a spilled step can have staged ones: they,
// and staged deletes, take the place of what is under the same key in the store.
func (t *txn) loadLosses(id merge.RowID) ([]crdt.Loss, error) {
	losses, err := t.names.losses(t.store, id)
	if err != nil || !t.spilled {
		return losses, err
	}
	prefix := append([]byte{keyStaged}, rowKey(keyLoss, id)...)
	var bad error
	err = t.store.Scan(prefix, kv.After(prefix), func(k, v []byte) bool {
		losses = slices.DeleteFunc(losses, func(l crdt.Loss) bool { return string(t.names.lossKey(id, &l)) == string(k[1:]) })
		if v = stagedValue(v); v != nil {
			var l crdt.Loss
			l, bad = t.names.decodeLoss(v)
			losses = append(losses, l)
		}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	crdt.SortLosses(losses)
	return losses, err
}

// lossWrites writes how a row's losses differ from what they were: a row may have
// many, of which a write to it changes few. Both are sorted.
func (t *txn) lossWrites(id merge.RowID, before, after []crdt.Loss) {
	for len(before)+len(after) > 0 {
		order := 0
		switch {
		case len(before) == 0:
			order = 1
		case len(after) == 0:
			order = -1
		default:
			order = crdt.CompareLosses(before[0], after[0])
		}
		switch {
		case order < 0:
			t.set(t.names.lossKey(id, &before[0]), nil)
		case order > 0 || before[0] != after[0]:
			t.set(t.names.lossKey(id, &after[0]), t.names.encodeLoss(&after[0]))
		}
		if order <= 0 {
			before = before[1:]
		}
		if order >= 0 {
			after = after[1:]
		}
	}
}
