package memdb

import (
	"context"
	"slices"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Holders implements merge.Tx.
func (x *tx) Holders(ctx context.Context, def *schema.Table, row merge.Row) ([]merge.Holder, error) {
	t, err := x.step(ctx, StepHolders, def)
	if err != nil {
		return nil, err
	}
	vals := make([]crdt.Value, len(def.Columns))
	for i, name := range row.Columns {
		column, ok := t.position[name]
		if !ok {
			continue
		}
		if v, bad := t.in(row.Values[i], column); bad == nil {
			vals[column] = v
		}
	}
	var holders []merge.Holder
	for i := range def.Unique {
		at := slices.IndexFunc(t.unique[1:], func(ix *index) bool { return ix.name == def.Unique[i].Name }) + 1
		key, in := t.unique[at].entry(t, vals)
		if r := t.unique[at].rows[key]; in && r != nil && r.key != row.Key {
			holders = append(holders, merge.Holder{Index: i, Key: r.key})
		}
	}
	return holders, nil
}
