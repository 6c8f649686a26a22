package sim

import (
	"context"
	"fmt"
	"slices"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Rows that nothing names but a number which their database gave (R3). The numbers
// of the sites are of different classes, as servers with offsets give them. One whose
// database was put back gives some again, and applications may choose numbers
// themselves; then two rows have one number, and must never be mixed. See lives.go
// for what the log makes of that.

// Numbers says whether applications write rows that a number alone names.
type Numbers int

// The ways.
const (
	// NoNumbers: there is no such table.
	NoNumbers Numbers = iota
	// Given: the databases number the rows.
	Given
	// Chosen: applications choose some of the numbers, out of a few.
	Chosen
	numbersCount
)

func (n Numbers) String() string { return [...]string{"none", "given", "chosen"}[n] }

// NumbersNamed returns the way of a name.
func NumbersNamed(name string) (Numbers, bool) {
	for n := range numbersCount {
		if n.String() == name {
			return n, true
		}
	}
	return NoNumbers, false
}

const (
	// numbered is the table whose rows a number alone names.
	numbered = "ticket"
	// firstValue is the column of it that only an insert writes.
	firstValue = "title"
	// numberOneIn is how often a statement is about such a row, and newNumberOneIn
	// how often about one with a new number.
	numberOneIn, newNumberOneIn = 4, 4
	// chosenOneIn is how often an application chooses the number itself.
	chosenOneIn = 3
)

// model are the tables of a world.
func (w *World) model() *schema.Model {
	numbers, cascades := 0, 0
	if w.opts.Mix.Numbers != NoNumbers {
		numbers = 1
	}
	if w.opts.Mix.Cascades {
		cascades = 1
	}
	if w.opts.Mix.Restrict {
		cascades = 2
	}
	return models[numbers][cascades]
}

// numberStride is how far the numbers of a site are apart. It is odd, so that every
// other row may be deleted in a plain mix.
func (w *World) numberStride() int64 { return int64(2*w.opts.Sites + 1) }

func ticketKey(n int64) crdt.Key { return crdt.MakeKey(crdt.Int(n)) }

// ticket makes a row that its number names.
func (x *transaction) ticket() (table string, n int, r merge.Row) {
	rows := x.s.db.Rows(numbered)
	number := x.number(rows)
	owner := x.stable()
	x.parent("person", keyOf(owner), func() merge.Row { return x.person(owner) })
	parent := crdt.Null
	if len(rows) > 0 && x.rnd.IntN(3) == 0 {
		key := rows[x.rnd.IntN(len(rows))].Key
		if p := numberOf(key); p < number && x.has(numbered, key) && (p%2 == 0 || x.mix.Rules != Plain) {
			parent = crdt.Ref(key)
		}
	}
	r.Key = ticketKey(number)
	set(&r, field{"ticket_id", crdt.Int(number)}, field{"person_id", refTo(owner)}, field{"parent_id", parent},
		field{firstValue, x.fresh()}, field{"note", x.fresh()})
	return numbered, int(number), r
}

// number is that of the row which a statement is about.
func (x *transaction) number(rows []merge.Row) int64 {
	switch {
	case x.mix.Numbers == Chosen && x.rnd.IntN(chosenOneIn) == 0:
		return int64(1 + x.rnd.IntN(x.s.w.opts.Rows))
	case x.verb == insert || len(rows) == 0 || x.rnd.IntN(newNumberOneIn) == 0:
		next, stride := x.s.db.Next(numbered)
		for x.has(numbered, ticketKey(next)) { // this transaction took it
			next += stride
		}
		return next
	}
	return numberOf(rows[x.rnd.IntN(len(rows))].Key)
}

func numberOf(key crdt.Key) int64 {
	n, _ := key.Values()[0].AsInt()
	return n
}

// replaces reports whether rows wait for a transaction of their own: a numbered one
// may still be in the place of that which began first.
func (s *Site) replaces() bool { return s.placing.forgotten || s.r.Sizes().Wake > 0 }

// tell notes of which row an application took the values to be that a numbered row
// shows: of the one with that first value.
func (l *ledger) tell(r *merge.Row) {
	first := valueOf(r, firstValue)
	for _, v := range r.Values {
		if _, told := l.rowOf[v]; isFresh(v) && !told {
			l.rowOf[v] = first
		}
	}
}

// mixed reports values of two rows in one. A row that is inserted under a number
// that was deleted goes on with it, and after a machine was lost with disk and
// database a number means one row, whatever was numbered so since (docs/limits.md).
func (w *World) mixed(id merge.RowID, r *merge.Row) []string {
	if id.Table != numbered || w.ledger.deleted[id] || w.lostBoth {
		return nil
	}
	first := valueOf(r, firstValue)
	for _, v := range r.Values {
		if of, told := w.ledger.rowOf[v]; told && of != first {
			return []string{fmt.Sprintf("%s %s mixes two rows: %s is of the one with %s", id.Table, shortKey(id.Key), showRow(*r), shortValue(of))}
		}
	}
	return nil
}

// checkLife: a change is of the row that its application saw. What was deleted may
// come back under its number as another row, values and all.
func (w *World) checkLife(f *fact) error {
	if f.Table != numbered || w.lostBoth || w.ledger.deleted[merge.RowID{Table: f.Table, Key: f.Key}] {
		return nil
	}
	for _, v := range f.Values {
		first, told := w.ledger.rowOf[v]
		if !told {
			continue
		}
		life, known := w.ledger.lifeOf[first]
		if copied, is := w.ledger.copyOf[numberedLife{f.Key, f.life()}]; is && copied == first {
			return nil // until the row itself has come
		}
		if known && life != f.life() && !w.former(life.Site) {
			return fmt.Errorf("%s of %s %s: its application wrote it to the row inserted at %s, and the log says %s", shortValue(v), f.Table, shortKey(f.Key), life, f.life())
		}
		w.ledger.lifeOf[first] = f.life()
	}
	return nil
}

// tellNumbers says which numbers the site gives out, once, as node does. So those that
// get it know the site for a member.
func (s *Site) tellNumbers() error {
	if s.w.opts.Mix.Numbers == NoNumbers || s.r.Log().Vector().Seq(s.id) > 0 {
		return nil
	}
	row := capture.Row{
		Table: merge.SystemPrefix + "numbers", Key: crdt.MakeKey(crdt.Text(s.id.String())), At: s.clock.micros(s.w.now),
		Columns: []string{"offset"}, Values: []crdt.Value{crdt.Int(int64(s.n))},
	}
	err := s.r.WriteSystem(context.Background(), []capture.Row{row})
	if err == nil {
		s.w.note("%s says which numbers it gives out", s)
		s.grown()
	}
	return err
}

// strange reports whether a member does not know that a site was one: its rows would
// count as others of the same numbers.
func (s *Site) strange() bool {
	return s.w.opts.Mix.Numbers != NoNumbers && slices.ContainsFunc(s.w.Sites, func(o *Site) bool {
		return o != s && !o.away() && (o.r == nil || o.r.Log().Vector().Seq(s.id) == 0)
	})
}

// former reports whether a site has another identity now: what it wrote under that
// one, and nobody got, comes anew.
func (w *World) former(id clock.SiteID) bool {
	return slices.ContainsFunc(w.origins, func(o identity) bool { return o.id == id && o.site.id != id })
}

func valueOf(r *merge.Row, column string) crdt.Value {
	for i, c := range r.Columns {
		if c == column {
			return r.Values[i]
		}
	}
	return crdt.Null
}

// lives is what the ledger knows of numbered rows: of which one a value is, by its
// first value, and when that was inserted, as its site logged it.
type lives struct {
	rowOf  map[crdt.Value]crdt.Value
	lifeOf map[crdt.Value]clock.Stamp
	// copyOf are the lives of copies that sites had of rows, when they joined again
	// after they lost their disks, at a member that had not got the rows.
	copyOf map[numberedLife]crdt.Value
}

// numberedLife names a life of a numbered row.
type numberedLife struct {
	key crdt.Key
	at  clock.Stamp
}

// ofCopy reports whether a stamp is that of such a copy.
func (l *ledger) ofCopy(id merge.RowID, at clock.Stamp) bool {
	_, is := l.copyOf[numberedLife{id.Key, at}]
	return is
}

// copies reports whether a change is such a copy, and notes it.
func (l *ledger) copies(s *Site, ch *crdt.Change) bool {
	if ch.Table != numbered || !ch.Whole || s.lives == 0 {
		return false
	}
	for i, c := range ch.Columns {
		if first, told := l.rowOf[ch.Values[i]]; c == firstValue && told {
			l.copyOf[numberedLife{ch.Key, clock.Stamp{Time: ch.Time, Site: s.id}}] = first
			return true
		}
	}
	return false
}
