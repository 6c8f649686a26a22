package trigger

import (
	"fmt"
	"math/bits"

	"baraza/internal/sqlrow"
)

// mask is a set of the columns of one table, by their places in Table.Columns.
type mask [2]uint64

func full(n int) mask {
	var m mask
	for i := range n {
		m.set(i)
	}
	return m
}

func (m *mask) set(i int)   { m[i/maskBits] |= 1 << (i % maskBits) }
func (m *mask) clear(i int) { m[i/maskBits] &^= 1 << (i % maskBits) }

func (m mask) empty() bool { return m == mask{} }

func (m mask) or(o mask) mask  { return mask{m[0] | o[0], m[1] | o[1]} }
func (m mask) and(o mask) mask { return mask{m[0] & o[0], m[1] & o[1]} }
func (m mask) not(o mask) mask { return mask{m[0] &^ o[0], m[1] &^ o[1]} }

// each calls f for the members in ascending order.
func (m mask) each(f func(i int)) {
	for w, word := range m {
		for ; word != 0; word &= word - 1 {
			f(w*maskBits + bits.TrailingZeros64(word))
		}
	}
}

// The bytes by which a log row says of a column what an update did to it.
const (
	columnWritten = 0
	// columnSame: it left the value as it was.
	columnSame = 1
	// columnGone: the table had no such column (instead.go).
	columnGone = 2
)

// written translates what a log row says of an update (see plan.same) to the
// columns as they are now. perhaps are those of them that the trigger did not
// know, and that the update may have left as they were (perhaps.go). Where a
// column was gone, one of those may be it under another name: it had values that
// no log row told of, so it counts as written whatever it shows. Triggers of
// older versions said nothing at all then.
func (n *numbered) written(same []byte) (m, perhaps mask, err error) {
	if same == nil {
		return full(len(n.now.Columns)), perhaps, nil
	}
	if len(same) != len(n.shipped) {
		return m, perhaps, fmt.Errorf("it tells of %d columns of table %s, not %d", len(same), n.table, len(n.shipped))
	}
	m, perhaps = n.unknown, n.unknown
	for i, s := range same {
		if s == columnGone {
			perhaps = mask{}
		}
		if s == columnWritten && n.shipped[i] >= 0 {
			m.set(n.shipped[i])
		}
	}
	return m, perhaps, nil
}

// columnSets gives rows of one shape one slice of column names.
type columnSets struct {
	byShape map[shape][]string
}

type shape struct {
	table *sqlrow.Table
	mask  mask
}

// shapesMax bounds the shapes that are remembered.
const shapesMax = 10_000

func newColumnSets() *columnSets { return &columnSets{byShape: make(map[shape][]string)} }

func (c *columnSets) names(t *sqlrow.Table, m mask) []string {
	if m == full(len(t.Columns)) {
		return t.Columns
	}
	id := shape{t, m}
	names := c.byShape[id]
	if names == nil {
		m.each(func(i int) { names = append(names, t.Columns[i]) })
		if len(c.byShape) < shapesMax {
			c.byShape[id] = names
		}
	}
	return names
}
