package sim

import (
	"context"
	"errors"
	"time"

	"baraza/gossip"
	"baraza/merge"
	"baraza/node/replica"
)

// The engine's timing, as in node.
const (
	pollInterval  = 10 * time.Millisecond
	retryInterval = 5 * time.Second
	failedBackoff = 200 * time.Millisecond
	stepMin       = 500 * time.Microsecond
	stepSpread    = 4 * time.Millisecond
	groupRowsFull = 4000
	// syncMin and syncSpread are how long the disk takes to sync.
	syncMin, syncSpread = time.Millisecond, 10 * time.Millisecond
)

// engine is what captures and applies in turn. In production it polls; here it
// is called when there is something to do, and every retryInterval.
type engine struct {
	at        time.Duration // of the next step
	limit     int
	unsettled bool
	lastRetry time.Duration
}

func (s *Site) startEngine() {
	s.engine = engine{at: never, limit: groupRowsFull, lastRetry: s.w.now}
	s.nudge(0)
}

// nudge makes the engine work within a while.
func (s *Site) nudge(in time.Duration) {
	at := s.w.now + in
	if at >= s.engine.at {
		return
	}
	s.engine.at = at
	s.while(in, func() {
		if s.engine.at == at {
			s.engine.at = never
			s.work()
		}
	})
}

// committed tells that an application wrote: the next poll finds it.
func (s *Site) committed() {
	if s.up {
		s.nudge(time.Duration(s.rnd.Int64N(int64(pollInterval))))
	}
}

// work does a step and plans the next.
func (s *Site) work() {
	worked, err := s.step()
	s.stepped()
	switch {
	case errors.Is(err, replica.ErrCaptureFirst):
		worked = true
	case errors.Is(err, merge.ErrRetry) && !s.breaker.down:
		s.engine.limit = max(s.engine.limit/4, 1)
		worked = true
	case err != nil:
		if s.survived(err) {
			s.engine.unsettled = true
			s.nudge(failedBackoff)
		}
		return
	}
	if !s.survived(nil) || s.w.err != nil {
		return
	}
	if worked {
		s.nudge(stepMin + time.Duration(s.rnd.Int64N(int64(stepSpread))))
	} else {
		s.nudge(retryInterval)
	}
}

// step captures once and applies once, as node's engine does.
func (s *Site) step() (bool, error) {
	ctx := context.Background()
	if s.engine.unsettled {
		if err := s.r.Settle(ctx); err != nil {
			return false, err
		}
		s.engine.unsettled = false
		s.w.fail(s.check())
		s.advanced()
	}
	n, err := s.r.Capture(ctx)
	if n > 0 {
		s.w.note("%s captures %d", s, n)
		s.w.fail(s.check())
		s.advanced()
	}
	if err != nil {
		return false, err
	}
	res, err := s.r.Apply(ctx, s.engine.limit)
	if err != nil {
		return false, err
	}
	if res.Batches > 0 || res.Local > 0 {
		s.w.note("%s applies %d changes of %d batches, %d local", s, res.Changes, res.Batches, res.Local)
		s.w.fail(s.check())
		s.engine.limit = min(2*s.engine.limit, groupRowsFull)
		if res.Local > 0 {
			s.advanced()
		}
	}
	if s.w.now-s.engine.lastRetry >= retryInterval {
		s.engine.lastRetry = s.w.now
		if err := s.r.Retry(ctx); err != nil && !errors.Is(err, merge.ErrRetry) {
			return false, err
		}
		s.w.fail(s.check())
	}
	return n > 0 || res.Batches > 0 || res.Woken > 0, nil
}

// arrival is a message of entries that waits to be stored.
type arrival struct {
	from *Site
	gossip.Entries
}

// storer stores what comes in: all that arrives while the disk is busy goes
// together.
type storer struct {
	list []arrival
	busy bool
}

func (s *Site) store() {
	if s.storer.busy || len(s.storer.list) == 0 {
		return
	}
	group := s.storer.list
	s.storer.list = nil
	var runs []gossip.Entries
	for _, a := range group {
		e, err := s.p.Handle(a.from.id, a.Entries, s.instant())
		if err != nil {
			s.w.fail(err)
			return
		}
		runs = join(runs, e)
	}
	s.pump() // a gap is answered at once
	if len(runs) == 0 {
		return
	}
	s.storer.busy = true
	s.while(syncMin+time.Duration(s.rnd.Int64N(int64(syncSpread))), func() {
		s.storer.busy = false
		s.stored(runs)
	})
}

// join adds entries to the run of their origin.
func join(runs []gossip.Entries, e gossip.Entries) []gossip.Entries {
	if len(e.Payloads) == 0 {
		return runs
	}
	for i := range runs {
		if runs[i].Origin == e.Origin {
			runs[i].Payloads = append(runs[i].Payloads, e.Payloads...)
			return runs
		}
	}
	return append(runs, e)
}

// stored puts runs into the log, one origin at a time.
func (s *Site) stored(runs []gossip.Entries) {
	var failed []gossip.Entries
	for _, run := range runs {
		err := s.r.Log().Append(run.Origin, run.First, run.Payloads)
		if err != nil || s.breaker.down {
			if !s.survived(err) {
				return
			}
			failed = append(failed, run)
			continue
		}
		s.w.note("%s stores %s", s, run)
	}
	s.p.Advanced(s.r.Log().Vector(), s.instant())
	for _, run := range failed {
		s.p.StoreFailed(run.Origin, s.instant())
	}
	if len(failed) < len(runs) {
		s.nudge(0)
	}
	s.store()
	s.pump()
}
