package node

import "time"

const (
	// captureInterval is the least time from one capture that found changes to
	// the next: what comes in between shares one look, one write to disk and one
	// release, which the application would otherwise pay for.
	captureInterval = 20 * time.Millisecond
	// captureBusy is how many changes of one capture say that the application
	// writes a lot, and captureBusyInterval the distance then: most of what a
	// small capture costs, its two commits among it, is for the capture and not
	// for its rows.
	captureBusy         = 40
	captureBusyInterval = 50 * time.Millisecond
	// captureFull is how many changes of one capture say that more are coming
	// than single captures share well.
	captureFull = 2000
	// captureRest is how many times as long as it took a full capture is
	// followed by a rest, and captureRestMax the longest: while the application
	// writes all it can, capture and application want the same processors.
	captureRest    = 4
	captureRestMax = 2 * time.Second
	// captureLate ends that courtesy: once captures have been full for so long,
	// it is no burst any more, and one follows the other until they are not.
	captureLate = 5 * time.Second
)

// pace says when to capture next.
type pace struct {
	due  time.Time
	full time.Time // since when captures have been full; zero when the last was not
}

// after notes a capture that took the changes from began to ended.
func (p *pace) after(began, ended time.Time, changes int) {
	switch {
	case changes == 0:
		p.due, p.full = time.Time{}, time.Time{}
	case changes < captureBusy:
		p.due, p.full = began.Add(captureInterval), time.Time{}
	case changes < captureFull:
		p.due, p.full = began.Add(captureBusyInterval), time.Time{}
	default:
		if p.full.IsZero() {
			p.full = began
		}
		p.due = ended
		if ended.Sub(p.full) < captureLate {
			p.due = ended.Add(min(captureRest*ended.Sub(began), captureRestMax))
		}
	}
}
