package replica

import (
	"context"
	"errors"
	"time"

	"baraza/merge"
)

// The timing of a Driver.
const (
	// PollInterval is how often the database is asked for local changes when
	// there is nothing else to do.
	PollInterval = 10 * time.Millisecond
	// RetryInterval is how often held and set-aside rows are tried again.
	RetryInterval = 5 * time.Second
	// BackoffMin and BackoffMax bound the wait before a database, or a store,
	// that failed is tried again.
	BackoffMin = 200 * time.Millisecond
	BackoffMax = 10 * time.Second
	// retriesMax is how often in a row a transaction that the database asks to
	// retry is tried before the driver backs off.
	retriesMax = 20
	// adoptTries is how often in a row Driver.Adopt may fail before the site applies what
	// others wrote to its other tables all the same: one table never stops the others.
	adoptTries = 5
	// groupRowsFull is the row limit of an apply transaction; after a deadlock
	// or a lock wait smaller groups are tried.
	groupRowsFull = 4000
)

// Driver says in which order a site works on its database: settle what a
// failure left, capture, adopt new tables, apply, now and then try rows once more; how large a
// transaction is and how long to wait for the next step. The caller gives the
// time, which may count from any moment, and waits.
type Driver struct {
	Replica *Replica
	// Capture stands for Replica.Capture, where captures have a pace of their
	// own; nil for that.
	Capture func(ctx context.Context) (int, error)
	// Adopt publishes the rows of the tables that Replica.Untold names. It is called before
	// anything is applied while there are any. Nil where that never happens.
	Adopt func(ctx context.Context) error
	// Settled is called when what a failure left is cleared up: the step that
	// failed may have logged something all the same. Captured is called when the
	// own log has grown by so many changes, Applied after a transaction of
	// remote changes or with local ones taken on the way, Retried after rows
	// were tried once more. Nil for none.
	Settled  func()
	Captured func(changes int)
	Applied  func(Result)
	Retried  func()
	// Recover is called in place of all that while the database, which was set
	// back, is to be brought up again. It reports whether it did something.
	Recover func(ctx context.Context) (bool, error)

	limit     int
	retries   int
	adopting  int // failures of Adopt in a row
	backoff   time.Duration
	unsettled bool
	retriedAt time.Duration
}

// Step captures once and applies once. It reports whether there is more to do
// at once.
func (d *Driver) Step(ctx context.Context, now time.Duration) (more bool, err error) {
	if d.limit == 0 {
		d.limit = groupRowsFull
	}
	if d.unsettled {
		if err := d.Replica.Settle(ctx); err != nil {
			return false, err
		}
		d.unsettled = false
		call(d.Settled)
	}
	if _, yes := d.Replica.Recovering(); yes && d.Recover != nil {
		return d.Recover(ctx)
	}
	capture := d.Capture
	if capture == nil {
		capture = d.Replica.Capture
	}
	n, err := capture(ctx)
	if n > 0 && d.Captured != nil { // logged, even where the database did not let go of its rows
		d.Captured(n)
	}
	if err != nil {
		return false, err
	}
	if err := d.adopt(ctx); err != nil {
		return false, err
	}
	res, err := d.Replica.Apply(ctx, d.limit)
	if err != nil {
		return false, err
	}
	if res.Batches > 0 {
		d.retries, d.limit = 0, min(2*d.limit, groupRowsFull)
	}
	if (res.Batches > 0 || res.Local > 0) && d.Applied != nil {
		d.Applied(res)
	}
	if now-d.retriedAt >= RetryInterval {
		d.retriedAt = now
		if err := d.Replica.Retry(ctx); err != nil && !errors.Is(err, merge.ErrRetry) {
			return false, err
		}
		call(d.Retried)
	}
	return res.Batches > 0 || res.Woken > 0, nil
}

// adopt publishes the tables that are new here. As long as it fails the step fails with it,
// so that nothing is applied: not to these tables, whose rows nobody would know of that
// are overwritten, nor to others, where a delete may take such rows along (R4). After
// adoptTries it is only every other step that fails, and the replica leaves these tables alone.
func (d *Driver) adopt(ctx context.Context) error {
	if d.Adopt == nil || len(d.Replica.Untold()) == 0 {
		d.adopting = 0
		return nil
	}
	if d.adopting >= adoptTries && d.adopting%2 == 0 {
		d.adopting++
		return nil
	}
	err := d.Adopt(ctx)
	if err != nil {
		d.adopting++
	}
	return err
}

// Failed says how long to wait after a step that failed, and whether that is
// because something is wrong: a transaction that is to be tried again, or after
// the local changes, is none.
func (d *Driver) Failed(err error) (wait time.Duration, wrong bool) {
	switch {
	case errors.Is(err, ErrCaptureFirst):
		return 0, false
	case errors.Is(err, merge.ErrRetry) && d.retries < retriesMax:
		d.retries++
		d.limit = max(d.limit/4, 1)
		return time.Duration(d.retries) * time.Millisecond, false
	}
	d.unsettled = true
	d.backoff = min(max(2*d.backoff, BackoffMin), BackoffMax)
	return d.backoff, true
}

// Worked tells that a step went well, and reports whether the one before it did
// not.
func (d *Driver) Worked() (again bool) {
	again = d.backoff > 0
	d.backoff = 0
	return again
}

func call(f func()) {
	if f != nil {
		f()
	}
}
