package replica_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"baraza/clock"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/replica"
)

// TestIdleStepAllocatesNothing: a step with nothing to do, of which a site does a hundred
// each second, takes no memory.
//
// Seen to fail when Untold lists what is not there.
func TestIdleStepAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	db := memdb.New(memdb.Config{Model: wide, Now: func() int64 { return 1_700_000_000_000_000 }})
	r, err := replica.Open(ctx, replica.Config{
		Self: clock.SiteID{1}, Store: kv.NewMem(), Database: db, Source: db, Model: wide,
		NowMillis: func() int64 { return 1_700_000_000_000 }, Nonce: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	d := replica.Driver{Replica: r, Adopt: func(context.Context) error { return errors.New("there is nothing to adopt") }}
	step := func() {
		if more, err := d.Step(ctx, 0); more || err != nil {
			t.Fatalf("more to do %v, %v", more, err)
		}
	}
	for range 3 {
		step()
	}
	if n := testing.AllocsPerRun(100, step); n > 0 {
		t.Errorf("an idle step takes memory %v times", n)
	}
}

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
