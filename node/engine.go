package node

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"baraza/capture/trigger"
	"baraza/merge"
	"baraza/node/replica"
)

// The engine's timing.
const (
	// pollInterval is how often the database is asked for local changes when
	// there is nothing else to do.
	pollInterval = 10 * time.Millisecond
	// retryInterval is how often held and set-aside rows are tried again.
	retryInterval = 5 * time.Second
	// changeInterval is how long the tables are not read again after they were.
	changeInterval = time.Second
	// databaseBackoffMin and Max bound the wait before a database that failed
	// is tried again.
	databaseBackoffMin = 200 * time.Millisecond
	databaseBackoffMax = 10 * time.Second
	// retriesMax is how often in a row a transaction that the database asks to
	// retry is tried before the engine backs off.
	retriesMax = 20
)

// groupRowsFull is the row limit of an apply transaction; after a deadlock or
// a lock wait smaller groups are tried.
const groupRowsFull = 4000

// engine is the one goroutine that works on the database: it captures local
// changes and applies remote ones in turn. Everything that needs the replica
// runs on it (do).
type engine struct {
	replica *replica.Replica
	log     *slog.Logger
	// grown is called when the own log has grown; applied when remote changes
	// were applied.
	grown   func()
	applied func(replica.Result)
	// recover is called while the database is to be brought up again, look at
	// every step; failed when the site cannot go on.
	recover func(context.Context) (bool, error)
	look    func()
	failed  func(error)
	// changed is called when the tables are not those of the model any more.
	changed func(context.Context) error

	wake     chan struct{}
	requests chan func()
	done     chan struct{}

	pace       pace
	limit      int
	retries    int
	backoff    time.Duration
	unsettled  bool
	lastRetry  time.Time
	lastChange time.Time
	databaseUp atomic.Bool
	lastError  atomic.Value // string
}

func newEngine(r *replica.Replica, log *slog.Logger) *engine {
	e := &engine{
		replica: r, log: log, limit: groupRowsFull,
		wake: make(chan struct{}, 1), requests: make(chan func()), done: make(chan struct{}),
		grown: func() {}, applied: func(replica.Result) {},
		changed: func(context.Context) error { return nil },
		recover: func(context.Context) (bool, error) { return false, nil }, look: func() {}, failed: func(error) {},
	}
	e.databaseUp.Store(true)
	e.lastError.Store("")
	return e
}

// nudge tells the engine that there may be something to apply.
func (e *engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// do runs f on the engine's goroutine and waits for it.
func (e *engine) do(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	select {
	case e.requests <- func() { result <- f() }:
	case <-e.done:
		return errors.New("this site is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run works until the context ends. An error of the database is survived with
// back-off; an error that says the store is damaged is too, and shown, since
// nothing is lost by trying again.
func (e *engine) run(ctx context.Context) {
	defer close(e.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-e.requests:
			f()
			continue
		default:
		}
		worked, err := e.step(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := e.outcome(worked, err)
		if wait == 0 {
			continue
		}
		timer.Reset(wait)
		wake := e.wake
		if err != nil {
			wake = nil // a failing database is not tried faster because work comes in
		}
		select {
		case <-ctx.Done():
			return
		case f := <-e.requests:
			f()
		case <-wake:
		case <-timer.C:
		}
	}
}

// outcome says how long to wait before the next step.
func (e *engine) outcome(worked bool, err error) time.Duration {
	switch {
	case err == nil:
		if e.backoff > 0 {
			e.log.Info("the database works again")
			e.backoff = 0
			e.lastError.Store("")
			e.databaseUp.Store(true)
		}
		if worked {
			return 0
		}
		return pollInterval
	case errors.Is(err, replica.ErrCaptureFirst):
		e.pace.due = time.Time{}
		return 0
	case errors.Is(err, merge.ErrRetry) && e.retries < retriesMax:
		e.retries++
		e.limit = max(e.limit/4, 1)
		return time.Duration(e.retries) * time.Millisecond
	}
	if errors.Is(err, replica.ErrStoreBehind) {
		e.failed(err)
	}
	e.unsettled = true
	e.backoff = min(max(2*e.backoff, databaseBackoffMin), databaseBackoffMax)
	if e.lastError.Swap(err.Error()) != err.Error() {
		e.log.Warn("cannot work on the database, trying again", "error", err, "again_in", e.backoff)
	}
	e.databaseUp.Store(false)
	return e.backoff
}

// step captures once and applies once. It reports whether there was anything
// to do.
func (e *engine) step(ctx context.Context) (bool, error) {
	if e.unsettled {
		if err := e.replica.Settle(ctx); err != nil {
			return false, err
		}
		e.unsettled = false
		e.grown() // the step that failed may have logged something all the same
	}
	e.look()
	if _, yes := e.replica.Recovering(); yes {
		return e.recover(ctx)
	}
	n, err := e.capture(ctx)
	if n > 0 { // logged, even where the database did not let go of its rows
		e.grown()
	}
	if err != nil {
		return e.adoptSchema(ctx, err)
	}
	res, err := e.replica.Apply(ctx, e.limit)
	if err != nil {
		return e.adoptSchema(ctx, err)
	}
	if res.Local > 0 {
		e.grown()
	}
	if res.Batches > 0 {
		e.retries, e.limit = 0, min(2*e.limit, groupRowsFull)
		e.applied(res)
	}
	if time.Since(e.lastRetry) > retryInterval {
		e.lastRetry = time.Now()
		if err := e.retryRows(ctx); err != nil {
			return e.adoptSchema(ctx, err)
		}
	}
	return res.Batches > 0 || res.Woken > 0, nil
}

// capture captures if it is due.
func (e *engine) capture(ctx context.Context) (int, error) {
	began := time.Now()
	if began.Before(e.pace.due) {
		return 0, nil
	}
	n, err := e.replica.Capture(ctx)
	e.pace.after(began, time.Now(), n)
	return n, err
}

// adoptSchema reads the tables again when that is what an error asks for. It
// reports whether it did, and returns the error if not, or if that has just
// been done to no avail.
func (e *engine) adoptSchema(ctx context.Context, err error) (bool, error) {
	asks := errors.Is(err, trigger.ErrSchemaChanged) || errors.Is(err, merge.ErrSchemaChanged)
	if !asks || time.Since(e.lastChange) < changeInterval {
		return false, err
	}
	e.lastChange = time.Now()
	err = e.changed(ctx)
	return err == nil, err
}

func (e *engine) retryRows(ctx context.Context) error {
	err := e.replica.Retry(ctx)
	if errors.Is(err, merge.ErrRetry) {
		return nil // next time
	}
	return err
}
