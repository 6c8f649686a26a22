package crdt

import (
	"math"

	"baraza/clock"
)

// A site that adds a table while the network runs tells the rows that it has with
// stamps of the past. A context cannot tell who has seen those: it says up to which
// time a site's log was seen, and these came into it later. So their stamps are marked,
// by a counter that no clock comes to, and count as seen by nobody but those whose
// change names them as what it replaced.
const publishedCounter = math.MaxUint16

// PublishedAt returns the time of a row that was written at a time and is told later.
func PublishedAt(t clock.Timestamp) clock.Timestamp { return clock.At(t.Millis(), publishedCounter) }

// Published reports whether a time is of such a row.
func Published(t clock.Timestamp) bool { return t.Counter() == publishedCounter }

// Saw reports whether somebody with a context has seen a write.
func Saw(seen clock.VersionVector, at clock.Stamp) bool {
	return !Published(at.Time) && seen.Covers(at)
}
