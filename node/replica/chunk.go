package replica

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/crdt"
	"baraza/merge"
)

// Chunk is some rows of a table with their states, as they travel.
type Chunk struct {
	Table string
	Items []Item
}

// Item is one row.
type Item struct {
	Key crdt.Key
	// Same: the receiver has the same values; only the state travels.
	Same bool
	// Settled: it is a tombstone that an insert takes no notice of
	// (merge.Settled).
	Settled bool
	// Columns and Values are the whole row; of a deleted row what its
	// tombstone keeps.
	Columns []string
	Values  []crdt.Value
	crdt.Stamps
	KnownRow   bool
	KnownCells []string
	Lost       []crdt.Loss
}

// Halves returns the chunk in two parts, for a database that asks for fewer rows at
// a time.
func (c *Chunk) Halves() [2]*Chunk {
	n := len(c.Items) / 2
	return [2]*Chunk{{c.Table, c.Items[:n]}, {c.Table, c.Items[n:]}}
}

// newItem is a row as the rules see it.
func newItem(key crdt.Key, r *crdt.Row) Item {
	return Item{
		Key: key, Columns: r.Columns, Values: r.Values, Stamps: r.Stamps,
		KnownRow: r.KnownRow, KnownCells: r.KnownCells, Lost: r.Lost,
	}
}

// row is the item as the rules see it. What is done to the row is not done to the
// item: the chunk may be tried again.
func (it *Item) row() *crdt.Row {
	r := &crdt.Row{}
	it.rowInto(r)
	r.Lost = slices.Clone(r.Lost) // a Row writes it in place
	return r
}

func (it *Item) rowInto(r *crdt.Row) {
	*r = crdt.Row{
		Stamps: it.Stamps, Exists: !it.Dead(), Columns: it.Columns, Values: it.Values,
		KnownRow: it.KnownRow, KnownCells: it.KnownCells, Lost: it.Lost,
	}
}

// state is what to keep of a row whose values are all in its table; nil when
// there is nothing to keep.
func (it *Item) state() *merge.State {
	if it.Row.IsZero() && len(it.Cells) == 0 && it.Deleted.IsZero() && !it.KnownRow && len(it.Lost) == 0 {
		return nil
	}
	return &merge.State{Stamps: it.Stamps, KnownRow: it.KnownRow, KnownCells: it.KnownCells, HasLoss: len(it.Lost) > 0}
}

func (it *Item) size() int {
	n := 32 + len(it.Key) + 32*len(it.Cells)
	for _, v := range it.Values {
		n += 1 + len(v)
	}
	for i := range it.Lost {
		n += 64 + len(it.Lost[i].Value) + len(it.Lost[i].WinnerValue)
	}
	return n
}

// On the wire a chunk is a log entry whose changes carry the rows' stamps as
// what they overwrote, and a list of what few rows have besides.
type wireChunk struct {
	Table  string
	Entry  []byte
	Extras []wireExtra
}

type wireExtra struct {
	Item       int
	KnownRow   bool
	KnownCells []string
	Lost       []crdt.Loss
	Settled    bool
}

var errChunk = errors.New("the rows that a member sent are damaged")

// Encode returns the chunk in its wire form.
func (c *Chunk) Encode() ([]byte, error) {
	e := crdt.Entry{Changes: make([]crdt.Change, len(c.Items))}
	w := wireChunk{Table: c.Table}
	for i := range c.Items {
		it := &c.Items[i]
		e.Changes[i] = crdt.Change{
			Table: c.Table, Key: it.Key, Whole: !it.Same, Columns: it.Columns, Values: it.Values, Prior: it.Stamps,
		}
		if it.KnownRow || len(it.KnownCells) > 0 || len(it.Lost) > 0 || it.Settled {
			w.Extras = append(w.Extras, wireExtra{i, it.KnownRow, it.KnownCells, it.Lost, it.Settled})
		}
	}
	w.Entry = e.Encode()
	var b bytes.Buffer
	b.Grow(len(w.Entry) + len(w.Table) + 64)
	if err := msgpack.NewEncoder(&b).Encode(&w); err != nil {
		return nil, fmt.Errorf("encode rows of table %s: %w", c.Table, err)
	}
	return b.Bytes(), nil
}

// DecodeChunk reads what Encode wrote.
func DecodeChunk(b []byte) (*Chunk, error) {
	var w wireChunk
	if err := msgpack.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", errChunk, err)
	}
	e, err := crdt.DecodeEntry(w.Entry)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errChunk, err)
	}
	c := &Chunk{Table: w.Table, Items: make([]Item, len(e.Changes))}
	for i := range e.Changes {
		ch := &e.Changes[i]
		if ch.Table != w.Table {
			return nil, errChunk
		}
		c.Items[i] = Item{Key: ch.Key, Same: !ch.Whole, Columns: ch.Columns, Values: ch.Values, Stamps: ch.Prior}
	}
	for _, x := range w.Extras {
		if x.Item < 0 || x.Item >= len(c.Items) {
			return nil, errChunk
		}
		it := &c.Items[x.Item]
		it.KnownRow, it.KnownCells, it.Lost, it.Settled = x.KnownRow, x.KnownCells, x.Lost, x.Settled
	}
	return c, nil
}
