package gossip

import (
	"fmt"

	"baraza/clock"
)

// Message is what two peers say to each other: one of the types below.
type Message interface{ message() }

// Hello is the first message each way on a connection. A vector in a message
// has sequence numbers only: its Through fields are not sent.
type Hello struct {
	Version uint64
	Site    clock.SiteID
	Vector  clock.VersionVector
	// Note is what the callers tell each other with it, at most MaxNoteBytes;
	// see Config.Note.
	Note []byte
}

// Have says what became durable at the sender: the entries of its vector that
// changed since it last told. It is announcement and acknowledgement in one.
type Have struct{ Changed clock.VersionVector }

// Subscribe asks for everything of an origin after an entry, now and from now on.
type Subscribe struct {
	Origin clock.SiteID
	After  uint64
}

// Unsubscribe takes a Subscribe back.
type Unsubscribe struct{ Origin clock.SiteID }

// Gone answers a Subscribe that the sender's log cannot serve: the origin's
// entries before First are no longer held as entries, only as state.
type Gone struct {
	Origin clock.SiteID
	First  uint64
}

// Entries are consecutive log entries of one origin, the first numbered First.
type Entries struct {
	Origin   clock.SiteID
	First    uint64
	Payloads [][]byte
}

// Last returns the number of the last entry.
func (e Entries) Last() uint64 { return e.First + uint64(len(e.Payloads)) - 1 }

// Ping asks for a Pong. Sent is the sender's wall clock in milliseconds.
type Ping struct{ Sent int64 }

// Pong answers a Ping: its Sent, and the answerer's wall clock in milliseconds
// when the ping came and when the pong left.
type Pong struct{ Ping, Received, Sent int64 }

func (Hello) message()       {}
func (Have) message()        {}
func (Subscribe) message()   {}
func (Unsubscribe) message() {}
func (Gone) message()        {}
func (Entries) message()     {}
func (Ping) message()        {}
func (Pong) message()        {}

func (m Hello) String() string { return "hello " + m.Vector.String() }
func (m Have) String() string  { return "have " + m.Changed.String() }
func (m Subscribe) String() string {
	return fmt.Sprintf("subscribe %s after %d", m.Origin.Short(), m.After)
}

func (m Unsubscribe) String() string {
	return "unsubscribe " + m.Origin.Short()
}
func (m Gone) String() string { return fmt.Sprintf("gone %s before %d", m.Origin.Short(), m.First) }
func (e Entries) String() string {
	return fmt.Sprintf("entries %s %d-%d", e.Origin.Short(), e.First, e.Last())
}
func (m Ping) String() string { return "ping" }
func (m Pong) String() string { return "pong" }
