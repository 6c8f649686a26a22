package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/clock"
)

// An encoded message is one byte that names its kind, then the body. Control
// messages are msgpack; Entries are written by hand:
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
		return appendControl(dst, kindHello, func(e *writer) {
			e.uint(m.Version)
			e.site(m.Site)
			e.vector(m.Vector)
			if m.Version >= noteVersion {
				must(e.enc.EncodeBytes(m.Note))
			}
		})
	case Have:
		return appendControl(dst, kindHave, func(e *writer) { e.vector(m.Changed) })
	case Subscribe:
		return appendControl(dst, kindSubscribe, func(e *writer) { e.site(m.Origin); e.uint(m.After) })
	case Unsubscribe:
		return appendControl(dst, kindUnsubscribe, func(e *writer) { e.site(m.Origin) })
	case Gone:
		return appendControl(dst, kindGone, func(e *writer) { e.site(m.Origin); e.uint(m.First) })
	case Ping:
		return appendControl(dst, kindPing, func(e *writer) { e.int(m.Sent) })
	case Pong:
		return appendControl(dst, kindPong, func(e *writer) { e.int(m.Ping); e.int(m.Received); e.int(m.Sent) })
	}
	panic(fmt.Sprintf("gossip: no encoding for %T", m))
}

// DecodeMessage reads what AppendMessage wrote. The payloads of Entries are
// slices of b: b belongs to the message from now on.
func DecodeMessage(b []byte) (Message, error) {
	if len(b) == 0 || len(b) > MaxMessageBytes {
		return nil, fmt.Errorf("gossip: message of %d bytes; 1 to %d can be", len(b), MaxMessageBytes)
	}
	kind, body := b[0], b[1:]
	if kind == kindEntries {
		return decodeEntries(body)
	}
	rest := bytes.NewReader(body)
	r := reader{dec: msgpack.GetDecoder()}
	defer msgpack.PutDecoder(r.dec)
	r.dec.Reset(rest)
	m := r.control(kind)
	if r.err == nil && rest.Len() > 0 {
		r.err = fmt.Errorf("%d bytes too many", rest.Len())
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

// writer writes msgpack into memory, where writing cannot fail.
type writer struct {
	enc *msgpack.Encoder
	id  clock.SiteID // what the encoder is given a slice of
}

func appendControl(dst []byte, kind byte, body func(*writer)) []byte {
	buf := bytes.NewBuffer(append(dst, kind))
	enc := msgpack.GetEncoder()
	enc.Reset(buf)
	body(&writer{enc: enc})
	msgpack.PutEncoder(enc)
	return buf.Bytes()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (w *writer) uint(v uint64) { must(w.enc.EncodeUint(v)) }
func (w *writer) int(v int64)   { must(w.enc.EncodeInt(v)) }
func (w *writer) site(s clock.SiteID) {
	w.id = s
	must(w.enc.EncodeBytes(w.id[:]))
}

func (w *writer) vector(v clock.VersionVector) {
	must(w.enc.EncodeArrayLen(len(v)))
	for _, e := range v {
		w.site(e.Site)
		w.uint(e.Seq)
	}
}

// reader reads msgpack; the first error stays, and all later values are zero.
type reader struct {
	dec *msgpack.Decoder
	err error
}

func (r *reader) uint() (v uint64) {
	if r.err == nil {
		v, r.err = r.dec.DecodeUint64()
	}
	return v
}

func (r *reader) int() (v int64) {
	if r.err == nil {
		v, r.err = r.dec.DecodeInt64()
	}
	return v
}

func (r *reader) site() (s clock.SiteID) {
	if r.err != nil {
		return s
	}
	n, err := r.dec.DecodeBytesLen()
	if err == nil && n != len(s) {
		err = fmt.Errorf("site id of %d bytes", n)
	}
	if err == nil {
		err = r.dec.ReadFull(s[:])
	}
	r.err = err
	return s
}

func (r *reader) note() []byte {
	if r.err != nil {
		return nil
	}
	n, err := r.dec.DecodeBytesLen()
	if err == nil && n > MaxNoteBytes {
		err = fmt.Errorf("note of %d bytes; %d can be", n, MaxNoteBytes)
	}
	if r.err = err; err != nil || n <= 0 {
		return nil
	}
	b := make([]byte, n)
	r.err = r.dec.ReadFull(b)
	return b
}

func (r *reader) vector() clock.VersionVector {
	if r.err != nil {
		return nil
	}
	n, err := r.dec.DecodeArrayLen()
	if err == nil && (n < 0 || n > MaxOrigins) {
		err = fmt.Errorf("vector of %d origins; %d can be", n, MaxOrigins)
	}
	if r.err = err; err != nil || n == 0 {
		return nil
	}
	var v clock.VersionVector
	for range n {
		e := clock.Entry{Site: r.site(), Seq: r.uint()}
		if r.err == nil && len(v) > 0 && v[len(v)-1].Site.Compare(e.Site) >= 0 {
			r.err = errors.New("vector that is not in order")
		}
		if r.err != nil {
			return nil
		}
		v = append(v, e)
	}
	return v
}
