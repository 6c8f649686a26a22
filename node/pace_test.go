package node

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	var p pace
	now := time.Unix(1000, 0)
	for i, c := range []struct {
		took    time.Duration
		changes int
		rest    time.Duration // from the capture's end to the next; less than 0: at once
	}{
		{1 * ms, 0, -1},
		{5 * ms, 1, captureInterval - 5*ms},
		{5 * ms, captureBusy - 1, captureInterval - 5*ms},
		{5 * ms, captureBusy, captureBusyInterval - 5*ms},
		{60 * ms, captureFull - 1, -1},
		{30 * ms, captureFull, 120 * ms},
		{1000 * ms, 50_000, captureRestMax},
		{1200 * ms, 100_000, captureRestMax},
		{1000 * ms, 50_000, 0}, // full for longer than captureLate
		{10 * ms, captureFull, 0},
		{10 * ms, 10, 10 * ms},
		{10 * ms, captureFull, 40 * ms}, // a new burst
	} {
		ended := now.Add(c.took)
		p.after(now, ended, c.changes)
		if rest := p.due.Sub(ended); rest != c.rest && (rest >= 0 || c.rest >= 0) {
			t.Errorf("%d: rests %v, want %v", i, rest, c.rest)
		}
		now = ended.Add(max(0, p.due.Sub(ended)))
	}
}
