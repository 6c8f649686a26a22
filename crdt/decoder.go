package crdt

import (
	"encoding/binary"
	"slices"
	"strings"

	"baraza/clock"
)

// decoder reads from a string; strings cut from it need no copy. After the
// first mistake bad is set and every read gives zero.
type decoder struct {
	s      string
	bad    bool
	sites  []clock.SiteID
	slab   []Value
	left   int // changes to decode, with the one at hand
	memory *Memory
}

// Decoder reads entries one after the other. What it reads is in a step's memory,
// and changes of one shape share their names, from entry to entry.
type Decoder struct {
	memory  *Memory
	entry   Entry
	context clock.VersionVector
	sites   []clock.SiteID
	shapes  []shape
	names   []string
	known   map[string]shape // by what an entry has of them
}

// NewDecoder returns a decoder that reads into a memory.
func NewDecoder(m *Memory) *Decoder { return &Decoder{memory: m, known: map[string]shape{}} }

// knownMax bounds the shapes that a decoder knows.
const knownMax = 1024

// Decode is DecodeEntry. What it returns is valid until the memory is reset, but
// for the entry itself and its context: those are until the next call.
func (dec *Decoder) Decode(b []byte) (*Entry, error) {
	e := &dec.entry
	*e = Entry{Context: dec.context[:0]}
	d := decoder{memory: dec.memory, sites: dec.sites[:0]}
	err := d.entry(b, e, dec)
	dec.sites = d.sites
	if e.Context != nil {
		dec.context = e.Context
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// readShapes reads the shapes of an entry; of those that it knows nothing is kept of the
// entry.
func (dec *Decoder) readShapes(d *decoder, n int) []shape {
	dec.shapes = dec.shapes[:0]
	for range n {
		from := d.s
		s := shape{table: d.string()}
		dec.names = dec.names[:0]
		for range d.count(entryColumnsMax, 1) {
			dec.names = append(dec.names, d.string())
		}
		written := from[:len(from)-len(d.s)]
		if known, ok := dec.known[written]; ok && !d.bad {
			dec.shapes = append(dec.shapes, known)
			continue
		}
		if d.bad {
			return nil
		}
		s.table = strings.Clone(s.table)
		if len(dec.names) > 0 {
			s.columns = make([]string, len(dec.names))
		}
		for i, name := range dec.names {
			s.columns[i] = strings.Clone(name)
		}
		if len(dec.known) >= knownMax {
			clear(dec.known)
		}
		dec.known[strings.Clone(written)] = s
		dec.shapes = append(dec.shapes, s)
	}
	return dec.shapes
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

// readSites reads the sites that stamps refer to.
func (d *decoder) readSites(n int) {
	d.sites = slices.Grow(d.sites, n)
	for range n {
		d.sites = append(d.sites, d.site())
	}
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
func decodeVector(b []byte, to clock.VersionVector) (v clock.VersionVector, rest []byte, ok bool) {
	const siteBytes = len(clock.SiteID{})
	count, n := uvarint(b)
	b = b[n:]
	if n == 0 || count > contextSitesMax || count > uint64(len(b)/(siteBytes+2)) {
		return nil, nil, false
	}
	if count == 0 {
		return nil, b, true
	}
	if v = to; v == nil {
		v = make(clock.VersionVector, 0, count)
	}
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
