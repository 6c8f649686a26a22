package node

import (
	"errors"
	"testing"
	"time"

	"baraza/node/replica"
)

// boots makes a list of starts, the latest first, from their nonces.
func boots(nonces ...uint64) replica.Boots {
	var b replica.Boots
	for i, n := range nonces {
		b = append(b, replica.Boot{Count: uint64(len(nonces) - i), Nonce: n})
	}
	return b
}

// A site that starts again is let in, also where its last connection seems to
// stand still: after a while.
func TestMetAgain(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	x := &met{}
	x.session(true)
	if err := x.meet(boots(1), now); err != nil {
		t.Fatal(err)
	}
	x.session(false)
	x.session(true)
	x.session(true) // two connections that cross
	if err := x.meet(boots(2, 1), now); err != nil {
		t.Errorf("a site that started again: %v", err)
	}
	x.session(true)
	if err := x.meet(boots(2, 1), now); err != nil {
		t.Errorf("a second connection of one process: %v", err)
	}
	x.session(true) // the power failed: the connection before never ended
	if err := x.meet(boots(3, 2, 1), now); !errors.Is(err, errCrowded) {
		t.Errorf("another process beside a connection: %v", err)
	}
	x.session(false)
	x.session(true)
	if err := x.meet(boots(3, 2, 1), now.Add(time.Second)); !errors.Is(err, errCrowded) {
		t.Errorf("a moment later: %v", err)
	}
	x.session(false)
	x.session(true)
	if err := x.meet(boots(3, 2, 1), now.Add(suspectHold)); err != nil {
		t.Errorf("when the other did not come back: %v", err)
	}
	if len(x.Banned) != 0 {
		t.Errorf("banned: %v", x.Banned)
	}
}

// A copy of a process that runs is found out when that process speaks again,
// whether or not the copy was taken for a later start of it meanwhile.
func TestMetCopy(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, letIn := range []bool{false, true} {
		x := &met{}
		x.session(true)
		if err := x.meet(boots(2, 1), now); err != nil {
			t.Fatal(err)
		}
		if letIn {
			x.session(false)
		}
		x.session(true)
		if err := x.meet(boots(7, 2, 1), now); (err == nil) != letIn {
			t.Fatalf("let in %v: the copy: %v", letIn, err)
		}
		x.session(true)
		if err := x.meet(boots(2, 1), now.Add(time.Second)); err != nil {
			t.Errorf("let in %v: the original is refused: %v", letIn, err)
		}
		x.session(true)
		if err := x.meet(boots(7, 2, 1), now.Add(2*time.Second)); !errors.Is(err, errStranger) {
			t.Errorf("let in %v: the copy once more: %v", letIn, err)
		}
		if len(x.Banned) != 1 || x.Banned[0] != (replica.Boot{Count: 3, Nonce: 7}) {
			t.Errorf("let in %v: banned: %v", letIn, x.Banned)
		}
		x.session(true)
		if err := x.meet(boots(8, 7, 2, 1), now.Add(time.Hour)); !errors.Is(err, errStranger) {
			t.Errorf("let in %v: a later start of the copy: %v", letIn, err)
		}
		x.session(true)
		if err := x.meet(boots(9, 2, 1), now.Add(time.Hour)); err != nil {
			t.Errorf("a later start of the original: %v", err)
		}
	}
}
