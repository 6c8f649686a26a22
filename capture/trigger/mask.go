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

// written translates what a log row says of an update (see plan.same) to the
// columns as they are now. Where it says nothing, all may have been written
// (instead.go).
func (n *numbered) written(same []byte) (mask, error) {
	m := n.unknown
	if same == nil {
		return full(len(n.now.Columns)), nil
	}
	if len(same) != len(n.shipped) {
		return m, fmt.Errorf("it tells of %d columns of table %s, not %d", len(same), n.table, len(n.shipped))
	}
	for i, s := range same {
		if s == 0 && n.shipped[i] >= 0 {
			m.set(n.shipped[i])
		}
	}
	return m, nil
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
