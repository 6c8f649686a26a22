package merge

import (
	"context"
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// place writes the rows of a piece to the database. Three passes keep
// references whole at every statement: inserts and updates with parents before
// children; references that had to be left NULL because their row came later;
// deletes with children before parents. Rows that were waiting for a row that
// came in are placed in further rounds.
func (p *Piece) place(ctx context.Context, tx Tx, states States) error {
	seen := map[RowID]bool{}
	for round := p; round != nil; {
		pl := &placing{Piece: round, root: p, tx: tx, states: states, seen: seen}
		if err := pl.run(ctx); err != nil {
			return err
		}
		next, err := pl.wake(ctx)
		if err != nil {
			return err
		}
		round = next
	}
	return nil
}

// placing is one round of place.
type placing struct {
	*Piece
	root   *Piece // that of the first round
	tx     Tx
	states States
	// patches are references written as NULL until their row is in.
	patches []patch
	// arrived are rows that were inserted; changed tables freed unique values.
	arrived []RowID
	freed   map[string]bool
	// seen are held rows tried again in this transaction: each is once. A row
	// that waits for several is woken by each of them.
	seen map[RowID]bool
}

type patch struct {
	w  *work
	tp *tablePiece
}

func (pl *placing) run(ctx context.Context) error {
	pl.freed = map[string]bool{}
	if err := pl.inOrder(func(tp *tablePiece) error { return pl.writeTable(ctx, tp) }); err != nil {
		return err
	}
	if err := pl.writePatches(ctx); err != nil {
		return err
	}
	for _, name := range slices.Backward(pl.m.Order) {
		if tp := pl.tables[name]; tp != nil {
			if err := pl.deleteRows(ctx, tp); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTable inserts and updates the rows of one table.
func (pl *placing) writeTable(ctx context.Context, tp *tablePiece) error {
	found, err := pl.resolve(ctx, tp)
	if err != nil {
		return err
	}
	inserts, updates := &batch{}, &batch{}
	for _, w := range tp.order {
		switch {
		case !w.row.Exists:
			continue // deleteRows
		case w.inTable == nil:
			if err := pl.planInsert(tp, w, found, inserts); err != nil {
				return err
			}
		default:
			if err := pl.planUpdate(tp, w, found, updates); err != nil {
				return err
			}
		}
	}
	if err := pl.insert(ctx, tp, inserts); err != nil {
		return err
	}
	return pl.update(ctx, tp, updates)
}

// batch is rows to write with the work each comes from.
type batch struct {
	rows []Row
	work []*work
	// kept are columns that stay with the state, one list a row.
	kept []keptColumns
}

type keptColumns struct {
	columns []string
	values  []crdt.Value
	place   Place
	reason  string
	missing []RowID
}

func (k *keptColumns) add(column string, v crdt.Value) {
	k.columns, k.values = append(k.columns, column), append(k.values, v)
}

// wait keeps a reference until its row arrives.
func (k *keptColumns) wait(column string, v crdt.Value, target RowID) {
	k.add(column, v)
	k.place = Waiting
	k.missing = append(k.missing, target)
	k.reason = waitsFor(k.missing)
}

func (b *batch) add(w *work, r Row, k keptColumns) {
	b.rows, b.work, b.kept = append(b.rows, r), append(b.work, w), append(b.kept, k)
}

// planInsert decides whether a row can go in, waits, or is set aside.
func (pl *placing) planInsert(tp *tablePiece, w *work, found resolved, out *batch) error {
	r := w.row
	for _, c := range tp.t.Identity.Columns {
		if find(r.Columns, c) < 0 {
			return pl.keepWhole(w, Aside, "the row's insert was never seen here, only later changes of it", nil)
		}
	}
	var kept keptColumns
	columns, values := r.Columns, r.Values
	var missing []RowID
	var lacking []string
	patched := false
	for i, name := range r.Columns {
		col := tp.t.Column(name)
		if col == nil || col.Generated {
			kept.add(name, values[i])
			lacking = append(lacking, name)
			continue
		}
		ref := tp.t.Reference(name)
		if ref == nil || found.has(ref.Table, values[i]) {
			continue
		}
		key, _ := values[i].Key()
		target := RowID{ref.Table, key}
		if col.Nullable && pl.comesLater(tp, target) {
			values = replace(values, r.Values, i, crdt.Null)
			patched = true
			continue
		}
		if col.Nullable && pl.backward(tp, ref) {
			values = replace(values, r.Values, i, crdt.Null)
			kept.wait(name, r.Values[i], target)
			continue
		}
		missing = append(missing, target)
	}
	if len(missing) > 0 {
		return pl.keepWhole(w, Waiting, waitsFor(missing), missing)
	}
	if len(lacking) > 0 {
		columns, values = without(columns, values, lacking)
	}
	if patched {
		pl.patches = append(pl.patches, patch{w, tp})
	}
	out.add(w, Row{Key: w.id.Key, Columns: columns, Values: values}, kept)
	return nil
}

// planUpdate decides which columns of a row that is in the table to write.
func (pl *placing) planUpdate(tp *tablePiece, w *work, found resolved, out *batch) error {
	var kept keptColumns
	var columns []string
	var values []crdt.Value
	r := w.row
	for i, name := range r.Columns {
		j := i
		if j >= len(w.inTable.Columns) || w.inTable.Columns[j] != name {
			j = find(w.inTable.Columns, name)
		}
		if j < 0 { // the table lacks the column
			kept.add(name, r.Values[i])
			continue
		}
		if w.inTable.Values[j] == r.Values[i] {
			continue
		}
		if ref := tp.t.Reference(name); ref != nil && !found.has(ref.Table, r.Values[i]) {
			key, _ := r.Values[i].Key()
			kept.wait(name, r.Values[i], RowID{ref.Table, key})
			continue
		}
		columns, values = append(columns, name), append(values, r.Values[i])
	}
	if len(columns) == 0 {
		return pl.keepColumns(w, kept)
	}
	out.add(w, Row{Key: w.id.Key, Columns: columns, Values: values}, kept)
	return nil
}

// comesLater reports whether the target is a row that this round inserts after
// the rows of tp.
func (pl *placing) comesLater(tp *tablePiece, target RowID) bool {
	later := pl.tables[target.Table]
	if later == nil || later == tp || later.t == nil {
		return false
	}
	w := later.rows[target.Key]
	return w != nil && w.row.Exists && w.inTable == nil &&
		slices.Index(pl.m.Order, target.Table) > slices.Index(pl.m.Order, tp.name)
}

// backward reports whether a reference points to a table that comes after its
// own: one that closes a circle. Rows of a circle may come in different
// transactions, and would wait for each other for ever; so such a reference,
// where it may be NULL, waits without its row.
func (pl *placing) backward(tp *tablePiece, ref *schema.Reference) bool {
	return slices.Index(pl.m.Order, ref.Table) > slices.Index(pl.m.Order, tp.name)
}

func (pl *placing) insert(ctx context.Context, tp *tablePiece, b *batch) error {
	if len(b.rows) == 0 {
		return nil
	}
	refused, err := pl.tx.Insert(ctx, tp.t, b.rows)
	if err != nil {
		return fmt.Errorf("insert into table %s: %w", tp.name, err)
	}
	bad := byKey(refused)
	for i, w := range b.work {
		if e, ok := bad[w.id.Key]; ok {
			err = pl.refusedInsert(w, e)
		} else {
			pl.arrived = append(pl.arrived, w.id)
			w.inTable = &b.rows[i]
			err = pl.keepColumns(w, b.kept[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (pl *placing) refusedInsert(w *work, e RowError) error {
	place := Aside
	if e.Refusal == RefusedDuplicate {
		place = Held
	}
	pl.patches = slices.DeleteFunc(pl.patches, func(p patch) bool { return p.w == w })
	return pl.keepWhole(w, place, e.Detail, nil)
}

func (pl *placing) update(ctx context.Context, tp *tablePiece, b *batch) error {
	if len(b.rows) == 0 {
		return nil
	}
	refused, err := pl.tx.Update(ctx, tp.t, b.rows)
	if err != nil {
		return fmt.Errorf("update table %s: %w", tp.name, err)
	}
	pl.freed[tp.name] = pl.freed[tp.name] || len(refused) < len(b.rows)
	bad := byKey(refused)
	for i, w := range b.work {
		kept := b.kept[i]
		if e, ok := bad[w.id.Key]; ok {
			kept.columns = append(kept.columns, b.rows[i].Columns...)
			kept.values = append(kept.values, b.rows[i].Values...)
			kept.place, kept.reason = Aside, e.Detail
			if e.Refusal == RefusedDuplicate {
				kept.place = Held
			}
		}
		if err := pl.keepColumns(w, kept); err != nil {
			return err
		}
	}
	return nil
}

// writePatches writes the references that were left NULL.
func (pl *placing) writePatches(ctx context.Context) error {
	byTable := map[string]*tablePiece{}
	for _, pt := range pl.patches {
		one := byTable[pt.tp.name]
		if one == nil {
			one = &tablePiece{t: pt.tp.t, name: pt.tp.name, rows: map[crdt.Key]*work{}}
			byTable[pt.tp.name] = one
		}
		one.keys, one.order = append(one.keys, pt.w.id.Key), append(one.order, pt.w)
		one.rows[pt.w.id.Key] = pt.w
	}
	pl.patches = nil
	for _, name := range pl.m.Order {
		if one := byTable[name]; one != nil {
			if err := pl.writeTable(ctx, one); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteRows removes the rows that the rules say are gone.
func (pl *placing) deleteRows(ctx context.Context, tp *tablePiece) error {
	var keys []crdt.Key
	for _, w := range tp.order {
		if !w.row.Exists && w.inTable != nil {
			keys = append(keys, w.id.Key)
		}
	}
	var refused []RowError
	if len(keys) > 0 {
		var err error
		if refused, err = pl.tx.Delete(ctx, tp.t, keys); err != nil {
			return fmt.Errorf("delete from table %s: %w", tp.name, err)
		}
		pl.freed[tp.name] = pl.freed[tp.name] || len(refused) < len(keys)
	}
	bad := byKey(refused)
	for _, w := range tp.order {
		if w.row.Exists {
			continue
		}
		s := newState(w, InDatabase, "", w.row.Columns, w.row.Values)
		if e, ok := bad[w.id.Key]; ok {
			s.Place, s.Reason = Aside, e.Detail
		}
		if err := put(pl.states, w, s); err != nil {
			return err
		}
	}
	return nil
}

// keepWhole keeps a row that is not in the table with its state.
func (pl *placing) keepWhole(w *work, place Place, reason string, missing []RowID) error {
	s := newState(w, place, reason, w.row.Columns, w.row.Values)
	s.Missing = missing
	return put(pl.states, w, s)
}

// keepColumns keeps the state of a row that is in the table, with the values
// that the table does not hold.
func (pl *placing) keepColumns(w *work, k keptColumns) error {
	s := newState(w, k.place, k.reason, k.columns, k.values)
	s.Missing = k.missing
	return put(pl.states, w, s)
}

// wake returns the next round: rows that waited for a row that arrived, and
// rows of tables where a unique value may have been freed. nil when none.
func (pl *placing) wake(ctx context.Context) (*Piece, error) {
	var ids []RowID
	for _, id := range pl.arrived { // each arrives once, so this ends
		waiting, err := pl.states.WaitingFor(id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, waiting...)
	}
	for _, name := range pl.m.Order {
		if pl.freed[name] {
			held, err := pl.states.NotPlaced(name, retryRowsMax)
			if err != nil {
				return nil, err
			}
			for _, id := range held {
				if !pl.seen[id] {
					pl.seen[id] = true
					ids = append(ids, id)
				}
			}
		}
	}
	next := pl.m.NewPiece(nil)
	for _, id := range ids {
		if !pl.m.replicated(id.Table) {
			continue
		}
		later, err := pl.inTableUnlocked(id)
		if err != nil {
			return nil, err
		}
		if later {
			pl.root.Deferred = append(pl.root.Deferred, id)
			continue
		}
		next.work(id)
	}
	if len(next.tables) == 0 {
		return nil, nil
	}
	if err := next.reload(ctx, pl.tx, pl.states); err != nil {
		return nil, err
	}
	next.deferTo(pl.root)
	return next, nil
}

// inTableUnlocked reports whether a row is in its table by its state, and not
// locked by the first round: then it is not locked only to be deferred, since
// there may be very many.
func (pl *placing) inTableUnlocked(id RowID) (bool, error) {
	if tp := pl.root.tables[id.Table]; tp != nil && tp.rows[id.Key] != nil {
		return false, nil
	}
	s, err := pl.states.State(id)
	if err != nil || s == nil {
		return false, err
	}
	for _, c := range pl.m.Model.Tables[id.Table].Identity.Columns {
		if find(s.Columns, c) < 0 {
			return true, nil
		}
	}
	return false, nil
}

// deferTo leaves out rows that are in their table and that root did not lock:
// an application may have changed them since the local changes were taken, and
// no local write may be overwritten unseen. A row that is not in its table has
// no such danger; should it be there by now, the insert says so.
func (p *Piece) deferTo(root *Piece) {
	for _, name := range p.m.Order {
		tp := p.tables[name]
		if tp == nil {
			continue
		}
		tp.order = slices.DeleteFunc(tp.order, func(w *work) bool {
			locked := root.tables[name] != nil && root.tables[name].rows[w.id.Key] != nil
			if w.inTable == nil || locked {
				return false
			}
			root.Deferred = append(root.Deferred, w.id)
			delete(tp.rows, w.id.Key)
			return true
		})
	}
}

// retryRowsMax bounds how many held rows of a table one transaction tries
// again, in rows.
const retryRowsMax = 200

func (m *Merger) replicated(table string) bool {
	t := m.Model.Tables[table]
	return t != nil && t.Replicated
}

// reload locks and loads rows that have no new change.
func (p *Piece) reload(ctx context.Context, tx Tx, states States) error {
	if err := p.Lock(ctx, tx); err != nil {
		return err
	}
	return p.inOrder(func(tp *tablePiece) error {
		for _, w := range tp.order {
			if err := p.applyRules(tp, w, states); err != nil {
				return err
			}
		}
		return nil
	})
}

func byKey(errs []RowError) map[crdt.Key]RowError {
	m := make(map[crdt.Key]RowError, len(errs))
	for _, e := range errs {
		m[e.Key] = e
	}
	return m
}

func waitsFor(missing []RowID) string {
	return fmt.Sprintf("waits for row %s of table %s, which has not arrived", missing[0].Key, missing[0].Table)
}

// replace returns values with one replaced, copying only the first time.
func replace(values, original []crdt.Value, i int, v crdt.Value) []crdt.Value {
	if &values[0] == &original[0] {
		values = slices.Clone(values)
	}
	values[i] = v
	return values
}

// without returns the columns and values except those of the names.
func without(columns []string, values []crdt.Value, names []string) ([]string, []crdt.Value) {
	var cs []string
	var vs []crdt.Value
	for i, c := range columns {
		if find(names, c) < 0 {
			cs, vs = append(cs, c), append(vs, values[i])
		}
	}
	return cs, vs
}

// PieceOf returns a piece of rows that have no new change, to be placed once
// more; nil when none of them is in a replicated table.
func (m *Merger) PieceOf(ids []RowID) *Piece {
	p := m.NewPiece(nil)
	for _, id := range ids {
		if m.replicated(id.Table) {
			p.work(id)
		}
	}
	if len(p.tables) == 0 {
		return nil
	}
	return p
}
