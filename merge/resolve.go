package merge

import (
	"context"
	"fmt"

	"baraza/crdt"
)

// resolved holds which referenced rows are there, by table.
type resolved map[string]map[crdt.Key]bool

// has reports whether a value can be written as a reference to the table: NULL
// always, a raw value (a table with no identity of its own) too.
func (f resolved) has(table string, v crdt.Value) bool {
	key, isRef := v.Key()
	return !isRef || f[table][key]
}

// resolve finds out which rows that the table's rows refer to are there. Rows
// of the same table that go in together count, unless they themselves refer to
// a row that is missing.
func (pl *placing) resolve(ctx context.Context, tp *tablePiece) (resolved, error) {
	found := resolved{}
	if len(tp.t.References) == 0 {
		return found, nil
	}
	for i := range tp.t.References {
		ref := &tp.t.References[i]
		if err := pl.ask(ctx, tp, ref.Column, ref.Table, found); err != nil {
			return nil, err
		}
	}
	pl.resolveSelf(tp, found)
	return found, nil
}

// ask resolves the keys in one reference column that are not resolved yet.
func (pl *placing) ask(ctx context.Context, tp *tablePiece, column, table string, found resolved) error {
	known := found[table]
	var keys []crdt.Key
	for i, w := range tp.order {
		if !w.row.Exists && !w.revive {
			continue
		}
		v, _ := w.row.Value(column)
		key, isRef := v.Key()
		if !isRef {
			continue
		}
		if _, asked := known[key]; asked {
			continue
		}
		if known == nil {
			known = make(map[crdt.Key]bool, len(tp.order)-i)
			found[table] = known
		}
		known[key] = false
		keys = append(keys, key)
	}
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
	for i, key := range keys {
		known[key] = there[i]
	}
	return nil
}

// resolveSelf counts rows that this call inserts as there for the references
// of each other, and takes back those that must wait, until nothing changes.
func (pl *placing) resolveSelf(tp *tablePiece, found resolved) {
	self := found[tp.name]
	if self == nil {
		return
	}
	for _, w := range tp.order {
		if there, asked := self[w.id.Key]; asked && !there && w.comesIn() {
			self[w.id.Key] = true
		}
	}
	for again := true; again; {
		again = false
		for _, w := range tp.order {
			if w.comesIn() && self[w.id.Key] && pl.mustWait(tp, w, found) {
				self[w.id.Key] = false
				again = true
			}
		}
	}
}

// comesIn reports whether a row is to be inserted.
func (w *work) comesIn() bool { return w.inTable == nil && (w.row.Exists || w.revive) }

// mustWait reports whether a row that is to be inserted refers to a row that
// is not there and does not come later.
func (pl *placing) mustWait(tp *tablePiece, w *work, found resolved) bool {
	for i := range tp.t.References {
		ref := &tp.t.References[i]
		v, ok := w.row.Value(ref.Column)
		if !ok || found.has(ref.Table, v) {
			continue
		}
		key, _ := v.Key()
		col := tp.t.Column(ref.Column)
		if col == nil || !col.Nullable || !pl.backward(tp, ref) && !pl.comesLater(tp, RowID{ref.Table, key}) {
			return true
		}
	}
	return false
}
