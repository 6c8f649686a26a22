package sim

import (
	"testing"
	"time"
)

// A world that checks nothing as it goes waits for what a slow clock holds back too, as
// studies need it.
//
// Seen to fail when entries count as applied of which the world keeps no log: the rows
// differ.
func TestSettlesUnchecked(t *testing.T) {
	w, err := New(Options{
		Seed: 1, Sites: 2, Rows: 6, Mix: Mix{LargeOneIn: -1}, Checks: CheckNone,
		Latency: Latency{Base: 50 * time.Millisecond}, MaxDrift: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Sites[0].BumpClock(-20 * time.Minute)
	w.WriteEvery(7*time.Second, 2)
	if err := w.Run(10 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if s := w.Sites[0]; s.r.Applied().Seq(w.Sites[1].id) == s.r.Log().Vector().Seq(w.Sites[1].id) {
		t.Fatal("nothing is held back")
	}
	if err := w.Settle(10 * time.Minute); err != nil {
		t.Error(err)
	}
}
