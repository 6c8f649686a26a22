package replica_test

import (
	"maps"
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/rules"
	"baraza/merge"
	"baraza/schema"
)

// oracle works the tables out of the logs by package rules alone.
func oracle(m *schema.Model, logs map[clock.SiteID][]crdt.Batch, settings merge.Rules) []string {
	rows := map[merge.RowID]*rules.Row{}
	for origin, batches := range logs {
		own := clock.Entry{Site: origin}
		for _, b := range batches {
			seen := b.Context.Clone()
			seen.Merge(clock.VersionVector{own})
			own.Seq, own.Through = b.Last, b.Through
			for i := range b.Changes {
				ch := &b.Changes[i]
				if merge.IsSystem(ch.Table) {
					continue
				}
				id := merge.RowID{Table: ch.Table, Key: ch.Key}
				if rows[id] == nil {
					rows[id] = &rules.Row{ID: id}
				}
				rows[id].Apply(ch, clock.Stamp{Time: ch.Time, Site: origin}, rules.Known{Seen: seen, After: seen})
			}
		}
	}
	view := rules.Show(m, settings, maps.Values(rows))
	var lines []string
	for id := range rows {
		if !view.Visible(id) {
			continue
		}
		out := merge.Row{Key: id.Key, Columns: m.Tables[id.Table].Shipped()}
		for _, name := range out.Columns {
			out.Values = append(out.Values, view.Value(id, name))
		}
		lines = append(lines, id.Table+" "+shortKey(id.Key)+": "+showRow(out))
	}
	slices.Sort(lines)
	return lines
}
