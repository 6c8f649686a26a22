package merge

import (
	"context"
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// releases notes that a row in its table no longer refers to what it referred
// to through these columns: kept rows may go then.
func (pl *placing) releases(t *schema.Table, w *work, columns []string) {
	if w.inTable == nil {
		return
	}
	pl.releasesOf(t, w.inTable.Columns, w.inTable.Values, columns)
}

func (pl *placing) releasesOf(t *schema.Table, all []string, values []crdt.Value, columns []string) {
	for i, c := range all {
		if ref, to := refersTo(pl.m.Model, t, c, values[i]); ref != nil && slices.Contains(columns, c) {
			pl.released = append(pl.released, to)
		}
	}
}

// lowers notes below which rows a row in its table comes, along CASCADE: it may have
// kept some that can go with it now.
func (pl *placing) lowers(t *schema.Table, written *Row) {
	pl.lowered = append(pl.lowered, cascadesOf(t, written)...)
}

// releaseMax bounds how many rows above those that are released are looked at in
// one round, in rows.
const releaseMax = 10_000

// quiet returns the rows to decide about once more when nothing else is to be done in
// the transaction: those that came back, as what they came back for may have gone
// meanwhile, and kept ones below which a row came.
func (pl *placing) quiet(ctx context.Context) (ids []RowID, err error) {
	pl.released, pl.lowered = pl.lowered, nil
	if err := pl.keptOnly(ctx); err != nil {
		return nil, err
	}
	again := append(pl.released, pl.back...)
	pl.released, pl.back = nil, nil
	slices.SortFunc(again, RowID.Compare)
	for _, id := range slices.Compact(again) {
		if pl.looked == nil {
			pl.looked = map[RowID]int{}
		}
		if pl.looked[id]++; pl.looked[id] <= tryMax {
			ids = append(ids, id)
		} else {
			pl.rounds.rounds[0].Deferred = append(pl.rounds.rounds[0].Deferred, id)
		}
	}
	return ids, nil
}

// keptOnly leaves of the released rows those that are kept; and for one that
// lives, it takes the kept rows above it, along CASCADE: they stayed since it
// would have gone with them while it was needed.
func (pl *placing) keptOnly(ctx context.Context) error {
	if any, err := pl.anyKept(); err != nil || !any {
		pl.released = pl.released[:0]
		return err
	}
	up := &release{pl: pl, any: map[string]bool{}, seen: map[RowID]bool{}}
	if err := up.add(pl.released); err != nil {
		return err
	}
	for looked := 0; len(up.front) > 0 && looked < releaseMax; {
		front := up.front
		up.front = nil
		looked += len(front)
		if err := up.climb(ctx, front); err != nil {
			return err
		}
	}
	pl.released = up.kept
	return nil
}

// anyKept reports whether there may be kept rows among the released ones, or above
// them: mostly there are none at all.
func (pl *placing) anyKept() (bool, error) {
	for _, id := range pl.released {
		if rows, err := pl.states.NotPlaced(id.Table, 1); len(rows) > 0 || err != nil {
			return true, err
		}
		for _, table := range pl.m.above[id.Table] {
			if rows, err := pl.states.NotPlaced(table, 1); len(rows) > 0 || err != nil {
				return true, err
			}
		}
	}
	return false, nil
}

// release is a walk from released rows up the references with CASCADE.
type release struct {
	pl   *placing
	any  map[string]bool // by table: it may have kept rows
	seen map[RowID]bool
	kept []RowID
	// front are rows that are not kept, but may have kept rows above them.
	front []RowID
}

func (up *release) add(ids []RowID) error {
	for _, id := range ids {
		if up.seen[id] {
			continue
		}
		up.seen[id] = true
		here, err := up.mayHave(id.Table)
		if err != nil {
			return err
		}
		if here {
			s, err := up.pl.states.State(id)
			if err != nil {
				return err
			}
			if s != nil && s.Place == Kept {
				up.kept = append(up.kept, id) // when it goes, what it refers to is released
				continue
			}
		}
		above := false
		for _, table := range up.pl.m.above[id.Table] {
			if above, err = up.mayHave(table); above || err != nil {
				break
			}
		}
		if err != nil {
			return err
		}
		if above {
			up.front = append(up.front, id)
		}
	}
	return nil
}

// mayHave reports whether a table may have kept rows.
func (up *release) mayHave(table string) (bool, error) {
	if any, asked := up.any[table]; asked {
		return any, nil
	}
	rows, err := up.pl.states.NotPlaced(table, 1)
	if err != nil {
		return false, err
	}
	up.any[table] = len(rows) > 0
	return len(rows) > 0, nil
}

// climb goes from rows to those with which they would go.
func (up *release) climb(ctx context.Context, front []RowID) error {
	pl := up.pl
	for _, name := range pl.m.Order {
		var keys []crdt.Key
		for _, id := range front {
			if id.Table == name {
				keys = append(keys, id.Key)
			}
		}
		if len(keys) == 0 {
			continue
		}
		t := pl.m.Model.Tables[name]
		rows, err := pl.tx.Lock(ctx, t, keys)
		if err != nil {
			return fmt.Errorf("lock rows of table %s that are no longer referred to: %w", name, err)
		}
		var above []RowID
		for i := range rows {
			above = append(above, cascadesOf(t, &rows[i])...)
		}
		slices.SortFunc(above, RowID.Compare) // Lock has no order
		if err := up.add(above); err != nil {
			return err
		}
	}
	return nil
}

// cascadesOf lists the rows with which a row would go.
func cascadesOf(t *schema.Table, row *Row) (ids []RowID) {
	for i := range t.References {
		ref := &t.References[i]
		at := find(row.Columns, ref.Column)
		if at < 0 || schema.ActionOf(ref.OnDelete) != schema.Cascade {
			continue
		}
		if key, is := row.Values[at].Key(); is {
			ids = append(ids, RowID{ref.Table, key})
		}
	}
	return ids
}

// CascadesAbove lists the tables with whose rows those of a table may go, however
// many levels up, in no order that matters.
func (m *Merger) CascadesAbove(table string) []string { return m.above[table] }

// cascadesAbove lists them for each table of a model that has any.
func cascadesAbove(m *schema.Model, tables []string) map[string][]string {
	above := map[string][]string{}
	for _, name := range tables {
		up := []string{name}
		for i := 0; i < len(up); i++ {
			t := m.Tables[up[i]]
			if t == nil {
				continue
			}
			for j := range t.References {
				ref := &t.References[j]
				if schema.ActionOf(ref.OnDelete) != schema.Cascade {
					continue
				}
				if ref.Table == name && !slices.Contains(up[1:], name) || !slices.Contains(up, ref.Table) {
					up = append(up, ref.Table)
				}
			}
		}
		if len(up) > 1 {
			above[name] = up[1:]
		}
	}
	return above
}
