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
// removals with children before parents. Rows that waited for what a round did
// are placed in further rounds.
func (p *Piece) place(ctx context.Context, tx Tx, states States) error {
	all := &p.first
	all.rounds = all.first[:0]
	for round := p; round != nil; {
		all.rounds = append(all.rounds, round)
		pl := &round.placing
		pl.begin(round, all, tx, states)
		if err := pl.run(ctx); err != nil {
			return err
		}
		next, err := pl.next(ctx)
		if err != nil {
			return err
		}
		round = next
	}
	return p.deferKept(all, states)
}

type patch struct {
	w  *work
	tp *tablePiece
}

func (pl *placing) run(ctx context.Context) error {
	if err := pl.inOrder(func(tp *tablePiece) error { return pl.writeTable(ctx, tp) }); err != nil {
		return err
	}
	if err := pl.writePatches(ctx); err != nil {
		return err
	}
	if err := pl.removeRows(ctx); err != nil {
		return err
	}
	return pl.closeRings()
}

// writeTable inserts and updates the rows of one table.
func (pl *placing) writeTable(ctx context.Context, tp *tablePiece) error {
	found, inserts, updates, rooms := &tp.found, &tp.toInsert, &tp.toUpdate, &tp.toMove
	if err := pl.resolve(ctx, tp, found); err != nil {
		return err
	}
	var evicted []*work
	for _, w := range tp.order {
		switch {
		case !w.row.Exists && !w.revive:
			continue // removeRows
		case w.inTable == nil:
			if err := pl.planInsert(tp, w, found, inserts); err != nil {
				return err
			}
		default:
			to := updates
			if len(pl.settling.displaced[w.id]) > 0 {
				to = rooms // makes room for others
				if _, _, ok := pl.displacedOf(tp.t, w); !ok && pl.m.leaf(tp.t) {
					evicted = append(evicted, w)
					continue
				}
			}
			if err := pl.planUpdate(tp, w, found, to); err != nil {
				return err
			}
		}
	}
	if err := pl.evict(ctx, tp, evicted, found, rooms); err != nil {
		return err
	}
	if err := pl.update(ctx, tp, rooms); err != nil {
		return err
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

// clear empties the batch; what it had room for, if little, is used again.
func (b *batch) clear() {
	if cap(b.rows) > spareRows {
		*b = batch{}
		return
	}
	clear(b.rows)
	clear(b.work)
	clear(b.kept)
	b.rows, b.work, b.kept = b.rows[:0], b.work[:0], b.kept[:0]
}

func (k *keptColumns) add(column string, v crdt.Value) {
	k.columns, k.values = append(k.columns, column), append(k.values, v)
}

// wait keeps a reference until its row arrives.
func (k *keptColumns) wait(column string, v crdt.Value, target RowID) {
	k.add(column, v)
	if k.place != Held {
		k.place = Waiting
	}
	k.missing = append(k.missing, target)
	k.reason = waitsFor(k.missing)
}

// null keeps a reference to a removed row.
func (k *keptColumns) null(column string, v crdt.Value, target RowID) {
	k.add(column, v)
	k.missing = append(k.missing, target)
	if k.place == InDatabase {
		k.place, k.reason = Nulled, goneWith(target)
	}
}

// begin makes room for the rows of a table, if that was not done yet.
func (b *batch) begin(rows int) {
	if b.rows == nil {
		b.rows, b.work, b.kept = make([]Row, 0, rows), make([]*work, 0, rows), make([]keptColumns, 0, rows)
	}
}

func (b *batch) add(w *work, r Row, k keptColumns) {
	b.rows, b.work, b.kept = append(b.rows, r), append(b.work, w), append(b.kept, k)
}

// planInsert decides whether a row can go in, waits, or is set aside.
func (pl *placing) planInsert(tp *tablePiece, w *work, found *resolved, out *batch) error {
	r := w.row
	for _, c := range tp.t.Identity.Columns {
		if find(r.Columns, c) < 0 {
			return pl.keepWhole(w, Aside, "the row's insert was never seen here, only later changes of it", nil)
		}
	}
	in, err := pl.references(tp, w, found)
	if err != nil {
		return err
	}
	if len(in.gone) > 0 {
		pl.departed = append(pl.departed, w.id)
		return pl.keepWhole(w, Gone, goneWith(in.gone[0]), append(in.gone, in.missing...))
	}
	if allIn(in.missing, in.revive) { // else it must wait anyway
		pl.revive = append(pl.revive, in.revive...)
	}
	if len(in.missing) > 0 {
		pl.waits(tp, w, &in)
		return pl.keepWhole(w, Waiting, waitsFor(in.missing), in.missing)
	}
	instead, why, ok := pl.displacedOf(tp.t, w)
	if !ok {
		return pl.keepWhole(w, Held, why, nil)
	}
	for i, name := range r.Columns {
		if v, is := instead[name]; is && find(in.kept.columns, name) < 0 {
			in.kept.hold(name, r.Values[i], why)
			in.values = replace(in.values, r.Values, i, v)
		}
	}
	columns, values := r.Columns, in.values
	if len(in.lacking) > 0 {
		columns, values = without(columns, values, in.lacking)
	}
	if in.patched {
		pl.patches = append(pl.patches, patch{w, tp})
	}
	out.begin(len(tp.order))
	out.add(w, Row{Key: w.id.Key, Columns: columns, Values: values}, in.kept)
	return nil
}

// insertion is what becomes of the references of a row to be inserted.
type insertion struct {
	values  []crdt.Value // to write
	kept    keptColumns
	lacking []string // columns that the table does not have
	patched bool     // references are written when their rows are in
	// missing are rows without which it cannot go in; of those that it refers to,
	// gone take it with them, and revive come back for it.
	missing, gone, revive []RowID
}

func (pl *placing) references(tp *tablePiece, w *work, found *resolved) (in insertion, err error) {
	all := w.row.Values
	in.values = all
	for i, name := range w.row.Columns {
		col := tp.t.Column(name)
		if col == nil || col.Generated {
			in.kept.add(name, all[i])
			in.lacking = append(in.lacking, name)
			continue
		}
		ref, to := refersTo(pl.m.Model, tp.t, name, all[i])
		if ref == nil || found.has(to) {
			continue
		}
		if to == w.id {
			continue // it goes in with the row, when nothing else is missing
		}
		if col.Nullable && pl.comesLater(tp, to) {
			switch gone, err := pl.goesWith(w, ref, to); {
			case err != nil:
				return in, err
			case gone:
				in.gone = append(in.gone, to)
			default:
				in.values = replace(in.values, all, i, crdt.Null)
				in.patched = true
			}
			continue
		}
		why, err := pl.absence(w, col, ref, to)
		if err != nil {
			return in, err
		}
		if why == revives {
			in.revive = append(in.revive, to)
		}
		switch {
		case why == goes:
			in.gone = append(in.gone, to)
		case why == nulls:
			in.values = replace(in.values, all, i, crdt.Null)
			in.kept.null(name, all[i], to)
		case col.Nullable && pl.backward(tp, ref):
			in.values = replace(in.values, all, i, crdt.Null)
			in.kept.wait(name, all[i], to)
		default:
			in.missing = append(in.missing, to)
		}
	}
	return in, nil
}

// planUpdate decides which columns of a row that is in the table to write.
func (pl *placing) planUpdate(tp *tablePiece, w *work, found *resolved, out *batch) error {
	instead, why, ok := pl.displacedOf(tp.t, w)
	if !ok {
		instead = pl.unmoved(tp.t, w)
	}
	return pl.planColumns(tp, w, found, out, instead, why)
}

// planColumns is planUpdate for a row that shows other values instead of some of
// its own.
func (pl *placing) planColumns(tp *tablePiece, w *work, found *resolved, out *batch, instead map[string]crdt.Value, why string) error {
	var kept keptColumns
	var columns []string
	var values []crdt.Value
	r, late := w.row, false
	w.lacks = nil
	for i, name := range r.Columns {
		j := i
		if j >= len(w.inTable.Columns) || w.inTable.Columns[j] != name {
			j = find(w.inTable.Columns, name)
		}
		if j < 0 { // the table lacks the column
			kept.add(name, r.Values[i])
			continue
		}
		v := r.Values[i]
		other, is := instead[name]
		if is {
			kept.hold(name, v, why)
			v = other
		}
		if !is && pl.settling.passing[w.id] && w.inTable.Values[j] != v {
			kept.hold(name, v, why) // it only makes room: its own values might clash as well
			continue
		}
		if w.inTable.Values[j] == v {
			continue
		}
		ref, to := refersTo(pl.m.Model, tp.t, name, v)
		if ref != nil && pl.tooSoon(tp, w, to) {
			late = true
			continue
		}
		if ref != nil && !found.has(to) {
			null, err := pl.updateAbsent(tp, w, ref, v, to, &kept)
			if err != nil {
				return err
			}
			if v = crdt.Null; !null || w.inTable.Values[j].IsNull() {
				continue
			}
		}
		if columns == nil {
			memory := pl.memory()
			columns, values = memory.Names(len(r.Columns)-i), memory.Values(len(r.Columns)-i)
		}
		columns, values = append(columns, name), append(values, v)
	}
	if len(w.doomed) > 0 {
		return nil // removeRows; if it goes, it needs nothing
	}
	pl.revives(w.lacks)
	if late {
		pl.patches = append(pl.patches, patch{w, tp})
	}
	if len(columns) == 0 {
		return pl.keepColumns(w, kept)
	}
	out.begin(len(tp.order))
	out.add(w, Row{Key: w.id.Key, Columns: columns, Values: values}, kept)
	return nil
}

// tooSoon reports whether a row that makes room for others, and so is written before
// them, is to refer to one of them: that reference is written when they are in.
func (pl *placing) tooSoon(tp *tablePiece, w *work, to RowID) bool {
	if to.Table != tp.name || len(pl.settling.displaced[w.id]) == 0 {
		return false
	}
	other := tp.find(to.Key)
	return other != nil && other.comesIn()
}

// comesLater reports whether the target is a row that this round inserts after
// the rows of tp.
func (pl *placing) comesLater(tp *tablePiece, target RowID) bool {
	later := pl.table(target.Table)
	if later == nil || later == tp || later.t == nil {
		return false
	}
	w := later.find(target.Key)
	return w != nil && w.comesIn() && pl.m.after(target.Table, tp.name)
}

// backward reports whether a reference points to a table that comes after its
// own: one that closes a circle. Rows of a circle may come in different
// transactions, and would wait for each other for ever; so such a reference,
// where it may be NULL, waits without its row.
func (pl *placing) backward(tp *tablePiece, ref *schema.Reference) bool {
	return pl.m.after(ref.Table, tp.name)
}

// after reports whether a table comes after another; one that is not replicated
// comes before all.
func (m *Merger) after(table, other string) bool {
	a, ok := m.rank[table]
	if !ok {
		return false
	}
	b, ok := m.rank[other]
	return !ok || a > b
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
		e, refused := bad[w.id.Key]
		if !refused {
			pl.arrived = append(pl.arrived, w.id)
			w.inTable = &b.rows[i]
			if w.revive && !w.row.Exists {
				pl.back = append(pl.back, w.id)
			}
		}
		switch {
		case refused && e.Refusal == RefusedReference:
			err = pl.refusedChild(tp, w, e, bad)
		case refused:
			err = pl.refusedInsert(w, e)
		default:
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
	if place == Held {
		pl.clashes = append(pl.clashes, w)
	}
	pl.patches = slices.DeleteFunc(pl.patches, func(p patch) bool { return p.w == w })
	return pl.keepWhole(w, place, e.Detail, nil)
}

// refusedChild keeps a row that was refused for its references: one that was to go in
// with a row of its own table that was refused as well waits for that one, which may
// come in by a further round (R5).
func (pl *placing) refusedChild(tp *tablePiece, w *work, e RowError, bad map[crdt.Key]RowError) error {
	var missing []RowID
	for i, name := range w.row.Columns {
		ref, to := refersTo(pl.m.Model, tp.t, name, w.row.Values[i])
		if ref == nil || to.Table != tp.name || to == w.id || slices.Contains(missing, to) {
			continue
		}
		if _, refused := bad[to.Key]; refused {
			missing = append(missing, to)
		}
	}
	if len(missing) == 0 {
		return pl.refusedInsert(w, e)
	}
	pl.patches = slices.DeleteFunc(pl.patches, func(p patch) bool { return p.w == w })
	return pl.keepWhole(w, Waiting, waitsFor(missing), missing)
}

// frees notes that unique values of a table may have become free.
func (pl *placing) frees(table string) { pl.freed = append(pl.freed, pl.m.rank[table]) }

func (pl *placing) update(ctx context.Context, tp *tablePiece, b *batch) error {
	if len(b.rows) == 0 {
		return nil
	}
	refused, err := pl.tx.Update(ctx, tp.t, b.rows)
	if err != nil {
		return fmt.Errorf("update table %s: %w", tp.name, err)
	}
	if len(refused) < len(b.rows) {
		pl.frees(tp.name)
	}
	bad := byKey(refused)
	for i, w := range b.work {
		kept := b.kept[i]
		pl.releases(tp.t, w, b.rows[i].Columns)
		pl.lowers(tp.t, &b.rows[i])
		e, refused := bad[w.id.Key]
		if !refused {
			w.wrote(&b.rows[i])
		}
		if refused {
			for _, c := range b.rows[i].Columns { // its value, not what it was to show
				if find(kept.columns, c) < 0 {
					v, _ := w.row.Value(c)
					kept.add(c, v)
				}
			}
			kept.place, kept.reason = Aside, e.Detail
			if e.Refusal == RefusedDuplicate {
				kept.place = Held
				pl.clashes = append(pl.clashes, w)
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
	if len(pl.patches) == 0 {
		return nil
	}
	byTable := map[string]*tablePiece{}
	for _, pt := range pl.patches {
		one := byTable[pt.tp.name]
		if one == nil {
			one = &tablePiece{t: pt.tp.t, name: pt.tp.name}
			byTable[pt.tp.name] = one
		}
		one.add(pt.w)
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

// keepWhole keeps a row that is not in the table with its state.
func (pl *placing) keepWhole(w *work, place Place, reason string, missing []RowID) error {
	s := pl.newState(w, place, reason, w.row.Columns, w.row.Values)
	s.Missing = missing
	if place == Kept {
		pl.kept = append(pl.kept, w.id)
	}
	return put(pl.states, w, s)
}

// keepColumns keeps the state of a row that is in the table, with the values
// that the table does not hold; of a dead one, with all of them.
func (pl *placing) keepColumns(w *work, k keptColumns) error {
	if !w.row.Exists {
		return pl.keepDead(w, k)
	}
	s := pl.newState(w, k.place, k.reason, k.columns, k.values)
	s.Missing = k.missing
	return put(pl.states, w, s)
}

// keepDead keeps the state of a dead row that is in its table, and notes of which of
// its values R4 or R5 do not let it show.
func (pl *placing) keepDead(w *work, k keptColumns) error {
	s := pl.newState(w, Kept, keptReason, w.row.Columns, w.row.Values)
	s.Missing = k.missing
	t := pl.m.Model.Tables[w.id.Table]
	for _, c := range k.columns {
		ref := t.Reference(c)
		if ref != nil && schema.ActionOf(ref.OnDelete) == schema.SetNull || t.InUnique(c) {
			s.Columns, s.Values = append(clip(s.Columns), crdt.Shown(c)), append(s.Values[:len(s.Values):len(s.Values)], crdt.Null)
		}
	}
	pl.kept = append(pl.kept, w.id)
	return put(pl.states, w, s)
}

func (m *Merger) replicated(table string) bool {
	t := m.Model.Tables[table]
	return t != nil && t.Replicated
}

func byKey(errs []RowError) map[crdt.Key]RowError {
	if len(errs) == 0 {
		return nil
	}
	m := make(map[crdt.Key]RowError, len(errs))
	for _, e := range errs {
		m[e.Key] = e
	}
	return m
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
