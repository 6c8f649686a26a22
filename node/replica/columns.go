package replica

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"baraza/internal/kv"
	"baraza/merge"
)

// placeScanMax is how many states PlaceColumns looks at in one call, in rows.
const placeScanMax = 20_000

// PlaceColumns writes values that came for columns of a table before this site's
// table had them, of up to limit rows, as one transaction. from is nil at first
// and then what the call before returned as next; nil for the end. After an error
// next says where to go on without these rows.
func (r *Replica) PlaceColumns(ctx context.Context, table string, columns []string, from []byte, limit int) (next []byte, err error) {
	if err := r.begin(ctx); err != nil {
		return from, err
	}
	prefix := appendString([]byte{keyState}, table)
	if from == nil {
		from = prefix
	}
	ids, next, err := r.withColumns(from, prefix, columns, min(limit, r.limits.groupRows))
	if err != nil || len(ids) == 0 {
		return next, err
	}
	if err := r.retryRows(ctx, ids, 0); err != nil {
		return next, fmt.Errorf("write the values of new columns of table %s: %w", table, err)
	}
	return next, nil
}

// withColumns returns some rows in their table with whose states values of the
// columns wait, from a key on, and where to go on; nil for the end.
func (r *Replica) withColumns(lower, prefix []byte, columns []string, limit int) (ids []merge.RowID, next []byte, err error) {
	var bad error
	seen := 0
	err = r.cfg.Store.Scan(lower, kv.After(prefix), func(k, v []byte) bool {
		if len(ids) >= limit || seen >= placeScanMax {
			next = bytes.Clone(k)
			return false
		}
		seen++
		s, err := r.names.decodeState(v)
		if err != nil {
			bad = err
			return false
		}
		if !s.Dead() && slices.ContainsFunc(s.Columns, func(c string) bool { return slices.Contains(columns, c) }) {
			ids = append(ids, rowIDs(k)[0])
		}
		return true
	})
	if err == nil {
		err = bad
	}
	return ids, next, err
}

// liveMax is how many states HasLive looks at, in rows.
const liveMax = 10_000

// HasLive reports whether the store knows of a row that is in its table. It
// looks at the first states only: of a table of which very many rows were
// deleted it may not find one.
func (r *Replica) HasLive(table string) (has bool, err error) {
	prefix := appendString([]byte{keyState}, table)
	seen := 0
	var bad error
	err = r.cfg.Store.Scan(prefix, kv.After(prefix), func(_, v []byte) bool {
		s, err := r.names.decodeState(v)
		if err != nil {
			bad = err
			return false
		}
		seen++
		has = !s.Dead() && s.Place == merge.InDatabase
		return !has && seen < liveMax
	})
	if err == nil {
		err = bad
	}
	return has, err
}
