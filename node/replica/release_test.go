package replica_test

import (
	"context"
	"errors"
	"testing"

	"baraza/merge"
	"baraza/merge/memdb"
)

// A site whose process died after it had logged a capture, and before it let go of
// the log rows, starts where the database asks to try that again, at any step of
// it. Where the database never stops asking, the start ends, and says so.
//
// Seen to fail when release gives up at the first ErrRetry: "release captured
// changes: begin a transaction: … the database asks to try the transaction again".
func TestStartReleasesThoughAskedToTryAgain(t *testing.T) {
	for _, step := range []memdb.Step{memdb.StepBegin, memdb.StepCommit} {
		for _, c := range []struct {
			asks   int
			starts bool
		}{{1, true}, {3, true}, {1000, false}} {
			s := diedBeforeRelease(t)
			s.faults.asked, s.faults.asks = step, c.asks
			err := s.open()
			if !c.starts {
				if !errors.Is(err, merge.ErrRetry) {
					t.Errorf("%s asks for ever: the start answers %v, want ErrRetry", step, err)
				}
				s.faults.asks = 0
				err = s.open()
			}
			if err != nil {
				t.Fatalf("%s asks %d times: %v", step, c.asks, err)
			}
			s.w.settle(t)
			if s.db.Pending() > 0 {
				t.Errorf("%s asks %d times: %d log rows were not released", step, c.asks, s.db.Pending())
			}
			if err := s.w.check(); err != nil {
				t.Errorf("%s asks %d times: %v", step, c.asks, err)
			}
		}
	}
}

// diedBeforeRelease is a site that is down and has log rows which are in its log.
func diedBeforeRelease(t *testing.T) *site {
	t.Helper()
	w, err := newWorld(2, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	s := w.sites[0]
	s.do(t, insert("person", s, 1))
	s.faults.asked, s.faults.asks = memdb.StepBegin, 1000
	if _, err := s.r.Capture(context.Background()); !errors.Is(err, merge.ErrRetry) {
		t.Fatalf("the capture answers %v, want ErrRetry", err)
	}
	s.faults.asks = 0
	if s.r.Sizes().Taken == 0 || s.db.Pending() == 0 {
		t.Fatal("the capture left nothing to be released")
	}
	s.db.Disconnect()
	if s.store, err = s.store.restart(0); err != nil {
		t.Fatal(err)
	}
	return s
}
