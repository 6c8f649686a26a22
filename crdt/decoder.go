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
	var x uint64
	for i := 0; i < len(d.s) && i < binary.MaxVarintLen64; i++ {
		c := d.s[i]
		x |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.s = d.s[i+1:]
			return x
		}
	}
	d.fail()
	return 0
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

func (d *decoder) vector() clock.VersionVector {
	n := d.count(contextSitesMax, len(clock.SiteID{})+2)
	if n == 0 {
		return nil
	}
	v := make(clock.VersionVector, 0, n)
	for range n {
		e := clock.Entry{Site: d.site(), Seq: d.uvarint(), Through: clock.Timestamp(d.uvarint())}
		if last := len(v) - 1; last < 0 || v[last].Site.Compare(e.Site) < 0 {
			v = append(v, e)
		} else {
			v.Set(e)
		}
	}
	return v
}
