package bringup_test

import (
	"testing"

	"baraza/merge"
	"baraza/merge/memdb"
)

// A database that asks to try the first transaction of a start again, as in a
// deadlock, does not keep the site from starting.
func TestStartTriesAgain(t *testing.T) {
	s := newSite(t, 1).open(false)
	asked := 0
	s.fault = func(step memdb.Step) error {
		if step == memdb.StepBegin && asked < 2 {
			asked++
			return merge.ErrRetry
		}
		return nil
	}
	if err := s.tryRestart(); err != nil || asked != 2 {
		t.Fatalf("asked to try again %d times: %v", asked, err)
	}
}
