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

// changeInterval is how long the tables are not read again after they were.
const changeInterval = time.Second

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
	// watch looks now and then whether the tables are still those of the model;
	// more: it is to go on at once.
	watch func(context.Context) (more bool, err error)
	// adopt is called when tables came whose rows here no other site knows of.
	adopt func(context.Context) error
	// changed is called when the tables are not those of the model any more.
	changed func(context.Context) error

	// tend drops what is not needed any more; more: it is to go on at once.
	tend func(context.Context) (more bool, err error)

	wake     chan struct{}
	requests chan func()
	done     chan struct{}

	pace       pace
	driver     replica.Driver
	started    time.Time
	lastChange time.Time
	lastTend   time.Time
	databaseUp atomic.Bool
	lastError  atomic.Value // string
}

func newEngine(r *replica.Replica, log *slog.Logger) *engine {
	e := &engine{
		replica: r, log: log, started: time.Now(),
		wake: make(chan struct{}, 1), requests: make(chan func()), done: make(chan struct{}),
		grown: func() {}, applied: func(replica.Result) {},
		changed: func(context.Context) error { return nil }, adopt: func(context.Context) error { return nil }, watch: func(context.Context) (bool, error) { return false, nil },
		recover: func(context.Context) (bool, error) { return false, nil }, look: func() {}, failed: func(error) {},
		tend: func(context.Context) (bool, error) { return false, nil },
	}
	e.driver = replica.Driver{
		Replica: r, Capture: e.capture,
		Settled:  func() { e.grown() },
		Captured: func(int) { e.grown() },
		Recover:  func(ctx context.Context) (bool, error) { return e.recover(ctx) },
		Adopt:    func(ctx context.Context) error { return e.adopt(ctx) },
		Retried:  func() { e.grown() }, // it may have taken local changes on its way
		Applied: func(res replica.Result) {
			if res.Local > 0 {
				e.grown()
			}
			if res.Batches > 0 {
				e.applied(res)
			}
		},
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
	if err == nil {
		if e.driver.Worked() {
			e.log.Info("the database works again")
			e.lastError.Store("")
			e.databaseUp.Store(true)
		}
		if worked {
			return 0
		}
		return replica.PollInterval
	}
	if errors.Is(err, replica.ErrStoreBehind) {
		e.failed(err)
	}
	if errors.Is(err, replica.ErrCaptureFirst) {
		e.pace.due = time.Time{}
	}
	wait, wrong := e.driver.Failed(err)
	if wrong {
		if e.lastError.Swap(err.Error()) != err.Error() {
			e.log.Warn("cannot work on the database, trying again", "error", err, "again_in", wait)
		}
		e.databaseUp.Store(false)
	}
	return wait
}

// step captures once and applies once. It reports whether there is more to do.
func (e *engine) step(ctx context.Context) (bool, error) {
	e.look()
	more, err := e.driver.Step(ctx, time.Since(e.started))
	if err != nil {
		return e.adoptSchema(ctx, err)
	}
	if _, held := e.replica.Recovering(); !held {
		goOn, err := e.watch(ctx)
		if err != nil {
			return false, err
		}
		more = more || goOn
	}
	if time.Since(e.lastTend) > tendInterval {
		goOn, err := e.tend(ctx)
		if err != nil {
			return false, err
		}
		if !goOn {
			e.lastTend = time.Now()
		}
	}
	return more, nil
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
