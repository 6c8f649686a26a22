package sim

import (
	"context"
	"time"

	"baraza/clock"
	"baraza/gossip"
	"baraza/node/replica"
)

// How long things take.
const (
	stepMin    = 500 * time.Microsecond
	stepSpread = 4 * time.Millisecond
	// syncMin and syncSpread are how long the disk takes to sync.
	syncMin, syncSpread = time.Millisecond, 10 * time.Millisecond
)

// engine is what captures and applies in turn. In production it polls; here it
// is called when there is something to do, and every replica.RetryInterval.
type engine struct {
	at     time.Duration // of the next step
	driver replica.Driver
	// lastTend and lastWord are when the site last dropped what it could, and
	// said what it has applied.
	lastTend, lastWord time.Duration
	// waits: it waits for the lock of an application.
	waits bool
}

func (s *Site) startEngine() {
	s.engine = engine{at: never, lastTend: s.w.now, lastWord: s.w.now, driver: replica.Driver{
		Replica: s.r,
		Adopt:   s.adoptTables,
		Settled: s.grown,
		Captured: func(n int) {
			s.w.note("%s captures %d", s, n)
			s.noteLogged()
			s.grown()
		},
		Applied: func(res replica.Result) {
			s.w.note("%s applies %d changes of %d batches, %d local", s, res.Changes, res.Batches, res.Local)
			if res.System {
				s.tellMembers()
			}
			s.w.fail(s.check())
			if res.Local > 0 {
				s.noteLogged()
				s.advanced()
			}
		},
		Retried: func() {
			s.retried()
			s.grown() // it may have taken local changes on its way
		},
		Recover: func(context.Context) (bool, error) { s.recover(); return false, nil },
	}}
	s.nudge(0)
}

// grown is called when the own log has grown, or may have.
func (s *Site) grown() {
	s.w.fail(s.check())
	s.advanced()
}

// nudge makes the engine work within a while.
func (s *Site) nudge(in time.Duration) {
	at := s.w.now + in
	if at >= s.engine.at {
		return
	}
	s.engine.at = at
	s.while(in, s.turn)
}

// worked is the engine's turn, unless an earlier one took its place.
func (s *Site) worked() {
	if s.engine.at == s.w.now {
		s.engine.at = never
		s.work()
	}
}

// committed tells that an application wrote: the next poll finds it.
func (s *Site) committed() {
	if s.up {
		s.nudge(time.Duration(s.rnd.Int64N(int64(replica.PollInterval))))
	}
}

// work does a step and plans the next.
func (s *Site) work() {
	if s.fetch != nil || s.engine.waits {
		return // it goes on when that ends
	}
	if s.r.BringingUp() {
		s.bringUp()
		s.nudge(bringUpPause + s.stepTakes())
		return
	}
	d := &s.engine.driver
	more, err := d.Step(context.Background(), s.w.now-s.booted)
	if err == nil && s.fetch == nil {
		var goOn bool
		goOn, err = s.tend()
		more = more || goOn
	}
	s.stepped()
	if err == nil {
		d.Worked()
		s.halfway = false
		s.judge()
		if !s.survived(nil) || s.w.err != nil {
			return
		}
		if more {
			s.nudge(s.stepTakes())
		} else {
			s.nudge(replica.RetryInterval)
		}
		return
	}
	s.placing.forgotten, s.halfway = true, true
	wait, wrong := d.Failed(err)
	if !wrong {
		err = nil
	}
	if s.survived(err) && s.w.err == nil {
		s.nudge(wait + s.stepTakes())
	}
}

// stepTakes is how long a step takes.
func (s *Site) stepTakes() time.Duration {
	return stepMin + time.Duration(s.rnd.Int64N(int64(stepSpread)))
}

// arrival is a message of entries that waits to be stored.
type arrival struct {
	from clock.SiteID
	gossip.Entries
}

// storer stores what comes in: all that arrives while the disk is busy goes
// together.
type storer struct {
	list []arrival
	runs []gossip.Entries // that the disk is busy with
	busy bool
}

func (s *Site) store() {
	if s.storer.busy || len(s.storer.list) == 0 {
		return
	}
	group, runs := s.storer.list, s.storer.runs[:0]
	s.storer.list = nil
	for _, a := range group {
		e, err := s.p.Handle(a.from, a.Entries, s.instant())
		if err != nil {
			s.w.fail(err)
			return
		}
		runs = join(runs, e)
	}
	s.storer.runs = runs
	if s.storer.list == nil {
		clear(group)
		s.storer.list = group[:0]
	}
	s.pump() // a gap is answered at once
	if len(runs) == 0 {
		return
	}
	s.storer.busy = true
	s.while(syncMin+time.Duration(s.rnd.Int64N(int64(syncSpread))), s.synced)
}

// storedNow is called when the disk has done it.
func (s *Site) storedNow() {
	s.storer.busy = false
	runs := s.storer.runs
	s.stored(runs)
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
		err := s.r.Log().Take(run.Origin, run.First, run.Payloads)
		if err != nil || s.breaker.down {
			if !s.survived(err) {
				return
			}
			failed = append(failed, run)
			continue
		}
		s.w.note("%s stores %s", s, run)
	}
	s.tellAdvanced()
	for _, run := range failed {
		s.p.StoreFailed(run.Origin, s.instant())
	}
	if len(failed) < len(runs) {
		s.nudge(0)
	}
	s.store()
	s.pump()
}
