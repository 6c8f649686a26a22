package clock

// Clock is one site's hybrid logical clock. It remembers the greatest
// timestamp given or seen; the owner persists Last with every write that
// carries a timestamp and hands it to NewClock after a restart, so the clock
// goes on where it was even when the system clock was set back.
type Clock struct {
	last Timestamp
}

// NewClock returns a clock that will give only timestamps greater than last.
func NewClock(last Timestamp) *Clock { return &Clock{last: last} }

// Last returns the greatest timestamp given or observed so far.
func (c *Clock) Last() Timestamp { return c.last }

// Give returns the timestamp of a local event that happened at the physical
// time millis: that time if it is later than everything given or observed so
// far, else the next timestamp after those.
func (c *Clock) Give(millis int64) Timestamp {
	t := At(millis, 0)
	if t <= c.last {
		t = c.last + 1
	}
	c.last = t
	return t
}

// Observe tells the clock of a timestamp that came from elsewhere: every
// timestamp given from now on is greater.
func (c *Clock) Observe(t Timestamp) { c.last = max(c.last, t) }
