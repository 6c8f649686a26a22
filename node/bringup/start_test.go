package bringup_test

import (
	"context"
	"errors"
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

// So too when it looks for log rows that went into the last batch and are perhaps still
// there, as a crash kept them from being released.
//
// Seen to fail when it does not try again: the site does not start.
func TestStartListsAgain(t *testing.T) {
	s := newSite(t, 1).open(false)
	s.app(insert("person", person(1, "a")))
	cut := errors.New("cut")
	s.fault = func(step memdb.Step) error {
		if step == memdb.StepRelease || step == memdb.StepBegin {
			return cut
		}
		return nil
	}
	if _, err := s.r.Capture(context.Background()); !errors.Is(err, cut) {
		t.Fatalf("the log rows were released: %v", err)
	}
	asked := 0
	s.fault = func(step memdb.Step) error {
		if step == memdb.StepRead && asked < 2 {
			asked++
			return merge.ErrRetry
		}
		return nil
	}
	if err := s.tryRestart(); err != nil || asked != 2 {
		t.Fatalf("asked to try again %d times: %v", asked, err)
	}
}
