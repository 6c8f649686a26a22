package rules

import (
	"encoding/base32"
	"hash/fnv"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
	"baraza/schema"
)

// rule5 lets the row that has had a unique value for longest keep it. The others
// show NULL in the index's first column that may be NULL, else their text with
// a mark.
func (v *View) rule5() {
	first := map[string]*node{}
	v.eachPlace(func(n *node, index *schema.Index, place string) {
		other := first[place]
		if other == nil || n.before(other, index) {
			first[place] = n
		}
	})
	v.eachPlace(func(n *node, index *schema.Index, place string) {
		if first[place] == n {
			return
		}
		if n.instead == nil {
			n.instead = map[string]crdt.Value{}
		}
		column, value := n.displaced(index)
		n.instead[column] = value
	})
}

// eachPlace calls each for the places in unique indexes that visible rows want.
func (v *View) eachPlace(each func(n *node, index *schema.Index, place string)) {
	for _, n := range v.rows {
		for i := range n.table.Unique {
			index := &n.table.Unique[i]
			if slices.Equal(index.Columns, n.table.Identity.Columns) {
				continue // it is the key
			}
			if place := n.place(index); n.visible && place != "" {
				each(n, index, place)
			}
		}
	}
}

// place names the place that a row wants in an index; "" for none.
func (n *node) place(index *schema.Index) string {
	var place strings.Builder
	place.WriteString(n.ID.Table + "." + index.Name)
	for _, c := range index.Columns {
		v := n.own(c)
		if v.IsNull() {
			return ""
		}
		place.WriteString("|" + string(v))
	}
	return place.String()
}

// before reports whether a row has had its values in an index for longer.
func (n *node) before(other *node, index *schema.Index) bool {
	a, b := n.since(index), other.since(index)
	if a == b {
		return n.ID.Key < other.ID.Key
	}
	return a.Less(b)
}

func (n *node) since(index *schema.Index) (at clock.Stamp) {
	for _, c := range index.Columns {
		if s := n.stamp(c); at.Less(s) {
			at = s
		}
	}
	return at
}

// displaced is what a row shows whose place in an index another has. One of the
// columns must be text, or may be NULL.
func (n *node) displaced(index *schema.Index) (column string, v crdt.Value) {
	for _, c := range index.Columns {
		if n.table.Column(c).Nullable {
			return c, crdt.Null
		}
	}
	for _, c := range index.Columns {
		if n.Value(c).Tag() == crdt.TagText {
			return c, crdt.Text(n.Value(c).Payload() + "~" + mark(n.ID.Key))
		}
	}
	panic("package rules does not know what " + n.ID.Table + " shows when another row has its " + index.Name)
}

// mark is by what a row's texts are marked.
func mark(key crdt.Key) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // it never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil))[:4])
}

// MayDisplace reports whether R5 may show another value in a column of a table.
func MayDisplace(t *schema.Table, column string) bool {
	return slices.ContainsFunc(t.Unique, func(u schema.Index) bool {
		return slices.Contains(u.Columns, column) && !slices.Equal(u.Columns, t.Identity.Columns)
	})
}
