package clock

import (
	"cmp"
	"fmt"
	"time"
)

// Timestamp is a hybrid logical time: 48 bits of milliseconds since the Unix
// epoch and 16 bits of counter. Timestamps compare as plain integers.
type Timestamp uint64

const (
	counterBits = 16
	counterMask = 1<<counterBits - 1
	millisMax   = 1<<48 - 1
)

// At returns the timestamp of a millisecond and a counter. A time before 1970
// or beyond 48 bits of milliseconds (the year 10889) is clamped.
func At(millis int64, counter uint16) Timestamp {
	millis = min(max(millis, 0), millisMax)
	return Timestamp(millis)<<counterBits | Timestamp(counter)
}

// Millis returns the physical part, in milliseconds since the Unix epoch.
func (t Timestamp) Millis() int64 { return int64(t >> counterBits) }

// Counter returns the logical part.
func (t Timestamp) Counter() uint16 { return uint16(t & counterMask) }

// Time returns the physical part as a UTC time.
func (t Timestamp) Time() time.Time { return time.UnixMilli(t.Millis()).UTC() }

// String returns the time in RFC 3339 with milliseconds, and the counter if
// there is one: 2026-11-22T09:30:00.125Z+3.
func (t Timestamp) String() string {
	s := t.Time().Format("2006-01-02T15:04:05.000Z")
	if t.Counter() != 0 {
		s += fmt.Sprintf("+%d", t.Counter())
	}
	return s
}

// Stamp is a timestamp and the site that gave it: a total order over writes.
// The zero Stamp is less than every other; it is the baseline's.
type Stamp struct {
	Time Timestamp
	Site SiteID
}

// IsZero reports whether s is the stamp of no write.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// Compare orders by time, then by site: -1, 0 or +1.
func (s Stamp) Compare(other Stamp) int {
	if c := cmp.Compare(s.Time, other.Time); c != 0 {
		return c
	}
	return s.Site.Compare(other.Site)
}

// Less reports whether s comes before other.
func (s Stamp) Less(other Stamp) bool { return s.Compare(other) < 0 }

// String returns "time@site" with the short site id.
func (s Stamp) String() string {
	if s.IsZero() {
		return "baseline"
	}
	return s.Time.String() + "@" + s.Site.Short()
}
