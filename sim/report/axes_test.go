package report

import (
	"testing"
	"time"
)

// The labels of a time axis have room left of it: 7 characters at most.
//
// Seen to fail when up to 2 s are written in milliseconds.
func TestTimeTicks(t *testing.T) {
	for last := 3 * time.Millisecond; last < 40*365*day; last += last / 7 {
		ticks, label := timeTicks(last, 4)
		for _, tick := range ticks {
			if text := label(tick); len(text) > 7 {
				t.Fatalf("up to %v: %q has %d characters", last, text, len(text))
			}
		}
	}
}
