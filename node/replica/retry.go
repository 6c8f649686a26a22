package replica

import (
	"context"
	"slices"

	"baraza/merge"
)

// retryRowsMax is how many rows one Retry tries, in rows.
const retryRowsMax = 200

// Retry tries once more to place rows that wait, are held or are set aside, in
// a transaction of its own. Each call takes the rows after those of the call
// before, so that rows which cannot be placed do not keep others from it.
func (r *Replica) Retry(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	ids, err := r.nextRetry(retryRowsMax)
	if err != nil {
		return err
	}
	woken := min(len(r.wake), r.limits.groupRows)
	return r.retryRows(ctx, append(ids, r.wake[:woken]...), woken)
}

func (r *Replica) retryRows(ctx context.Context, ids []merge.RowID, woken int) error {
	if len(ids) == 0 {
		return nil
	}
	g := r.newGroup()
	g.retry, g.woken = ids, woken
	_, err := r.applyGroup(ctx, g)
	return err
}

// RetryAll goes once round all rows that wait, are held or are set aside. After
// an error it may be called again, and goes on where it was.
func (r *Replica) RetryAll(ctx context.Context) error {
	for {
		if err := r.begin(ctx); err != nil {
			return err
		}
		before := r.retried
		ids, err := r.nextRetry(max(r.limits.groupRows/2, 1))
		if err != nil {
			return err
		}
		if err := r.retryRows(ctx, ids, 0); err != nil {
			r.retried = before
			return err
		}
		if r.retried == nil {
			return nil
		}
	}
}

// RetrySome goes on round all rows that wait, are held or are set aside, by up to
// limit rows; first begins a new round. done is the end of it. After an error the
// same rows come again, but for a single one, which is passed over: Retry finds it.
func (r *Replica) RetrySome(ctx context.Context, first bool, limit int) (done bool, err error) {
	if err := r.begin(ctx); err != nil {
		return false, err
	}
	if first {
		r.retried = nil
	}
	before := r.retried
	ids, err := r.nextRetry(min(limit, max(r.limits.groupRows/2, 1)))
	if err != nil {
		return false, err
	}
	if err := r.retryRows(ctx, ids, 0); err != nil {
		if limit > 1 {
			r.retried = before
		}
		return false, err
	}
	return r.retried == nil, nil
}

// nextRetry returns the next rows of the indexes, beginning anew at the end.
func (r *Replica) nextRetry(limit int) ([]merge.RowID, error) {
	var ids []merge.RowID
	for _, kind := range []byte{keyAside, keyWaiting} {
		lower := []byte{kind}
		if slices.Compare(lower, r.retried) < 0 {
			lower = append(slices.Clone(r.retried), 0)
		}
		if len(ids) >= limit || lower[0] > kind {
			continue
		}
		err := r.cfg.Store.Scan(lower, []byte{kind + 1}, func(k, _ []byte) bool {
			all := rowIDs(k)
			ids = append(ids, all[len(all)-1])
			r.retried = slices.Clone(k)
			return len(ids) < limit
		})
		if err != nil {
			return nil, err
		}
	}
	if len(ids) < limit {
		r.retried = nil
	}
	return ids, nil
}
