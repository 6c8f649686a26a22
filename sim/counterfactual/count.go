package counterfactual

import (
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/sim/measure"
)

// Counts are what the other rules would have done. Values are of one column of
// one row; deletes are left out.
type Counts struct {
	// Values were written by applications. Seen are those of them whose writer
	// had seen a value that stood there; of these, WallUndone are those that the
	// clock on the writer's wall puts before one that he had seen: last writer
	// wins by these clocks would have undone them at all sites, silently.
	Values, Seen, WallUndone int
	// Pairs are pairs of values of one column whose writers had not seen each
	// other's; WallOther those whose winner would be the other one.
	Pairs, WallOther int
	// RowLost are the values that stand at the end, and that last writer wins by
	// whole rows would have lost, with the very same stamps: a newer write of the
	// row, by somebody who had not seen the value, wrote other columns, and would
	// have brought the old value of this one back.
	RowLost int
}

// Metric is a figure of the counterfactual.
type Metric struct {
	Name, Unit, About string
	value             func(*Counts) float64
}

// Value returns the figure.
func (m *Metric) Value(c *Counts) float64 { return m.value(c) }

func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// Metrics are all figures.
var Metrics = []Metric{
	{"cf_values", "", "values that applications wrote", func(c *Counts) float64 { return float64(c.Values) }},
	{"cf_seen", "", "values written by who had seen what stood there", func(c *Counts) float64 { return float64(c.Seen) }},
	{"cf_wall_undone", "", "of these, undone by last writer wins by wall clocks", func(c *Counts) float64 { return float64(c.WallUndone) }},
	{"cf_wall_undone_percent", "%", "the same, as a part of them", func(c *Counts) float64 { return percent(c.WallUndone, c.Seen) }},
	{"cf_pairs", "", "pairs of values of a cell whose writers had not seen each other's", func(c *Counts) float64 { return float64(c.Pairs) }},
	{"cf_wall_other_percent", "%", "of these, pairs that the other one wins by wall clocks", func(c *Counts) float64 { return percent(c.WallOther, c.Pairs) }},
	{"cf_row_lost", "", "values that last writer wins by whole rows loses, and by columns does not", func(c *Counts) float64 { return float64(c.RowLost) }},
	{"cf_row_lost_percent", "%", "the same, as a part of all values", func(c *Counts) float64 { return percent(c.RowLost, c.Values) }},
}

// Named returns a figure as measure has them, for who shows both; false when
// there is none of that name.
func Named(name string) (measure.Metric, bool) {
	for _, m := range Metrics {
		if m.Name == name {
			return measure.Metric{Name: m.Name, Unit: m.Unit, About: m.About}, true
		}
	}
	return measure.Metric{}, false
}

// Count compares the rules over all that was logged.
func (o *Watcher) Count() (*Counts, error) {
	c := &Counts{}
	for _, id := range o.order {
		c.row(o.rows[id])
	}
	return c, o.Err
}

func (c *Counts) row(writes []write) {
	byColumn := map[string][]*write{}
	var names []string
	for i := range writes {
		w := &writes[i]
		for _, name := range w.Columns { // a delete has none
			if byColumn[name] == nil {
				names = append(names, name)
			}
			byColumn[name] = append(byColumn[name], w)
		}
	}
	for _, name := range names {
		c.column(name, byColumn[name], writes)
	}
}

// column counts what would have become of the values of one column.
func (c *Counts) column(name string, list []*write, row []write) {
	for i, w := range list {
		c.Values++
		seen, undone := false, false
		for _, other := range list {
			if other != w && w.knew(name, other) {
				seen = true
				undone = undone || before(w, other)
			}
		}
		if seen {
			c.Seen++
		}
		if undone {
			c.WallUndone++
		}
		for _, other := range list[:i] {
			if w.knew(name, other) || other.knew(name, w) {
				continue
			}
			c.Pairs++
			if before(w, other) != w.at.Less(other.at) {
				c.WallOther++
			}
		}
		if w.lostWithRow(name, row) {
			c.RowLost++
		}
	}
}

// before reports whether one write is before another by the clocks on the walls
// of their sites; the site decides where these read alike. A site's own writes
// keep their order.
func before(a, b *write) bool {
	if a.at.Site == b.at.Site && a.wall == b.wall {
		return a.at.Less(b.at)
	}
	if a.wall != b.wall {
		return a.wall < b.wall
	}
	return string(a.at.Site[:]) < string(b.at.Site[:])
}

// knew reports whether a writer had seen what another wrote to a column. One
// that lists the baseline as what it replaced saw nothing.
func (w *write) knew(column string, other *write) bool {
	i := slices.IndexFunc(w.Prior.Cells, func(c crdt.CellStamp) bool { return c.Column == column })
	if i >= 0 && w.Prior.Cells[i].Stamp == (clock.Stamp{}) {
		return false
	}
	return w.seen.Covers(other.at)
}

// lostWithRow reports whether a value that stands at the end by columns would
// not by whole rows. A write of a whole row carries on what its writer saw of the
// other columns, which is what the greatest write that he had seen carries: so
// the value stands when that chain leads from the greatest write to it.
func (w *write) lostWithRow(column string, row []write) bool {
	for i := range row {
		newer := &row[i]
		if w.at.Less(newer.at) && (newer.Delete || slices.Contains(newer.Columns, column)) {
			return false // it does not stand
		}
	}
	at := greatest(row, func(*write) bool { return true })
	for at != w {
		last := at
		if at = greatest(row, func(x *write) bool { return last.seen.Covers(x.at) }); at == nil || at.at.Less(w.at) {
			return true
		}
	}
	return false
}

// greatest returns the write of a row with the greatest stamp of those that
// pass.
func greatest(row []write, pass func(*write) bool) (top *write) {
	for i := range row {
		if w := &row[i]; !w.Delete && (top == nil || top.at.Less(w.at)) && pass(w) {
			top = w
		}
	}
	return top
}
