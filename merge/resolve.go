package merge

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// resolved holds which referenced rows are there. A few are looked through one
// by one.
type resolved struct {
	list  []answer
	index map[RowID]int // of list; nil while there are few
}

type answer struct {
	id    RowID
	there bool
}

// find returns what was asked of a row; nil when nothing was.
func (f *resolved) find(id RowID) *answer {
	if len(f.list) <= fewRows {
		for i := range f.list {
			if f.list[i].id == id {
				return &f.list[i]
			}
		}
		return nil
	}
	if f.index == nil {
		f.index = make(map[RowID]int, 2*len(f.list))
		for i := range f.list {
			f.index[f.list[i].id] = i
		}
	}
	if i, ok := f.index[id]; ok {
		return &f.list[i]
	}
	return nil
}

// ask adds a row that was not asked for yet.
func (f *resolved) ask(id RowID) {
	if f.index != nil {
		f.index[id] = len(f.list)
	}
	f.list = append(f.list, answer{id: id})
}

// has reports whether a row is there.
func (f *resolved) has(id RowID) bool {
	a := f.find(id)
	return a != nil && a.there
}

// refersTo returns the reference that a value of a column is, and the row that it
// names; nil for NULL and for a raw value.
func refersTo(m *schema.Model, t *schema.Table, column string, v crdt.Value) (*schema.Reference, RowID) {
	if ref := t.Reference(column); ref != nil {
		if key, is := v.Key(); is {
			return ref, RowID{ref.Table, key}
		}
		return nil, RowID{}
	}
	if len(t.Typed) == 0 {
		return nil, RowID{}
	}
	table, key, is := v.Link()
	if x := t.TypedReference(column); is && x != nil {
		return x.Reference(m, table), RowID{table, key}
	}
	return nil, RowID{}
}

// resolve finds out which rows that the table's rows refer to are there. Rows
// of the same table that go in together count, unless they themselves refer to
// a row that is missing.
func (pl *placing) resolve(ctx context.Context, tp *tablePiece, found *resolved) error {
	for i := range tp.t.References {
		ref := &tp.t.References[i]
		if err := pl.ask(ctx, tp, ref.Column, ref.Table, crdt.Value.Key, found); err != nil {
			return err
		}
	}
	for i := range tp.t.Typed {
		for _, table := range slices.Compact(slices.Sorted(maps.Values(tp.t.Typed[i].Tables))) {
			keyOf := func(v crdt.Value) (crdt.Key, bool) {
				to, key, is := v.Link()
				return key, is && to == table
			}
			if err := pl.ask(ctx, tp, tp.t.Typed[i].Column, table, keyOf, found); err != nil {
				return err
			}
		}
	}
	pl.resolveSelf(tp, found)
	return nil
}

// ask resolves the keys in one reference column that are not resolved yet. What a row
// in the table refers to already is there: nobody looks at it, as most updates change
// no reference.
func (pl *placing) ask(ctx context.Context, tp *tablePiece, column, table string, keyOf func(crdt.Value) (crdt.Key, bool), found *resolved) error {
	before := len(found.list)
	keys := pl.asked[:0]
	for _, w := range tp.order {
		if !w.row.Exists && !w.revive {
			continue
		}
		v, _ := w.row.Value(column)
		key, isRef := keyOf(v)
		if !isRef || w.inTable != nil && w.inTable.shows(column, v) {
			continue
		}
		if id := (RowID{table, key}); found.find(id) == nil {
			found.ask(id)
		} else {
			continue
		}
		keys = append(keys, key)
	}
	pl.asked = keys
	if len(keys) == 0 {
		return nil
	}
	target := pl.m.Model.Tables[table]
	if target == nil {
		return fmt.Errorf("table %s refers to table %s, which is not in the model", tp.name, table)
	}
	there, err := pl.tx.Resolve(ctx, target, keys)
	if err != nil {
		return fmt.Errorf("resolve references of %s.%s to table %s: %w", tp.name, column, table, err)
	}
	for i := range keys {
		found.list[before+i].there = there[i]
	}
	return nil
}

// resolveSelf counts rows that this call inserts as there for the references
// of each other, and takes back those that must wait, until nothing changes.
func (pl *placing) resolveSelf(tp *tablePiece, found *resolved) {
	if !tp.refersToItself() {
		return
	}
	for _, w := range tp.order {
		if a := found.find(w.id); a != nil && !a.there && w.comesIn() {
			a.there = true
		}
	}
	for again := true; again; {
		again = false
		for _, w := range tp.order {
			if a := found.find(w.id); a != nil && w.comesIn() && a.there && pl.mustWait(tp, w, found) {
				a.there = false
				again = true
			}
		}
	}
}

func (tp *tablePiece) refersToItself() bool {
	return slices.ContainsFunc(tp.t.References, func(r schema.Reference) bool { return r.Table == tp.name })
}

// comesIn reports whether a row is to be inserted.
func (w *work) comesIn() bool { return w.inTable == nil && (w.row.Exists || w.revive) }

// mustWait reports whether a row that is to be inserted refers to a row that
// is not there and does not come later.
func (pl *placing) mustWait(tp *tablePiece, w *work, found *resolved) bool {
	for i, name := range w.row.Columns {
		ref, to := refersTo(pl.m.Model, tp.t, name, w.row.Values[i])
		if ref == nil || found.has(to) {
			continue
		}
		col := tp.t.Column(name)
		if col == nil || !col.Nullable || !pl.backward(tp, ref) && !pl.comesLater(tp, to) {
			return true
		}
	}
	return false
}
