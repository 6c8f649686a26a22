package gossip

import (
	"math"
	"time"

	"baraza/clock"
)

// Limits that hold whatever a peer sends.
const (
	// MaxOrigins bounds the entries of a version vector, and so everything
	// that is kept per origin.
	MaxOrigins = 4096
	// MaxPeers bounds the peers that are remembered, connected or away.
	MaxPeers = 1024
	// MaxEntryBytes bounds one log entry. An entry holds a chunk of a batch,
	// or a single change that is larger than a chunk.
	MaxEntryBytes = 64 << 20
	// MaxEntries bounds the entries of one message.
	MaxEntries = 1 << 16
	// MaxNoteBytes bounds the note of a Hello.
	MaxNoteBytes = 4 << 10
	// MaxMessageBytes bounds an encoded message.
	MaxMessageBytes = MaxEntryBytes + 1<<20

	// gatherPart and gatherMax are how long entries gather for a peer that has just
	// been sent some: that part of the round trip, and no longer than that. On a
	// long line many small changes then go out together, each later by a small
	// part of what it is under way anyway; on a short one nothing waits.
	gatherPart = 6
	gatherMax  = 50 * time.Millisecond

	// ackPeers is how many peers are told what they have anyway after
	// Config.AckDelay; of more, a part is told later.
	ackPeers = 4

	// ackEarlyPart is which part of AckDelay a Have may come early, to go with
	// entries rather than by itself.
	ackEarlyPart = 4

	// clockSamples is how many round trips the clock offset is chosen from.
	clockSamples = 8

	// restDoublingsMax keeps the doubling of RestMin from overflowing.
	restDoublingsMax = 16

	never = time.Duration(math.MaxInt64)
)

// Version is the version of the protocol, told in Hello.
const Version = 2

// Config are the settings of a Protocol. Zero durations take the defaults.
type Config struct {
	// Site is the site that this is.
	Site clock.SiteID
	// HaveDelay is how long news gathers before it is announced to a peer that
	// lacks it and may have no provider: 50 ms. Shorter finds providers sooner,
	// longer sends less.
	HaveDelay time.Duration
	// AckDelay is how long before a peer that has something, or gets it from
	// another provider, is told that it is durable here too: 1 s. It costs bytes
	// on every line, and hurries nobody but a peer whose provider hangs: that one
	// changes to another after AckDelay and Grace. Where there are many peers some
	// are told later (see ackDelay).
	AckDelay time.Duration
	// Grace is how long an entry that another peer has announced may be missing
	// from the provider before that peer becomes the provider: 500 ms. Shorter
	// than the round trip of the provider's line, it brings duplicates.
	Grace time.Duration
	// Hold is how long a provider that was chosen for being ahead is kept,
	// before an origin's own site is preferred again: 10 s.
	Hold time.Duration
	// Stall is how long a provider that announced entries may send none at all
	// before another is tried: 60 s. It must exceed the time that 256 KiB take
	// on the slowest line.
	Stall time.Duration
	// PingEvery is the time between pings: 5 s.
	PingEvery time.Duration
	// RestMin and RestMax bound how long an origin rests that could not be
	// stored: 1 s, doubling up to 60 s.
	RestMin, RestMax time.Duration
	// Note returns what to tell a peer in Hello, and Greeted takes what a peer
	// told, before anything else goes to it or is asked of it; with an error the
	// connection must be closed. Both may be nil.
	Note    func(peer clock.SiteID) []byte
	Greeted func(peer clock.SiteID, note []byte) error
	// FetchOwn makes the site fetch its own entries from peers, as after the
	// loss of its store. Without it they are left alone (see OwnAhead).
	FetchOwn bool
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.HaveDelay, 50*time.Millisecond)
	def(&c.AckDelay, time.Second)
	def(&c.Grace, 500*time.Millisecond)
	def(&c.Hold, 10*time.Second)
	def(&c.Stall, 60*time.Second)
	def(&c.PingEvery, 5*time.Second)
	def(&c.RestMin, time.Second)
	def(&c.RestMax, 60*time.Second)
	return c
}

// Instant is a moment as one site sees it. Delays are measured on Elapsed;
// Wall is only compared with what peers say their wall clocks read.
type Instant struct {
	// Elapsed is the time since any fixed moment, and never goes back.
	Elapsed time.Duration
	// Wall is the wall clock in milliseconds since the Unix epoch, UTC.
	Wall int64
}
