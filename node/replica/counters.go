package replica

import (
	"context"
	"fmt"
	"slices"

	"baraza/capture"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// What an application wrote in a counter is what it added: the difference to what
// its table showed, which the row's state knows. A row that it inserts begins at
// 0, so that two sites which count the same thing apart count all of it.

// counts returns what a captured write says of a row, with what it adds to
// counters in place of what they show.
// anew: it is to be as if the row had never been.
func (l *local) counts(s *merge.State, row *capture.Row, whole, anew bool) (columns []string, values []crdt.Value) {
	declared := l.r.merger.Rules.Counters[row.Table]
	if len(declared) == 0 && (s == nil || !slices.ContainsFunc(s.Columns, crdt.IsPart)) {
		return row.Columns, row.Values
	}
	k := counting{l: l, id: merge.RowID{Table: row.Table, Key: row.Key}, s: s, before: &crdt.Row{}}
	k.inserted = l.inserts(row, whole)
	if s != nil {
		k.before.Stamps, k.before.Columns, k.before.Values = s.Stamps, s.Columns, s.Values
		k.there = !anew && !l.outside(row.Table, s)
	}
	for i, name := range row.Columns {
		_, parts := k.before.Counted(name)
		if (parts || slices.Contains(declared, name)) && row.Values[i].IsNumber() {
			k.add(name, row.Values[i])
			continue
		}
		k.put(name, row.Values[i])
	}
	return k.columns, k.values
}

// counting turns the columns of one write.
type counting struct {
	l      *local
	id     merge.RowID
	s      *merge.State
	before *crdt.Row // what the state keeps of the row
	// inserted: the row was inserted by this write, or by one before it of which
	// this is a further piece.
	inserted bool
	// there: the row was in its table before.
	there   bool
	columns []string
	values  []crdt.Value
}

// outside reports whether a row with a state was not in its table.
func (l *local) outside(table string, s *merge.State) bool {
	if s.Dead() {
		return !s.Stays()
	}
	t := l.r.cfg.Model.Tables[table]
	return t != nil && slices.Contains(s.Columns, t.Identity.Columns[0])
}

func (k *counting) add(name string, v crdt.Value) {
	self := k.l.r.cfg.Self
	part, own := crdt.Part(name, self), k.before.Added(name, self)
	_, known := k.before.Value(name)
	switch {
	case k.there && known:
		if more := crdt.Sub(v, k.shown(name)); more != crdt.Sub(more, more) {
			k.put(part, crdt.Add(own, more))
		}
	case !k.inserted:
		// The first write since the column is a counter: nobody knows what it was.
		k.put(name, asBase(k.before, name, v))
	default:
		deleted := k.l.revived[k.id]
		if k.s != nil && k.s.Dead() {
			deleted = k.s.Deleted
		}
		if !deleted.IsZero() { // what was counted before is gone
			own = crdt.Int(0)
			if !slices.Contains(k.columns, crdt.Reset) {
				k.put(crdt.Reset, crdt.ResetAt(deleted))
			}
		}
		k.put(name, crdt.Int(0))
		k.put(part, crdt.Add(own, v))
	}
}

func (k *counting) put(column string, v crdt.Value) {
	k.columns, k.values = append(k.columns, column), append(k.values, v)
}

// inserts reports whether a write is an insert: it has the identity, which an
// update never has. An insert may come in pieces, the one with the identity
// first.
func (l *local) inserts(row *capture.Row, whole bool) bool {
	id := merge.RowID{Table: row.Table, Key: row.Key}
	t := l.r.cfg.Model.Tables[row.Table]
	if whole {
		return true
	}
	if t != nil && !l.r.identifies(row) {
		return l.pieces[id]
	}
	if l.pieces == nil {
		l.pieces = map[merge.RowID]bool{}
	}
	l.pieces[id] = true
	return true
}

// identifies reports whether a write has the row's identity, as inserts do.
func (r *Replica) identifies(row *capture.Row) bool {
	t := r.cfg.Model.Tables[row.Table]
	return t != nil && slices.Contains(row.Columns, t.Identity.Columns[0])
}

// shown is what the table showed in a counter.
func (k *counting) shown(name string) crdt.Value {
	if v, ok := k.before.Value(crdt.Shown(name)); ok {
		return v
	}
	v, _ := k.before.Shows(name)
	return v
}

// keepCounters adds to what stays with the state of a row, which a local write
// was merged into, bases and parts of its counters, and notes what the table
// shows where that is something else: then the row is placed once more.
func (l *local) keepCounters(id merge.RowID, s *merge.State, row *crdt.Row, captured *capture.Row, next *merge.State) {
	declared := l.r.merger.Rules.Counters[id.Table]
	if len(declared) == 0 && !slices.ContainsFunc(row.Columns, crdt.IsPart) {
		return
	}
	keep := func(column string, v crdt.Value) {
		if !slices.Contains(next.Columns, column) {
			next.Columns, next.Values = append(slices.Clip(next.Columns), column), append(slices.Clip(next.Values), v)
		}
	}
	for i, name := range row.Columns {
		if crdt.IsPart(name) {
			keep(name, row.Values[i])
		}
	}
	for i, name := range row.Columns {
		_, counted := row.Counted(name)
		if crdt.IsPart(name) || !counted && !slices.Contains(declared, name) || !row.Values[i].IsNumber() {
			continue
		}
		at := slices.Index(captured.Columns, name)
		if at < 0 && s != nil && l.outside(id.Table, s) && l.r.identifies(captured) {
			continue // what the row had in its life before; a further piece has it
		}
		keep(name, row.Values[i])
		if at >= 0 {
			if is, _ := row.Shows(name); captured.Values[at] != is {
				keep(crdt.Shown(name), captured.Values[at])
				l.wake = append(l.wake, id)
			}
		}
	}
}

// keepsPlace reports whether a row is still not wholly in its place after a local
// write, by the columns that stay with its state: bases and parts of counters
// always do.
func (l *local) keepsPlace(table string, kept []string) bool {
	declared := l.r.merger.Rules.Counters[table]
	return slices.ContainsFunc(kept, func(c string) bool {
		_, counted := (&crdt.Row{Columns: kept, Values: make([]crdt.Value, len(kept))}).Counted(c)
		return !crdt.IsPart(c) && !counted && !slices.Contains(declared, c)
	})
}

// asBase returns what the base of a counter must be for a row to show v; of any
// other column, v.
func asBase(row *crdt.Row, column string, v crdt.Value) crdt.Value {
	if sum, counted := row.Counted(column); counted && v.IsNumber() {
		return crdt.Sub(v, sum)
	}
	return v
}

// beginAnew takes away what was added to the row before a delete that was undone, where
// that was settled, as every site does: so it says. Others may have forgotten that
// delete for a later one by the time they hear.
func (a *adoption) beginAnew(row *crdt.Row, ch *crdt.Change) {
	had := len(row.Columns)
	if merge.Begins(a.r.cfg.Model.Tables[ch.Table], ch) {
		row.EndParts(a.saidSettled())
	}
	if len(row.Columns) < had {
		ch.Columns, ch.Values = append(slices.Clone(ch.Columns), crdt.Reset), append(ch.Values, crdt.ResetAt(row.Deleted))
	}
}

// addsToWhatCounts says of an insert, where the row has what was added to counters, that
// it does not begin the row: so it names the identity as what it overwrites.
func (a *adoption) addsToWhatCounts(row *crdt.Row, ch *crdt.Change) {
	if t := a.r.cfg.Model.Tables[ch.Table]; row.Number == "" && merge.Begins(t, ch) && slices.ContainsFunc(row.Columns, crdt.IsPart) {
		ch.Prior.Cells = []crdt.CellStamp{{Column: t.Identity.Columns[0]}}
	}
}

// metaCounter begins the keys of the counters of which this site knows what every
// row shows.
var metaCounter = []byte("mcount/") // table, column -> nothing

func counterKey(table, column string) []byte {
	return appendString(appendString(append([]byte{}, metaCounter...), table), column)
}

// NewCounters returns a table with a counter that was declared since the site
// looked at all rows; "" for none.
func (r *Replica) NewCounters() (string, error) {
	if r.bringingUp || r.recovering || len(r.merger.Rules.Counters) == 0 {
		return "", nil
	}
	for _, table := range r.merger.Order {
		for _, column := range r.merger.Rules.Counters[table] {
			done, err := r.cfg.Store.Get(counterKey(table, column))
			if err != nil {
				return "", err
			}
			if done == nil {
				return table, nil
			}
		}
	}
	return "", nil
}

// StartCounters makes the site know what each row of a table shows in its
// counters, so that from then on it can tell what an application adds. Until it
// has come to a row, a write of the column is one by R1. scan was opened after
// the counters were declared.
func (r *Replica) StartCounters(ctx context.Context, scan merge.Scan, table string) error {
	counters := slices.Clone(r.merger.Rules.Counters[table])
	err := scan.Rows(ctx, r.cfg.Model.Tables[table], func(rows []merge.Row) error {
		for some := range slices.Chunk(rows, r.limits.groupRows) {
			ids := make([]merge.RowID, len(some))
			for i := range some {
				ids[i] = merge.RowID{Table: table, Key: some[i].Key}
			}
			if err := r.persist(ctx, func() error { return r.retryRows(ctx, ids, 0) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the counters of table %s: %w", table, err)
	}
	b := &kv.Batch{}
	for _, column := range counters {
		b.Set(counterKey(table, column), []byte{1})
	}
	return r.cfg.Store.Write(b, true)
}

// forgetCounters makes the site look at all rows again, whose states it dropped.
func (r *Replica) forgetCounters() error {
	b := &kv.Batch{}
	err := r.cfg.Store.Scan(metaCounter, kv.After(metaCounter), func(k, _ []byte) bool {
		b.Delete(slices.Clone(k))
		return true
	})
	if err != nil || b.Empty() {
		return err
	}
	return r.cfg.Store.Write(b, false)
}
