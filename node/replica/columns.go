package replica

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"baraza/internal/kv"
	"baraza/merge"
)

// PlaceColumns writes the values that came for columns of a table before this
// site's table had them.
func (r *Replica) PlaceColumns(ctx context.Context, table string, columns []string) error {
	prefix := appendString([]byte{keyState}, table)
	for lower := prefix; lower != nil; {
		var ids []merge.RowID
		var err error
		if ids, lower, err = r.withColumns(lower, prefix, columns); err != nil {
			return err
		}
		if len(ids) == 0 {
			continue
		}
		err = r.persist(ctx, func() error {
			g := r.newGroup()
			g.retry = ids
			_, err := r.applyGroup(ctx, g)
			return err
		})
		if err != nil {
			return fmt.Errorf("write the values of new columns of table %s: %w", table, err)
		}
	}
	return nil
}

// withColumns returns some rows in their table with whose states values of the
// columns wait, from a key on, and where to go on; nil for the end.
func (r *Replica) withColumns(lower, prefix []byte, columns []string) (ids []merge.RowID, next []byte, err error) {
	var bad error
	err = r.cfg.Store.Scan(lower, kv.After(prefix), func(k, v []byte) bool {
		if len(ids) >= r.limits.groupRows {
			next = bytes.Clone(k)
			return false
		}
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
