package memdb

import (
	"context"
	"errors"
	"fmt"

	"baraza/capture"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// tx implements merge.Tx.
type tx struct {
	db       *DB
	released capture.IDs
	mark     merge.Mark
	marked   bool
}

var errDone = errors.New("memdb: the transaction has ended; begin another")

// step is the beginning of every call: it finds the table and asks for faults.
func (x *tx) step(ctx context.Context, s Step, def *schema.Table) (*table, error) {
	if x.db.open != x {
		return nil, errDone
	}
	if err := x.db.fault(ctx, s); err != nil {
		return nil, err
	}
	if def == nil {
		return nil, nil
	}
	return x.db.table(def.Name)
}

func (x *tx) Lock(ctx context.Context, def *schema.Table, keys []crdt.Key) ([]merge.Row, error) {
	t, err := x.step(ctx, StepLock, def)
	if err != nil {
		return nil, err
	}
	rows := cut(&x.db.rows, len(keys))[:0]
	for _, key := range keys {
		if r := t.rows[key]; r != nil {
			rows = append(rows, t.portableIn(cut(&x.db.values, len(t.shipped)), r))
		}
	}
	return rows, nil
}

// cutItems is how many items cut takes memory for at a time.
const cutItems = 128

// cut returns room for n items, cut from what there is.
func cut[T any](room *[]T, n int) []T {
	if len(*room) < n {
		*room = make([]T, max(n, cutItems))
	}
	some := (*room)[:n:n]
	*room = (*room)[n:]
	return some
}

func (x *tx) Resolve(ctx context.Context, def *schema.Table, keys []crdt.Key) ([]bool, error) {
	t, err := x.step(ctx, StepResolve, def)
	if err != nil {
		return nil, err
	}
	found := make([]bool, len(keys))
	for i, key := range keys {
		found[i] = t.rows[key] != nil
	}
	return found, nil
}

// Update tries rows again whose unique value was taken, as long as another row
// of the call may have let go of it.
func (x *tx) Update(ctx context.Context, def *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	t, err := x.step(ctx, StepUpdate, def)
	if err != nil {
		return nil, err
	}
	var final []merge.RowError
	for {
		var taken []merge.RowError
		var again []merge.Row
		for _, row := range rows {
			r := t.rows[row.Key]
			if r == nil {
				return nil, fmt.Errorf("memdb: update %s: no row %s; lock it first", def.Name, row.Key)
			}
			bad := x.db.update(t, r, row, nil)
			switch {
			case bad == nil:
			case bad.why == merge.RefusedDuplicate:
				taken, again = append(taken, bad.of(row.Key)), append(again, row)
			default:
				final = append(final, bad.of(row.Key))
			}
		}
		if len(again) == 0 || len(again) == len(rows) {
			return append(final, taken...), nil
		}
		rows = again
	}
}

// Delete removes rows that may refer to each other: such references are taken
// away first. As a refused row keeps its references, everything is taken back
// and tried again without those that were refused. A row that is gone already
// is no error.
func (x *tx) Delete(ctx context.Context, def *schema.Table, keys []crdt.Key) ([]merge.RowError, error) {
	t, err := x.step(ctx, StepDelete, def)
	if err != nil {
		return nil, err
	}
	self := t.self
	var refused []merge.RowError
	for len(keys) > 0 {
		before := len(x.db.undo)
		for _, key := range keys {
			x.unlink(t, t.rows[key], self)
		}
		var good []crdt.Key
		for _, key := range keys {
			r := t.rows[key]
			if r == nil {
				continue
			}
			mark := len(x.db.undo)
			if bad := x.db.delete(t, r, nil); bad != nil {
				x.db.undoTo(mark)
				refused = append(refused, bad.of(key))
				continue
			}
			good = append(good, key)
		}
		if len(self) == 0 || len(good) == len(keys) {
			break
		}
		x.db.undoTo(before)
		keys = good
	}
	return refused, nil
}

// unlink makes a row's references to its own table NULL.
func (x *tx) unlink(t *table, r *record, self selfReferences) {
	if r == nil || len(self) == 0 {
		return
	}
	vals := t.copyOf(r.vals)
	for column := range self {
		vals[column] = crdt.Null
	}
	x.db.set(t, r, vals)
}

func (x *tx) Release(ctx context.Context, ids capture.IDs) error {
	_, err := x.step(ctx, StepRelease, nil)
	if err == nil {
		x.released = append(x.released, ids...)
	}
	return err
}

func (x *tx) SetMark(ctx context.Context, before, after merge.Mark) error {
	if _, err := x.step(ctx, StepMark, nil); err != nil {
		return err
	}
	if x.db.mark != before {
		return fmt.Errorf("%w: its mark is %v, not %v", merge.ErrSetBack, x.db.mark, before)
	}
	x.mark, x.marked = after, true
	return nil
}

func (x *tx) Commit() error {
	if _, err := x.step(context.Background(), StepCommit, nil); err != nil {
		_ = x.Rollback()
		return err
	}
	x.db.commit()
	x.db.log.release(x.released)
	if x.marked {
		x.db.mark = x.mark
	}
	x.db.open = nil
	return x.db.fault(context.Background(), StepCommitted)
}

// Rollback after the end of the transaction does nothing.
func (x *tx) Rollback() error {
	if x.db.open == x {
		x.db.undoTo(0)
		x.db.open = nil
	}
	return nil
}
