package sqldb

import (
	"context"
	"slices"

	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// Holders implements merge.Tx.
func (x *tx) Holders(ctx context.Context, def *schema.Table, row merge.Row) ([]merge.Holder, error) {
	t, err := x.table(def)
	if err != nil {
		return nil, err
	}
	known, err := x.references(ctx, t, []merge.Row{row}, nil)
	if err != nil {
		return nil, err
	}
	var holders []merge.Holder
	for i := range def.Unique {
		tuple := indexTuple(t, row, def.Unique[i].Columns, known)
		if tuple == nil {
			continue
		}
		keys, err := x.refs.With(ctx, x.sql, t, def.Unique[i].Columns, tuple)
		if err != nil {
			return nil, wrap(err, "look for who has unique values in "+def.Name)
		}
		for _, key := range keys {
			if key != row.Key {
				holders = append(holders, merge.Holder{Index: i, Key: key})
			}
		}
	}
	return holders, nil
}

// indexTuple returns the local values of a row in the columns of an index; nil
// when one is NULL or not known.
func indexTuple(t *sqlrow.Table, row merge.Row, columns []string, known knownReferences) []crdt.Value {
	tuple := make([]crdt.Value, 0, len(columns))
	for _, name := range columns {
		at := slices.Index(row.Columns, name)
		if at < 0 || t.Column(name) == nil {
			return nil
		}
		v := row.Values[at]
		if key, isRef := v.Key(); isRef {
			v = known[name][key]
		}
		if v == "" || v.IsNull() {
			return nil
		}
		tuple = append(tuple, v)
	}
	return tuple
}
