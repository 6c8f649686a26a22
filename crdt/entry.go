package crdt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"baraza/clock"
)

// Entry is one log entry: a batch, or a piece of a batch that is too large for
// one. The entries of a batch follow each other in the origin's log.
//
// Layout, all integers as varints: version byte, flags byte, the context (in
// the first entry), Through (in the last), the base time, the list of sites
// that stamps refer to, the list of shapes (table and columns), the changes.
type Entry struct {
	// First and Last mark the ends of the batch.
	First, Last bool
	// Context, in a batch's first entry, lists what changed in the origin's
	// context since its previous batch.
	Context clock.VersionVector
	// Unseen, in a batch's first entry: the writers had seen nothing of the
	// context, which only says after what the batch is to be applied. The
	// adoption batch of a site that joined is such.
	Unseen bool
	// Through, in a batch's last entry, is the batch's Through.
	Through clock.Timestamp
	Changes []Change
}

const entryVersion = 1

// Bounds on what a decoder takes from the wire.
const (
	// entryChangesMax bounds the changes of one entry.
	entryChangesMax = 1 << 20
	// entryColumnsMax bounds the columns of one table.
	entryColumnsMax = 4096
	// contextSitesMax bounds the sites of a context.
	contextSitesMax = 4096
)

const (
	flagFirst = 1 << iota
	flagLast
	flagUnseen
)

const (
	flagDelete = 1 << iota
	flagWhole
	flagPrior
	flagKeyColumn  // the key is the value of a column
	changeFlagBits = iota
)

type shape struct {
	table   string
	columns []string
}

// Encoder writes entries one after the other, with memory that it uses again. The
// zero value is ready for use.
type Encoder struct {
	// What repeats in an entry is written once.
	sites  []clock.SiteID
	shapes []shape
	body   []byte
}

// encoderBody bounds the memory that an Encoder keeps, in bytes.
const encoderBody = 64 << 10

// Encode returns the entry in its wire and log form.
func (e *Entry) Encode() []byte {
	var enc Encoder
	return enc.Encode(e)
}

// Encode returns the entry in its wire and log form, in memory of its own.
func (enc *Encoder) Encode(e *Entry) []byte {
	clear(enc.shapes)
	if enc.sites, enc.shapes, enc.body = enc.sites[:0], enc.shapes[:0], enc.body[:0]; cap(enc.body) > encoderBody {
		enc.body = nil
	}
	var base clock.Timestamp
	if len(e.Changes) > 0 {
		base = e.Changes[0].Time
	}
	last := base
	for i := range e.Changes {
		enc.change(&e.Changes[i], last)
		last = e.Changes[i].Time
	}
	var flags byte
	if e.First {
		flags |= flagFirst
	}
	if e.Last {
		flags |= flagLast
	}
	if e.Unseen {
		flags |= flagUnseen
	}
	b := make([]byte, 0, enc.size(e))
	b = append(b, entryVersion, flags)
	if e.First {
		b = appendVector(b, e.Context)
	}
	if e.Last {
		b = binary.AppendUvarint(b, uint64(e.Through))
	}
	b = binary.AppendUvarint(b, uint64(base))
	b = binary.AppendUvarint(b, uint64(len(enc.sites)))
	for _, s := range enc.sites {
		b = append(b, s[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(enc.shapes)))
	for _, s := range enc.shapes {
		b = appendString(b, s.table)
		b = binary.AppendUvarint(b, uint64(len(s.columns)))
		for _, c := range s.columns {
			b = appendString(b, c)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(e.Changes)))
	return append(b, enc.body...)
}

// size is about how long an entry is whose changes are written.
func (enc *Encoder) size(e *Entry) int {
	const fixed, vectorEntry = 32, len(clock.SiteID{}) + 12
	n := fixed + vectorEntry*len(e.Context) + len(clock.SiteID{})*len(enc.sites) + len(enc.body)
	for i := range enc.shapes {
		n += 4 + len(enc.shapes[i].table)
		for _, c := range enc.shapes[i].columns {
			n += 2 + len(c)
		}
	}
	return n
}

func (enc *Encoder) change(ch *Change, last clock.Timestamp) {
	flags := uint64(0)
	if ch.Delete {
		flags |= flagDelete
	}
	if ch.Whole {
		flags |= flagWhole
	}
	prior := !ch.Prior.Row.IsZero() || !ch.Prior.Deleted.IsZero() || len(ch.Prior.Cells) > 0
	if prior {
		flags |= flagPrior
	}
	keyColumn := -1
	for i, v := range ch.Values {
		if string(v) == string(ch.Key) && v != Null {
			keyColumn = i
			flags |= flagKeyColumn
			break
		}
	}
	b := binary.AppendUvarint(enc.body, uint64(enc.shape(ch))<<changeFlagBits|flags)
	b = binary.AppendVarint(b, int64(ch.Time-last))
	if keyColumn >= 0 {
		b = binary.AppendUvarint(b, uint64(keyColumn))
	} else {
		b = appendString(b, string(ch.Key))
	}
	for _, v := range ch.Values {
		b = appendString(b, string(v))
	}
	if prior {
		b = enc.stamps(b, &ch.Prior)
	}
	enc.body = b
}

// shape returns the number of the change's shape. Changes of one shape mostly
// share their Columns slice and follow each other.
func (enc *Encoder) shape(ch *Change) int {
	for i := len(enc.shapes) - 1; i >= 0; i-- {
		if s := &enc.shapes[i]; s.table == ch.Table && sameNames(s.columns, ch.Columns) {
			return i
		}
	}
	enc.shapes = append(enc.shapes, shape{ch.Table, ch.Columns})
	return len(enc.shapes) - 1
}

func sameNames(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (enc *Encoder) site(id clock.SiteID) uint64 {
	for i, s := range enc.sites {
		if s == id {
			return uint64(i)
		}
	}
	enc.sites = append(enc.sites, id)
	return uint64(len(enc.sites) - 1)
}

func (enc *Encoder) stamp(b []byte, s clock.Stamp) []byte {
	b = binary.AppendUvarint(b, uint64(s.Time))
	return binary.AppendUvarint(b, enc.site(s.Site))
}

func (enc *Encoder) stamps(b []byte, s *Stamps) []byte {
	b = enc.stamp(b, s.Row)
	b = enc.stamp(b, s.Deleted)
	b = binary.AppendUvarint(b, uint64(len(s.Cells)))
	for i := range s.Cells {
		b = appendString(b, s.Cells[i].Column)
		b = enc.stamp(b, s.Cells[i].Stamp)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendVector(b []byte, v clock.VersionVector) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	for _, e := range v {
		b = append(b, e.Site[:]...)
		b = binary.AppendUvarint(b, e.Seq)
		b = binary.AppendUvarint(b, uint64(e.Through))
	}
	return b
}

// EndsBatch reports whether an encoded entry is the last of its batch.
func EndsBatch(b []byte) bool { return len(b) >= 2 && b[1]&flagLast != 0 }

// errShort is the one way a well-versioned entry can be bad.
var errShort = errors.New("log entry is cut short or damaged")

// DecodeEntry reads what Encode wrote. The result shares no memory with b.
func DecodeEntry(b []byte) (*Entry, error) {
	e := &Entry{}
	d := decoder{}
	if err := d.entry(b, e, nil); err != nil {
		return nil, err
	}
	return e, nil
}

// entry reads an entry, whose context has the room that there is; for a Decoder,
// if it is not nil.
func (d *decoder) entry(b []byte, e *Entry, dec *Decoder) error {
	if len(b) < 2 {
		return errShort
	}
	if b[0] != entryVersion {
		return fmt.Errorf("log entry has format version %d, this program knows %d: update baraza at this site", b[0], entryVersion)
	}
	e.First, e.Last, e.Unseen = b[1]&flagFirst != 0, b[1]&flagLast != 0, b[1]&flagUnseen != 0
	b = b[2:]
	room := e.Context
	e.Context = nil
	if e.First {
		var ok bool
		if e.Context, b, ok = decodeVector(b, room); !ok {
			return errShort
		}
	}
	d.s = string(b)
	if e.Last {
		e.Through = clock.Timestamp(d.uvarint())
	}
	last := clock.Timestamp(d.uvarint())
	d.readSites(d.count(entryChangesMax, len(clock.SiteID{})))
	shapes := d.shapes(dec)
	e.Changes = d.memory.room(d.count(entryChangesMax, 3))
	for i := range e.Changes {
		d.left = len(e.Changes) - i
		d.change(&e.Changes[i], shapes, last)
		last = e.Changes[i].Time
		if d.bad {
			return errShort
		}
	}
	if d.bad || d.s != "" {
		return errShort
	}
	return nil
}

// shapes reads the shapes of an entry.
func (d *decoder) shapes(dec *Decoder) []shape {
	n := d.count(entryChangesMax, 2)
	if dec != nil {
		return dec.readShapes(d, n)
	}
	shapes := make([]shape, n)
	for i := range shapes {
		shapes[i].table = d.string()
		if n := d.count(entryColumnsMax, 1); n > 0 {
			shapes[i].columns = make([]string, n)
		}
		for j := range shapes[i].columns {
			shapes[i].columns[j] = d.string()
		}
	}
	return shapes
}

func (d *decoder) change(ch *Change, shapes []shape, last clock.Timestamp) {
	head := d.uvarint()
	index := head >> changeFlagBits
	if index >= uint64(len(shapes)) {
		d.bad = true
		return
	}
	s := &shapes[index]
	ch.Table, ch.Columns = s.table, s.columns
	ch.Delete, ch.Whole = head&flagDelete != 0, head&flagWhole != 0
	ch.Time = last + clock.Timestamp(d.varint())
	keyColumn := -1
	if head&flagKeyColumn != 0 {
		keyColumn = int(d.uvarint())
		if keyColumn < 0 || keyColumn >= len(s.columns) {
			d.bad = true
			return
		}
	} else {
		ch.Key = Key(d.string())
	}
	if len(s.columns) > 0 {
		ch.Values = d.values(len(s.columns))
		for j := range ch.Values {
			ch.Values[j] = Value(d.string())
		}
	}
	if keyColumn >= 0 {
		ch.Key = Key(ch.Values[keyColumn])
	}
	if head&flagPrior != 0 {
		d.stamps(&ch.Prior)
	}
}

// slabValues is how many values share an allocation, at most.
const slabValues = 512

// values returns room for n values, cut from slabs so that a decoded entry
// costs few allocations. A slab is no larger than the changes left may need.
func (d *decoder) values(n int) []Value {
	if d.memory != nil {
		return d.memory.Values(n)[:n]
	}
	if len(d.slab) < n {
		d.slab = make([]Value, max(n, min(slabValues, n*d.left)))
	}
	v := d.slab[:n:n]
	d.slab = d.slab[n:]
	return v
}

func (d *decoder) stamps(s *Stamps) {
	s.Row, s.Deleted = d.stamp(), d.stamp()
	if n := d.count(entryColumnsMax, 3); n > 0 {
		s.Cells = d.memory.Cells(n)[:n]
	}
	for i := range s.Cells {
		s.Cells[i] = CellStamp{d.string(), d.stamp()}
	}
}

func (d *decoder) stamp() clock.Stamp {
	t, i := clock.Timestamp(d.uvarint()), d.uvarint()
	if i >= uint64(len(d.sites)) {
		d.bad = true
		return clock.Stamp{}
	}
	return clock.Stamp{Time: t, Site: d.sites[i]}
}
