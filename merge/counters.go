package merge

import (
	"slices"

	"baraza/crdt"
)

// counters is what a row has of counters (R6). While it is placed, the row has
// the sums that its table shows; bases and parts are put by, and go with its
// state.
type counters struct {
	shown   []string // the counters
	columns []string // bases and parts
	values  []crdt.Value
}

// splitCounters puts the row's bases and parts by and gives it what it shows. A
// column that is a counter has its base kept even before anyone has added to it,
// so that the first to do so can tell how much.
func (m *Merger) splitCounters(w *work) {
	declared := m.Rules.Counters[w.id.Table]
	w.counters = nil
	if len(declared) == 0 && !slices.ContainsFunc(w.row.Columns, crdt.IsPart) {
		return
	}
	c := &counters{}
	for _, name := range declared {
		if v, ok := w.row.Value(name); ok && v.IsNumber() {
			c.shown = append(c.shown, name)
		}
	}
	row := *w.row
	row.Columns, row.Values = nil, nil
	for i, name := range w.row.Columns {
		if crdt.IsPart(name) {
			column, _, ok := crdt.PartOf(name)
			if ok && !slices.Contains(c.shown, column) {
				c.shown = append(c.shown, column)
			}
			c.columns, c.values = append(c.columns, name), append(c.values, w.row.Values[i])
			continue
		}
		row.Columns, row.Values = append(row.Columns, name), append(row.Values, w.row.Values[i])
	}
	for _, name := range c.shown {
		v, _ := w.row.Shows(name)
		if i := find(row.Columns, name); i >= 0 {
			c.columns, c.values = append(c.columns, name), append(c.values, row.Values[i])
			row.Values[i] = v
		}
	}
	if len(c.columns) > 0 {
		w.row, w.counters = &row, c
	}
}

// join adds bases and parts to what a row's state keeps. A counter that is kept
// as any other column is was not written: where the row is in its table, the
// state remembers what the table shows instead.
func (c *counters) join(w *work, inTable bool, columns []string, values []crdt.Value) ([]string, []crdt.Value) {
	if c == nil {
		return columns, values
	}
	var cs []string
	var vs []crdt.Value
	for i, name := range columns {
		if !slices.Contains(c.shown, name) {
			cs, vs = append(cs, name), append(vs, values[i])
			continue
		}
		if !inTable || w.inTable == nil {
			continue
		}
		if at := find(w.inTable.Columns, name); at >= 0 && w.inTable.Values[at] != values[i] {
			cs, vs = append(cs, crdt.Shown(name)), append(vs, w.inTable.Values[at])
		}
	}
	return append(cs, c.columns...), append(vs, c.values...)
}

// wrote notes what an update wrote, where that is asked for later.
func (w *work) wrote(r *Row) {
	if w.counters == nil {
		return
	}
	now := Row{Key: w.inTable.Key, Columns: w.inTable.Columns, Values: slices.Clone(w.inTable.Values)}
	for i, name := range r.Columns {
		if at := find(now.Columns, name); at >= 0 {
			now.Values[at] = r.Values[i]
		}
	}
	w.inTable = &now
}

// WithoutShown leaves out of a state's columns what only its site is to know.
func WithoutShown(columns []string, values []crdt.Value) ([]string, []crdt.Value) {
	if !slices.ContainsFunc(columns, crdt.IsShown) {
		return columns, values
	}
	var cs []string
	var vs []crdt.Value
	for i, name := range columns {
		if !crdt.IsShown(name) {
			cs, vs = append(cs, name), append(vs, values[i])
		}
	}
	return cs, vs
}
