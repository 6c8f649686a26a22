package sqldb

import (
	"context"
	"fmt"
	"sync"

	"baraza/merge"
	"baraza/schema"
)

// InsertBehind implements merge.Behind.
func (x *tx) InsertBehind(ctx context.Context, def *schema.Table, rows []merge.Row) (wait func() error) {
	ended := make(chan error, 1)
	go func() { ended <- x.insertAll(ctx, def, rows) }()
	return sync.OnceValue(func() error { return <-ended })
}

// insertAll inserts all rows and commits, or rolls back.
func (x *tx) insertAll(ctx context.Context, def *schema.Table, rows []merge.Row) error {
	refused, err := x.Insert(ctx, def, rows)
	if err == nil && len(refused) > 0 {
		err = fmt.Errorf("%w, row %s: %s", merge.ErrRefused, refused[0].Key, refused[0].Detail)
	}
	if err != nil {
		_ = x.Rollback() // the first error is the one to report
		return err
	}
	return x.Commit()
}
