package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"baraza/clock"
)

// Control messages are MessagePack (https://msgpack.org), of which they use
// integers, byte strings, arrays and nil. It is written and read here rather than
// by a library because a site handles more of these messages than of anything
// else: no buffer is allocated, and no call goes through an interface. A test
// holds it against the library.
const (
	packNil      = 0xc0
	packBin8     = 0xc4
	packBin16    = 0xc5
	packBin32    = 0xc6
	packUint8    = 0xcc
	packUint16   = 0xcd
	packUint32   = 0xce
	packUint64   = 0xcf
	packInt8     = 0xd0
	packInt16    = 0xd1
	packInt32    = 0xd2
	packInt64    = 0xd3
	packArray16  = 0xdc
	packArray32  = 0xdd
	packFixArray = 0x90
	packFixMax   = 15  // elements of the shortest form of an array
	packFixLow   = -32 // the least integer in one byte
)

// appendUint appends an unsigned integer in the shortest form.
func appendUint(b []byte, v uint64) []byte {
	switch {
	case v <= math.MaxInt8:
		return append(b, byte(v))
	case v <= math.MaxUint8:
		return append(b, packUint8, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, packUint16), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, packUint32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, packUint64), v)
}

// appendInt appends a signed integer in the shortest form.
func appendInt(b []byte, v int64) []byte {
	switch {
	case v >= 0:
		return appendUint(b, uint64(v))
	case v >= packFixLow:
		return append(b, byte(v))
	case v >= math.MinInt8:
		return append(b, packInt8, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, packInt16), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, packInt32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, packInt64), uint64(v))
}

// appendBytes appends a byte string, or nil.
func appendBytes(b, v []byte) []byte {
	switch n := len(v); {
	case v == nil:
		return append(b, packNil)
	case n <= math.MaxUint8:
		b = append(b, packBin8, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, packBin16), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, packBin32), uint32(n))
	}
	return append(b, v...)
}

func appendSite(b []byte, s clock.SiteID) []byte {
	b = append(b, packBin8, byte(len(s)))
	return append(b, s[:]...)
}

// appendVector appends the sites and sequence numbers of a vector.
func appendVector(b []byte, v clock.VersionVector) []byte {
	switch n := len(v); {
	case n <= packFixMax:
		b = append(b, packFixArray|byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, packArray16), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, packArray32), uint32(n))
	}
	for i := range v {
		b = appendUint(appendSite(b, v[i].Site), v[i].Seq)
	}
	return b
}

// reader reads a control message; the first error stays, and all later values
// are zero.
type reader struct {
	b   []byte
	err error
}

var errCut = errors.New("cut short")

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// take returns the next n bytes; nil after an error.
func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail(errCut)
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// code reads the byte that every value begins with.
func (r *reader) code() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return packNil
}

// big reads a big-endian number of so many bytes.
func (r *reader) big(size int) (n uint64) {
	for _, c := range r.take(size) {
		n = n<<8 | uint64(c)
	}
	return n
}

// uint reads an integer of any form.
func (r *reader) uint() uint64 { return uint64(r.int()) }

// int reads an integer of any form. One beyond int64 wraps around.
func (r *reader) int() int64 {
	switch c := r.code(); {
	case c <= math.MaxInt8 || c >= 0xe0:
		return int64(int8(c))
	case c == packUint8:
		return int64(r.big(1))
	case c == packUint16:
		return int64(r.big(2))
	case c == packUint32:
		return int64(r.big(4))
	case c == packUint64 || c == packInt64:
		return int64(r.big(8))
	case c == packInt8:
		return int64(int8(r.big(1)))
	case c == packInt16:
		return int64(int16(r.big(2)))
	case c == packInt32:
		return int64(int32(r.big(4)))
	default:
		r.fail(fmt.Errorf("byte %#x begins no integer", c))
		return 0
	}
}

// bytesLen reads the length of a byte string; -1 for nil.
func (r *reader) bytesLen() int {
	switch c := r.code(); c {
	case packBin8:
		return int(r.big(1))
	case packBin16:
		return int(r.big(2))
	case packBin32:
		return int(r.big(4))
	case packNil:
		return -1
	default:
		r.fail(fmt.Errorf("byte %#x begins no byte string", c))
		return -1
	}
}

// arrayLen reads the length of an array.
func (r *reader) arrayLen() int {
	switch c := r.code(); {
	case c&0xf0 == packFixArray:
		return int(c & packFixMax)
	case c == packArray16:
		return int(r.big(2))
	case c == packArray32:
		return int(r.big(4))
	default:
		r.fail(fmt.Errorf("byte %#x begins no array", c))
		return 0
	}
}

func (r *reader) site() (s clock.SiteID) {
	if n := r.bytesLen(); n != len(s) {
		r.fail(fmt.Errorf("site id of %d bytes", n))
		return s
	}
	copy(s[:], r.take(len(s)))
	return s
}

func (r *reader) note() []byte {
	n := r.bytesLen()
	if n > MaxNoteBytes {
		r.fail(fmt.Errorf("note of %d bytes; %d can be", n, MaxNoteBytes))
	}
	if r.err != nil || n <= 0 {
		return nil
	}
	return append([]byte(nil), r.take(n)...)
}

// vectorEntryMin is the least that an entry of a vector takes, in bytes.
const vectorEntryMin = 2 + siteBytes + 1

func (r *reader) vector() clock.VersionVector {
	n := r.arrayLen()
	switch {
	case n > MaxOrigins:
		r.fail(fmt.Errorf("vector of %d origins; %d can be", n, MaxOrigins))
	case n*vectorEntryMin > len(r.b):
		r.fail(errCut)
	}
	if r.err != nil || n == 0 {
		return nil
	}
	v := make(clock.VersionVector, n)
	for i := range v {
		v[i] = clock.Entry{Site: r.site(), Seq: r.uint()}
		if r.err == nil && i > 0 && v[i-1].Site.Compare(v[i].Site) >= 0 {
			r.fail(errors.New("vector that is not in order"))
		}
	}
	if r.err != nil {
		return nil
	}
	return v
}
