package gossip

import (
	"time"

	"baraza/clock"
)

// sample is one measurement of a peer's clock, in milliseconds. (Mills,
// "Network Time Protocol", RFC 5905, section 8.)
type sample struct{ offset, roundTrip int64 }

// measure takes a pong. One that answers no ping under way is ignored.
func (pe *peer) measure(m Pong, now Instant) {
	if pe.pinged == 0 || m.Ping != pe.pinged {
		return
	}
	pe.pinged = 0
	s := sample{
		offset:    ((m.Received - m.Ping) + (m.Sent - now.Wall)) / 2,
		roundTrip: (now.Wall - m.Ping) - (m.Sent - m.Received),
	}
	if s.roundTrip < 0 {
		return // a clock was set meanwhile
	}
	if len(pe.samples) == clockSamples {
		pe.samples = pe.samples[1:]
	}
	pe.samples = append(pe.samples, s)
}

// Offset returns how far a connected peer's wall clock is ahead of ours
// (negative: behind), and the round trip it was measured with: of the last
// measurements the one with the shortest, which is off by at most half of it.
// ok is false before the first answer.
func (p *Protocol) Offset(id clock.SiteID) (ahead, roundTrip time.Duration, ok bool) {
	pe := p.peer(id)
	if pe == nil || len(pe.samples) == 0 {
		return 0, 0, false
	}
	ahead, roundTrip = pe.offset()
	return ahead, roundTrip, true
}

// offset is Offset of a peer; zeros before the first answer.
func (pe *peer) offset() (ahead, roundTrip time.Duration) {
	if len(pe.samples) == 0 {
		return 0, 0
	}
	best := pe.samples[0]
	for _, s := range pe.samples[1:] {
		if s.roundTrip <= best.roundTrip {
			best = s
		}
	}
	return time.Duration(best.offset) * time.Millisecond, time.Duration(best.roundTrip) * time.Millisecond
}
