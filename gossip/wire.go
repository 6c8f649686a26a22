package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"

	"baraza/clock"
)

// An encoded message is one byte that names its kind, then the body. Control
// messages are MessagePack (msgpack.go); Entries are
//
//	origin (16 bytes), first, count, then per entry its length and its bytes
//
// with the numbers as unsigned varints.
const (
	kindHello byte = iota + 1
	kindHave
	kindSubscribe
	kindUnsubscribe
	kindGone
	kindEntries
	kindPing
	kindPong
)

// noteVersion is the first version of the protocol with a note in Hello. A
// site of an older one is told that it is too old, not that it is damaged.
const noteVersion = 2

const siteBytes = len(clock.SiteID{})

// EntriesOverhead is the most bytes that Entries take besides the payloads,
// with n of them.
func EntriesOverhead(n int) int { return 1 + siteBytes + (2+n)*binary.MaxVarintLen64 }

// AppendMessage appends the encoding of m to dst.
func AppendMessage(dst []byte, m Message) []byte {
	switch m := m.(type) {
	case Entries:
		return appendEntries(dst, m)
	case Hello:
		dst = appendUint(append(dst, kindHello), m.Version)
		dst = appendVector(appendSite(dst, m.Site), m.Vector)
		if m.Version >= noteVersion {
			dst = appendBytes(dst, m.Note)
		}
		return dst
	case Have:
		return appendVector(append(dst, kindHave), m.Changed)
	case Subscribe:
		return appendUint(appendSite(append(dst, kindSubscribe), m.Origin), m.After)
	case Unsubscribe:
		return appendSite(append(dst, kindUnsubscribe), m.Origin)
	case Gone:
		return appendUint(appendSite(append(dst, kindGone), m.Origin), m.First)
	case Ping:
		return appendInt(append(dst, kindPing), m.Sent)
	case Pong:
		return appendInt(appendInt(appendInt(append(dst, kindPong), m.Ping), m.Received), m.Sent)
	}
	panic(fmt.Sprintf("gossip: no encoding for %T", m))
}

// DecodeMessage reads what AppendMessage wrote. The payloads of Entries are
// slices of b, which then belongs to the message (KeepsBytes).
func DecodeMessage(b []byte) (Message, error) {
	if len(b) == 0 || len(b) > MaxMessageBytes {
		return nil, fmt.Errorf("gossip: message of %d bytes; 1 to %d can be", len(b), MaxMessageBytes)
	}
	kind, body := b[0], b[1:]
	if kind == kindEntries {
		return decodeEntries(body)
	}
	r := reader{b: body}
	m := r.control(kind)
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return nil, fmt.Errorf("gossip: message of kind %d: %w", kind, r.err)
	}
	return m, nil
}

// KeepsBytes reports whether the message that DecodeMessage reads from b keeps
// slices of b.
func KeepsBytes(b []byte) bool { return len(b) > 0 && b[0] == kindEntries }

func (r *reader) control(kind byte) Message {
	switch kind {
	case kindHello:
		h := Hello{Version: r.uint(), Site: r.site(), Vector: r.vector()}
		if h.Version >= noteVersion {
			h.Note = r.note()
		}
		return h
	case kindHave:
		return Have{Changed: r.vector()}
	case kindSubscribe:
		return Subscribe{Origin: r.site(), After: r.uint()}
	case kindUnsubscribe:
		return Unsubscribe{Origin: r.site()}
	case kindGone:
		return Gone{Origin: r.site(), First: r.uint()}
	case kindPing:
		return Ping{Sent: r.int()}
	case kindPong:
		return Pong{Ping: r.int(), Received: r.int(), Sent: r.int()}
	}
	r.err = errors.New("unknown; upgrade the older site")
	return nil
}

func appendEntries(dst []byte, m Entries) []byte {
	dst = append(dst, kindEntries)
	dst = append(dst, m.Origin[:]...)
	dst = binary.AppendUvarint(dst, m.First)
	dst = binary.AppendUvarint(dst, uint64(len(m.Payloads)))
	for _, p := range m.Payloads {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		dst = append(dst, p...)
	}
	return dst
}

var errEntries = errors.New("gossip: entries that are cut short or have an impossible number")

func decodeEntries(b []byte) (Message, error) {
	var m Entries
	if len(b) < siteBytes {
		return nil, errEntries
	}
	b = b[copy(m.Origin[:], b):]
	var count uint64
	var ok bool
	if m.First, b, ok = uvarint(b); !ok || m.First == 0 {
		return nil, errEntries
	}
	// Every entry takes a byte at least: count cannot make us allocate more
	// than a multiple of what has come.
	if count, b, ok = uvarint(b); !ok || count == 0 || count > MaxEntries || count > uint64(len(b)) || m.First+count < m.First {
		return nil, errEntries
	}
	m.Payloads = make([][]byte, count)
	for i := range m.Payloads {
		var n uint64
		if n, b, ok = uvarint(b); !ok || n > uint64(len(b)) || n > MaxEntryBytes {
			return nil, errEntries
		}
		m.Payloads[i] = b[:n:n]
		b = b[n:]
	}
	if len(b) > 0 {
		return nil, errEntries
	}
	return m, nil
}

func uvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
