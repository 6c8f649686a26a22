package replica_test

import (
	"errors"
	"testing"
	"time"

	"baraza/merge"
	"baraza/node/replica"
)

// TestDriverWaits: a transaction that is to be tried again is, at once and
// twenty times; anything else waits twice as long each time, to a bound, and
// begins anew when a step went well.
func TestDriverWaits(t *testing.T) {
	var d replica.Driver
	if wait, wrong := d.Failed(replica.ErrCaptureFirst); wait != 0 || wrong {
		t.Fatalf("local changes first: %v, wrong %v", wait, wrong)
	}
	for n := 1; n <= 20; n++ {
		if wait, wrong := d.Failed(merge.ErrRetry); wait != time.Duration(n)*time.Millisecond || wrong {
			t.Fatalf("retry %d: %v, wrong %v", n, wait, wrong)
		}
	}
	want := replica.BackoffMin
	for range 10 {
		if wait, wrong := d.Failed(merge.ErrRetry); wait != want || !wrong {
			t.Fatalf("after many retries: %v, want %v, wrong %v", wait, want, wrong)
		}
		want = min(2*want, replica.BackoffMax)
	}
	if !d.Worked() || d.Worked() {
		t.Fatal("Worked does not tell that the step before failed, once")
	}
	if wait, _ := d.Failed(errors.New("gone")); wait != replica.BackoffMin {
		t.Fatalf("after a step that went well: %v", wait)
	}
}
