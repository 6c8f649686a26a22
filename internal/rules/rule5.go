package rules

import (
	"encoding/base32"
	"hash/fnv"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// rule5 lets the row that has had a unique value for longest keep it. The others
// are held, or show NULL in the index's first column that may be NULL, or their
// text with a mark, by the setting of their table.
func (v *View) rule5() {
	v.hold()
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
		column, value := n.displaced(index, v.rules.Unique[n.ID.Table])
		n.instead[column] = value
	})
}

// hold finds the rows that are held outside their tables. Those that have had
// their values for longest come first; each is in its table unless one before
// it, which is, has a value that it wants.
func (v *View) hold() {
	var rows []*node
	since := map[*node]clock.Stamp{}
	for _, n := range v.rows {
		indexes := v.holding(n.table)
		if !n.visible || len(indexes) == 0 {
			continue
		}
		rows = append(rows, n)
		for _, index := range indexes {
			if at := n.since(index); since[n].Less(at) {
				since[n] = at
			}
		}
	}
	slices.SortFunc(rows, func(a, b *node) int {
		if c := since[a].Compare(since[b]); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID.Key), string(b.ID.Key))
	})
	taken := map[string]bool{}
	for _, n := range rows {
		var places []string
		for _, index := range v.holding(n.table) {
			if place := n.place(index); place != "" {
				places = append(places, place)
				n.held = n.held || taken[place]
			}
		}
		for _, place := range places {
			taken[place] = taken[place] || !n.held
		}
	}
}

// holding lists the indexes of a table whose clashes hold a row. There are none
// in a table that is referred to.
func (v *View) holding(t *schema.Table) (all []*schema.Index) {
	for _, other := range v.model.Tables {
		for _, ref := range other.References {
			if ref.Table == t.Name {
				return nil
			}
		}
	}
	for i := range t.Unique {
		index := &t.Unique[i]
		if slices.Equal(index.Columns, t.Identity.Columns) {
			continue
		}
		shows := slices.ContainsFunc(index.Columns, func(c string) bool { return t.Column(c).Nullable || t.Column(c).Charset != "" })
		if !shows || v.rules.Unique[t.Name] == merge.WayHold {
			all = append(all, index)
		}
	}
	return all
}

// eachPlace calls each for the places in unique indexes that visible rows want.
func (v *View) eachPlace(each func(n *node, index *schema.Index, place string)) {
	for _, n := range v.rows {
		for i := range n.table.Unique {
			index := &n.table.Unique[i]
			if slices.Equal(index.Columns, n.table.Identity.Columns) {
				continue // it is the key
			}
			if place := n.place(index); n.visible && !n.held && place != "" {
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
func (n *node) displaced(index *schema.Index, way merge.Way) (column string, v crdt.Value) {
	null := slices.IndexFunc(index.Columns, func(c string) bool { return n.table.Column(c).Nullable })
	text := slices.IndexFunc(index.Columns, func(c string) bool { return n.Value(c).Tag() == crdt.TagText })
	switch {
	case text >= 0 && (null < 0 || way == merge.WayMark):
		c := index.Columns[text]
		return c, crdt.Text(n.Value(c).Payload() + "~" + mark(n.ID.Key))
	case null >= 0:
		return index.Columns[null], crdt.Null
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
