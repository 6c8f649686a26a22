package bringup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"baraza/merge"
	"baraza/node/replica"
)

// How often one row is tried when the database asks for it, and the wait
// between.
const (
	retriesMax = 50
	retryWait  = 20 * time.Millisecond
)

// fillingMax is how many chunks the database takes in at a time: while one waits
// for the disk, or for this process, the other does not.
const fillingMax = 2

// chunks takes over rows until the member has sent all. Rows of a table for
// which wrong is true have no place there.
func (f *fetcher) chunks(ctx context.Context, wrong func(table string) bool) error {
	err := f.readAhead(func(a *arrival) error {
		if a.chunk == nil {
			f.tell("receive", a.rows, f.at.RowsTotal)
			return nil
		}
		if wrong(a.chunk.Table) {
			return fmt.Errorf("the member sent rows of table %s, for which it was not asked", a.chunk.Table)
		}
		if err := f.take(ctx, a.chunk); err != nil {
			return err
		}
		f.tell("receive", a.rows, f.at.RowsTotal)
		return nil
	})
	if err == nil {
		err = f.settle(ctx, 0)
	}
	for _, c := range f.filling { // after an error: none goes on without us
		_, _ = c.Settle()
	}
	f.filling = nil
	return err
}

// take takes a chunk over, in the background where that can be.
func (f *fetcher) take(ctx context.Context, c *replica.Chunk) error {
	if err := f.settle(ctx, fillingMax-1); err != nil {
		return err
	}
	filling, err := f.bringUp.Fill(ctx, c)
	if err != nil {
		return err
	}
	if filling != nil {
		f.filling = append(f.filling, filling)
		return nil
	}
	if err := f.settle(ctx, 0); err != nil {
		return err
	}
	return f.put(ctx, c)
}

// settle waits until no more chunks than that are under way. What the database
// did not take is taken over in the foreground, when nothing else is under way.
func (f *fetcher) settle(ctx context.Context, most int) error {
	var again []*replica.Chunk
	for len(f.filling) > most {
		first := f.filling[0]
		f.filling = f.filling[1:]
		done, err := first.Settle()
		if err != nil {
			return err
		}
		if !done {
			again, most = append(again, first.Chunk), 0
		}
	}
	for _, c := range again {
		if err := f.put(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// put takes a chunk over, in smaller pieces where the database asks to try
// again.
func (f *fetcher) put(ctx context.Context, c *replica.Chunk) error {
	for try := 1; ; try++ {
		err := f.bringUp.Put(ctx, c)
		if err == nil || !errors.Is(err, merge.ErrRetry) || try == retriesMax {
			return err
		}
		if len(c.Items) > 1 {
			for _, half := range c.Halves() {
				if err := f.put(ctx, half); err != nil {
					return err
				}
			}
			return nil
		}
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
