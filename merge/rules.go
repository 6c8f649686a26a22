package merge

import (
	"slices"

	"baraza/schema"
)

// Way is what a row shows, or where it goes, when another has its value in a
// unique index (R5).
type Way uint8

// The ways. Each falls back on the next that the index's columns allow.
const (
	// WayNull shows NULL in the first column that may be NULL, else a marked
	// text, else the row is held.
	WayNull Way = iota
	// WayMark shows a marked text where one has room, else NULL, else the row is
	// held.
	WayMark
	// WayHold holds the row outside its table.
	WayHold
	wayCount
)

func (w Way) String() string { return [...]string{"null", "mark", "hold"}[w] }

// WayNamed returns the way of a name.
func WayNamed(name string) (Way, bool) {
	for w := range wayCount {
		if w.String() == name {
			return w, true
		}
	}
	return WayNull, false
}

// Rules are the settings that decide what is shown. They are the same at every
// site, or become so: what is shown is a function of the changes and of them.
type Rules struct {
	// Unique is the way of each table that does not go by WayNull.
	Unique map[string]Way
	// Counters are the columns that add up what everyone adds (R6), by table.
	Counters map[string][]string
}

// leaf reports whether no replicated table refers to a table: rows can be held
// outside it without taking others with them.
func (m *Merger) leaf(t *schema.Table) bool { return len(m.referrers[t.Name]) == 0 }

// way returns how the table's clashes are settled. Where rows refer to the table
// none is held that can show anything.
func (m *Merger) way(t *schema.Table) Way {
	w := m.Rules.Unique[t.Name]
	if w == WayHold && !m.leaf(t) {
		return WayNull
	}
	return w
}

// holds reports whether a row without its value in the index is held outside the
// table, at every site: because it is to be, or can show nothing else.
func (m *Merger) holds(t *schema.Table, index *schema.Index) bool {
	if !m.leaf(t) {
		return false
	}
	return m.way(t) == WayHold || !slices.ContainsFunc(index.Columns, func(c string) bool { return mayNull(t, c) || mayMark(t, c) })
}

// mayNull reports whether a row may show NULL in a column instead of its value.
func mayNull(t *schema.Table, column string) bool {
	c := t.Column(column)
	return c != nil && c.Nullable && !slices.Contains(t.Identity.Columns, column) && !slices.Contains(t.PrimaryKey, column)
}

// mayMark reports whether a row may show a marked text in a column, if there is
// room.
func mayMark(t *schema.Table, column string) bool {
	c := t.Column(column)
	return c != nil && c.Charset != "" && t.Reference(column) == nil && !slices.Contains(t.Identity.Columns, column)
}
