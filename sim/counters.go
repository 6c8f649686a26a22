package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// Counters (R6). Applications add to numbers of the tables stock and account,
// and the ledger keeps what was added by transactions that were acknowledged.
// In the end every site shows all of it, each once. What the log makes of a
// counter is checked besides, after every step, as of any other column.

// countable are the columns that may become counters.
var countable = map[string][]string{"account": {"balance"}, "stock": {"quantity", "price"}}

// counterOneIn is how often a statement counts, in a mix with counters.
const counterOneIn = 3

// counted draws the table of a statement that counts.
func (m *Mix) counted(x *transaction) string {
	if x.rnd.IntN(3) == 0 {
		return "account"
	}
	return "stock"
}

// stock makes a row of numbers to count with.
func (x *transaction) stock() (table string, n int, r merge.Row) {
	n = x.any()
	item := crdt.Text(fmt.Sprintf("i%d", n))
	r.Key = crdt.MakeKey(item)
	id := merge.RowID{Table: "stock", Key: r.Key}
	set(&r, field{"item", item}, field{"quantity", x.plus(id, "quantity", 0)}, field{"price", x.plus(id, "price", 2)}, field{"note", x.fresh()})
	return "stock", n, r
}

// account makes a row with a counter that belongs to a person and has a unique
// value.
func (x *transaction) account() (table string, n int, r merge.Row) {
	n = x.any()
	owner := x.owner()
	x.parent("person", keyOf(owner), func() merge.Row { return x.person(owner) })
	r.Key = keyOf(n)
	id := merge.RowID{Table: "account", Key: r.Key}
	set(&r, field{"uuid", uuidOf(n)}, field{"person_id", refTo(owner)}, field{"code", x.unique("code", n)},
		field{"balance", x.plus(id, "balance", 0)}, field{"note", x.fresh()})
	return "account", n, r
}

// plus is a counter's value as the transaction sees it, and something added.
func (x *transaction) plus(id merge.RowID, column string, scale int) crdt.Value {
	v := crdt.Int(0)
	if known, is := x.numbers[cell{RowID: id, column: column}]; is {
		v = known
	} else if r, there := x.s.db.Row(id.Table, id.Key); there && x.has(id.Table, id.Key) {
		v = r.Values[slices.Index(r.Columns, column)]
	}
	more := int64(x.rnd.IntN(13) - 3)
	if scale == 0 {
		return crdt.Add(v, crdt.Int(more))
	}
	return crdt.Add(v, crdt.Tagged(crdt.TagDecimal, fmt.Sprintf("%d.%0*d", more, scale, x.rnd.IntN(100))))
}

// remember notes what a statement makes of counters.
func (x *transaction) remember(kind memdb.Kind, id merge.RowID, r *merge.Row) {
	if countable[id.Table] == nil {
		return
	}
	if x.numbers == nil {
		x.numbers = map[cell]crdt.Value{}
	}
	for _, column := range countable[id.Table] {
		switch at := slices.Index(r.Columns, column); {
		case kind == memdb.Delete:
			delete(x.numbers, cell{RowID: id, column: column})
		case at >= 0:
			x.numbers[cell{RowID: id, column: column}] = r.Values[at]
		}
	}
}

// count makes the site know what its rows show in counters that were declared,
// as node.startCounters does.
func (s *Site) count(ctx context.Context) error {
	for {
		table, err := s.r.NewCounters()
		if err != nil {
			return err
		}
		if table == "" {
			s.counting = s.r.Rules().Counters
			return nil
		}
		s.counting = nil
		scan, err := s.db.Scan(ctx)
		if err != nil {
			return err
		}
		err = s.r.StartCounters(ctx, scan, table)
		if e := scan.Close(); err == nil {
			err = e
		}
		s.placing.forgotten = true // rows were placed, and some may wait for a retry
		if err != nil {
			return err
		}
		s.w.note("%s looks at the counters of %s", s, table)
		s.grown()
	}
}

// sum is what the ledger knows of a counter of a row.
type sum struct {
	added []increment
	// based: it was written as a value too, by a site that did not count it yet.
	based bool
	// vague: something was written of which it cannot be said whether it counts.
	vague bool
}

type increment struct {
	txn  int
	more crdt.Value
}

// add enters what a transaction did to counters. before are the rows that it
// touched, as they were.
func (l *ledger) add(s *Site, writes []memdb.Write, before map[merge.RowID]merge.Row) {
	for i := range writes {
		if w := &writes[i]; w.Kind == memdb.Delete {
			l.deleted[merge.RowID{Table: w.Table, Key: w.Row.Key}] = true
		}
	}
	for id, old := range before {
		now, there := s.db.Row(id.Table, id.Key)
		if countable[id.Table] == nil {
			continue
		}
		if !there { // so too what went with another row
			l.deleted[id] = true
			continue
		}
		for i, column := range now.Columns {
			if !slices.Contains(countable[id.Table], column) {
				continue
			}
			more := now.Values[i]
			if len(old.Values) > 0 {
				more = crdt.Sub(more, old.Values[i])
			}
			l.enterSum(s, cell{RowID: id, column: column}, more, len(old.Values) == 0)
		}
	}
}

func (l *ledger) enterSum(s *Site, c cell, more crdt.Value, inserted bool) {
	if isZero(more) && !inserted {
		return
	}
	n := l.sums[c]
	if n == nil {
		n = &sum{}
		l.sums[c] = n
	}
	switch {
	case s.outside || s.restored.behind:
		n.vague = true // docs/limits.md
	case slices.Contains(s.counting[c.Table], c.column):
		n.added = append(n.added, increment{l.txns, more})
	case s.r != nil && slices.Contains(s.r.Rules().Counters[c.Table], c.column) || s.counts(c):
		n.vague = true // the site is about to look at the row
	case s.declaring || s.halfway:
		n.vague = true // it may come before the declaration, or after it
	default:
		n.based = true
	}
}

// counts reports whether a site has seen that others add to a counter of a row.
func (s *Site) counts(c cell) bool {
	o := s.oracle.rows[c.RowID]
	return o != nil && o.Shows(c.column) != o.Value(c.column)
}

func isZero(v crdt.Value) bool { return v == crdt.Sub(v, v) }

// total is what was added to a counter, as far as it was not lost with a
// database; false when that cannot be told.
func (l *ledger) total(w *World, c cell, n *sum) (total crdt.Value, ok bool) {
	if n.vague || l.deleted[c.RowID] {
		return crdt.Null, false
	}
	total = crdt.Int(0)
	for _, i := range n.added {
		if l.back(i.txn) {
			return crdt.Null, false // it counts as a value (docs/limits.md)
		}
		switch l.gone(w, i.txn) {
		case no:
			total = crdt.Add(total, i.more)
		case perhaps:
			return crdt.Null, false
		case yes:
		}
	}
	return total, true
}

// checkSums: a counter is what it was before it was one, and all that
// applications added to it, each once. It holds once a site has everything.
func (s *Site) checkSums() error {
	l := &s.w.ledger
	var bad []string
	l.summed = 0
	for c, n := range l.sums {
		want, ok := l.total(s.w, c, n)
		o := s.oracle.rows[c.RowID]
		if !ok || o == nil && isZero(want) {
			continue
		}
		l.summed++
		if o == nil {
			bad = append(bad, fmt.Sprintf("%s.%s of %s is in no log, and %s was added", c.Table, c.column, shortKey(c.Key), want))
			continue
		}
		if !n.based { // it was a counter whenever it was written
			if r, there := s.watch.rows[c.RowID]; there {
				if shown := r.Values[slices.Index(r.Columns, c.column)]; !isZero(crdt.Sub(shown, want)) {
					bad = append(bad, fmt.Sprintf("%s.%s of %s shows %s, and %s was added", c.Table, c.column, shortKey(c.Key), shown, want))
				}
			}
			continue
		}
		if parts := crdt.Sub(o.Shows(c.column), o.Value(c.column)); !isZero(crdt.Sub(parts, want)) {
			bad = append(bad, fmt.Sprintf("%s.%s of %s has %s added to it, and %s was", c.Table, c.column, shortKey(c.Key), parts, want))
		}
	}
	return some(bad, fmt.Sprintf("%s does not count what was added", s))
}

// ownPart: nobody but a site itself says what it has added. A row that comes back
// with what was written to a restored database has all that it had.
func (l *originLog) ownPart(s *Site, ch *crdt.Change) error {
	for _, c := range ch.Columns {
		_, site, is := crdt.PartOf(c)
		if is && site != s.id && !(l.batch == l.unseen) {
			return fmt.Errorf("%s of %s: it tells what site %s has added", ch.Table, shortKey(ch.Key), site.Short())
		}
	}
	return nil
}

// sameCounters reports whether two settings of counters are the same.
func sameCounters(a, b map[string][]string) bool {
	return maps.EqualFunc(a, b, func(x, y []string) bool {
		x, y = slices.Clone(x), slices.Clone(y)
		slices.Sort(x)
		slices.Sort(y)
		return slices.Equal(x, y)
	})
}
