package sim

import "time"

// epochMicros is what right clocks read when a run begins.
const epochMicros = 1_800_000_000_000_000

// wallClock is the clock on a site's wall, in microseconds since the Unix
// epoch. It counts from a reading at a moment, too fast or too slow by some
// parts in a million, or stands still.
type wallClock struct {
	at      time.Duration
	reading int64
	ppm     int64
	stuck   bool
	// setAt is when it was last made wrong, or right.
	setAt time.Duration
}

// ClockStart is how a clock is when a run begins.
type ClockStart struct {
	Off   time.Duration // ahead of a right clock
	PPM   int64         // too fast, in parts in a million
	Stuck bool
}

func (c *wallClock) micros(now time.Duration) int64 {
	if c.stuck {
		return c.reading
	}
	d := (now - c.at).Microseconds()
	return c.reading + d + d*c.ppm/1_000_000
}

func (c *wallClock) rebase(now time.Duration) {
	c.reading, c.at = c.micros(now), now
}

// right is what a right clock reads.
func right(now time.Duration) int64 { return epochMicros + now.Microseconds() }

// clockWrong tells the observer that a site's clock is wrong, until
// SetClockRight.
func (s *Site) clockWrong() {
	if s.clockRight == nil {
		s.clockRight = s.w.began("clock", s)
	}
}

// keepsTime reports whether a clock is not to be made wrong, and notes that it
// is: the changes of a restored database are told from those that the site had
// by their times (docs/limits.md).
func (s *Site) keepsTime() bool {
	s.clock.setAt = s.w.now
	return s.restored.behind
}

// BumpClock sets a site's clock forward, or back.
func (s *Site) BumpClock(by time.Duration) {
	if s.keepsTime() {
		return
	}
	s.w.soon.wrongClocks = true
	s.clock.rebase(s.w.now)
	s.clock.reading += by.Microseconds()
	s.clockWrong()
	s.w.note("%s clock bump %v", s, by)
}

// DriftClock makes a site's clock fast, or slow, by parts in a million.
func (s *Site) DriftClock(ppm int64) {
	if s.keepsTime() {
		return
	}
	s.w.soon.wrongClocks = true
	s.clock.rebase(s.w.now)
	s.clock.ppm = ppm
	s.clockWrong()
	s.w.note("%s clock drift %d ppm", s, ppm)
}

// StickClock makes a site's clock stand still, or go on from where it stands.
func (s *Site) StickClock(stuck bool) {
	if s.keepsTime() {
		return
	}
	s.w.soon.wrongClocks = true
	s.clock.rebase(s.w.now)
	s.clock.stuck = stuck
	s.clockWrong()
	s.w.note("%s clock stuck %v", s, stuck)
}

// SetClockRight ends all that is wrong with a site's clock.
func (s *Site) SetClockRight() {
	s.clock = wallClock{at: s.w.now, reading: right(s.w.now), setAt: s.w.now}
	if s.clockRight != nil {
		s.clockRight()
		s.clockRight = nil
	}
	s.w.note("%s clock right", s)
}
