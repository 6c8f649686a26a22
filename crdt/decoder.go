package crdt

import (
	"encoding/binary"

	"baraza/clock"
)

// decoder reads from a string; strings cut from it need no copy. After the
// first mistake bad is set and every read gives zero.
type decoder struct {
	s     string
	bad   bool
	sites []clock.SiteID
	slab  []Value
	left  int // changes to decode, with the one at hand
}

func (d *decoder) uvarint() uint64 {
	x, n := uvarint(d.s)
	if n == 0 {
		d.fail()
		return 0
	}
	d.s = d.s[n:]
	return x
}

// uvarint reads a number and returns how many bytes it takes; 0 for none.
func uvarint[T string | []byte](s T) (x uint64, n int) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		c := s[i]
		x |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return x, i + 1
		}
	}
	return 0, 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) fail() { d.bad, d.s = true, "" }

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.s)) {
		d.fail()
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) site() (id clock.SiteID) {
	if len(d.s) < len(id) {
		d.fail()
		return id
	}
	copy(id[:], d.s)
	d.s = d.s[len(id):]
	return id
}

// count reads the length of a list whose items take at least size bytes each,
// so that a damaged length cannot ask for more memory than the input is worth.
func (d *decoder) count(limit, size int) int {
	n := d.uvarint()
	if n > uint64(limit) || n > uint64(len(d.s)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

// decodeVector reads a vector and returns what is behind it. It is not read by a
// decoder, since no string is cut from it: with many sites a context is most of an
// entry, and strings would keep it in memory with them.
func decodeVector(b []byte) (v clock.VersionVector, rest []byte, ok bool) {
	const siteBytes = len(clock.SiteID{})
	count, n := uvarint(b)
	b = b[n:]
	if n == 0 || count > contextSitesMax || count > uint64(len(b)/(siteBytes+2)) {
		return nil, nil, false
	}
	if count == 0 {
		return nil, b, true
	}
	v = make(clock.VersionVector, 0, count)
	for range count {
		if len(b) < siteBytes {
			return nil, nil, false
		}
		seq, n := uvarint(b[siteBytes:])
		through, m := uvarint(b[siteBytes+n:])
		if n == 0 || m == 0 {
			return nil, nil, false
		}
		e := clock.Entry{Site: clock.SiteID(b[:siteBytes]), Seq: seq, Through: clock.Timestamp(through)}
		b = b[siteBytes+n+m:]
		if last := len(v) - 1; last < 0 || v[last].Site.Compare(e.Site) < 0 {
			v = append(v, e)
		} else {
			v.Set(e)
		}
	}
	return v, b, true
}
