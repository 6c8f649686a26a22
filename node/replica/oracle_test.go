package replica_test

import (
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// logRow is a row as the log makes it.
type logRow struct {
	written, deleted clock.Stamp
	columns          map[string]logColumn
	refs             []logRef
}

type logColumn struct {
	stamp clock.Stamp
	value crdt.Value
}

// logRef is a reference of a row to another.
type logRef struct {
	column string
	to     *logRow
	action schema.Action
}

func (r *logRow) live() bool { return !r.written.Less(r.deleted) }

// oracle works the tables out of the logs by the rules R1, R2 and R4 alone.
func oracle(logs map[clock.SiteID][]crdt.Batch) []string {
	rows := map[merge.RowID]*logRow{}
	for origin, batches := range logs {
		for _, b := range batches {
			for i := range b.Changes {
				if ch := &b.Changes[i]; !merge.IsSystem(ch.Table) {
					enterChange(rows, ch, origin)
				}
			}
		}
	}
	visible := rule4(rows)
	shown := rule5(rows, visible)
	var lines []string
	for id, r := range rows {
		if !visible[r] {
			continue
		}
		out := merge.Row{Key: id.Key, Columns: clinic.Tables[id.Table].Shipped()}
		for _, name := range out.Columns {
			v := r.columns[name].value
			if other, is := shown[r][name]; is {
				v = other
			}
			for _, ref := range r.refs {
				if ref.column == name && ref.action == schema.SetNull && !visible[ref.to] {
					v = crdt.Null
				}
			}
			out.Values = append(out.Values, v)
		}
		lines = append(lines, id.Table+" "+shortKey(id.Key)+": "+showRow(out))
	}
	slices.Sort(lines)
	return lines
}

func enterChange(rows map[merge.RowID]*logRow, ch *crdt.Change, origin clock.SiteID) {
	id := merge.RowID{Table: ch.Table, Key: ch.Key}
	if rows[id] == nil {
		rows[id] = &logRow{columns: map[string]logColumn{}}
	}
	r, at := rows[id], clock.Stamp{Time: ch.Time, Site: origin}
	if ch.Delete {
		if r.deleted.Less(at) {
			r.deleted = at
		}
		return
	}
	if r.written.Less(at) {
		r.written = at
	}
	for j, name := range ch.Columns {
		if r.columns[name].stamp.Less(at) {
			r.columns[name] = logColumn{at, ch.Values[j]}
		}
	}
}

// rule4 returns the rows that are visible: those that are live and do not go
// with a dead one; what these need; and what went only with rows that are
// needed, until nothing changes.
func rule4(rows map[merge.RowID]*logRow) map[*logRow]bool {
	for id, r := range rows {
		for _, ref := range clinic.Tables[id.Table].References {
			key, ok := r.columns[ref.Column].value.Key()
			if to := rows[merge.RowID{Table: ref.Table, Key: key}]; ok && to != nil && to != r {
				r.refs = append(r.refs, logRef{ref.Column, to, schema.ActionOf(ref.OnDelete)})
			}
		}
	}
	gone := map[*logRow]bool{}
	repeat(func() (changed bool) {
		for _, r := range rows {
			goes := !r.live()
			for _, ref := range r.refs {
				goes = goes || ref.action == schema.Cascade && gone[ref.to]
			}
			changed = changed || goes && !gone[r]
			gone[r] = gone[r] || goes
		}
		return changed
	})
	visible := map[*logRow]bool{}
	for _, r := range rows {
		visible[r] = !gone[r]
	}
	repeat(func() (changed bool) {
		for _, r := range rows {
			back := r.live()
			for _, ref := range r.refs {
				if visible[r] && ref.action != schema.SetNull && !visible[ref.to] {
					visible[ref.to], changed = true, true
				}
				back = back && (ref.action != schema.Cascade || visible[ref.to])
			}
			changed = changed || back && !visible[r]
			visible[r] = visible[r] || back
		}
		return changed
	})
	return visible
}

func repeat(step func() bool) {
	for step() {
	}
}

// rule5 returns what rows show instead of unique values that others have had
// for longer.
func rule5(rows map[merge.RowID]*logRow, visible map[*logRow]bool) map[*logRow]map[string]crdt.Value {
	shown := map[*logRow]map[string]crdt.Value{}
	first := map[string]merge.RowID{}
	value := func(r *logRow, column string) crdt.Value {
		for _, ref := range r.refs {
			if ref.column == column && ref.action == schema.SetNull && !visible[ref.to] {
				return crdt.Null
			}
		}
		return r.columns[column].value
	}
	// at names the place that a row wants in an index; "" for none.
	at := func(id merge.RowID, index *schema.Index) string {
		place := id.Table + "." + index.Name
		for _, c := range index.Columns {
			v := value(rows[id], c)
			if v.IsNull() {
				return ""
			}
			place += "|" + string(v)
		}
		return place
	}
	since := func(id merge.RowID, index *schema.Index) (stamp clock.Stamp) {
		if rows[id] == nil {
			return stamp
		}
		for _, c := range index.Columns {
			if s := rows[id].columns[c].stamp; stamp.Less(s) {
				stamp = s
			}
		}
		return stamp
	}
	each := func(f func(id merge.RowID, index *schema.Index, place string)) {
		for id, r := range rows {
			t := clinic.Tables[id.Table]
			for i := range t.Unique {
				if place := at(id, &t.Unique[i]); visible[r] && place != "" {
					f(id, &t.Unique[i], place)
				}
			}
		}
	}
	each(func(id merge.RowID, index *schema.Index, place string) {
		other, taken := first[place]
		a, b := since(id, index), since(other, index)
		if !taken || a.Less(b) || a == b && id.Key < other.Key {
			first[place] = id
		}
	})
	each(func(id merge.RowID, index *schema.Index, place string) {
		r := rows[id]
		if first[place] == id {
			return
		}
		if shown[r] == nil {
			shown[r] = map[string]crdt.Value{}
		}
		column := index.Columns[0]
		if clinic.Tables[id.Table].Column(column).Nullable {
			shown[r][column] = crdt.Null
		} else {
			shown[r][column] = crdt.Text(r.columns[column].value.Payload() + "~" + merge.Suffix(id.Key))
		}
	})
	return shown
}
