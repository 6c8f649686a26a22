package replica

import (
	"context"
	"fmt"

	"baraza/internal/kv"
	"baraza/merge"
)

// forgetRows is how many rows one ForgetTable forgets, in rows.
const forgetRows = 1000

// ForgetTable drops some of what is kept of the rows of a table that no site has
// any more, and reports whether there is more.
func (r *Replica) ForgetTable(ctx context.Context, table string) (more bool, err error) {
	if t := r.cfg.Model.Tables[table]; t != nil || merge.IsSystem(table) {
		return false, fmt.Errorf("forget table %s: it is here", table)
	}
	if err := r.begin(ctx); err != nil {
		return false, err
	}
	prefix := appendString([]byte{keyState}, table)
	var ids []merge.RowID
	err = r.cfg.Store.Scan(prefix, kv.After(prefix), func(k, _ []byte) bool {
		ids = append(ids, rowIDs(k)[0])
		return len(ids) < forgetRows
	})
	if err != nil || len(ids) == 0 {
		return false, err
	}
	t := r.newTxn()
	if err := t.prefetch(ids); err != nil {
		return false, r.abandon(t, err)
	}
	for _, id := range ids {
		if err := t.Put(id, nil, nil); err != nil {
			return false, r.abandon(t, fmt.Errorf("forget table %s: %w", table, err))
		}
	}
	if err := t.commit(); err != nil {
		return false, r.abandon(t, fmt.Errorf("forget table %s: %w", table, err))
	}
	r.done(t)
	return len(ids) == forgetRows, nil
}
