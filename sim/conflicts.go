package sim

import (
	"fmt"
	"slices"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/rules"
	"baraza/merge"
	"baraza/node/replica"
)

// fact is one change with what its writer had seen. From the facts of a row
// alone, in no order, the oracle says which conflicts there are (R7): a value
// is one that is not visible and that no change names as what it replaced.
type fact struct {
	*crdt.Change
	at   clock.Stamp
	seen clock.VersionVector
	// settled is what its site had said that every site has applied.
	settled clock.VersionVector
	// after is, of the batch with which its site joined, and of a row that is told later,
	// what is applied before it.
	after clock.VersionVector
	// delivered is what is applied before it, also what its writer had not seen.
	delivered clock.VersionVector
}

// known is what is known of its writer.
func (f *fact) known() rules.Known {
	return rules.Known{Seen: f.seen, Settled: f.settled, After: f.delivered, Begins: f.inserts() && f.OverNothing()}
}

// value returns what a fact wrote to a column.
func (f *fact) value(column string) (crdt.Value, bool) {
	if i := slices.Index(f.Columns, column); i >= 0 && !f.Delete {
		return f.Values[i], true
	}
	return crdt.Null, false
}

// inserts reports whether a fact is the insert of a row, or its first piece.
func (f *fact) inserts() bool {
	identity := clinic.Tables[f.Table].Identity.Columns[0]
	return f.Whole || !f.Delete && f.Prior.Deleted.IsZero() && slices.Contains(f.Columns, identity)
}

// knew reports whether the writer had seen what was written to a column, or
// deleted, at a stamp. One that lists the baseline as what it replaced saw
// nothing: what its site had was not in the table.
func (f *fact) knew(column string, at clock.Stamp) bool {
	for i := range f.Prior.Cells {
		if c := &f.Prior.Cells[i]; c.Column == column && c.Stamp.IsZero() {
			return false
		}
	}
	return crdt.Saw(f.seen, at)
}

// top returns the greatest fact that passes; nil when none does.
func (r *oracleRow) top(pass func(*fact) bool) *fact {
	var top *fact
	for i := range r.facts {
		if f := r.facts[i]; (top == nil || top.at.Less(f.at)) && pass(f) {
			top = f
		}
	}
	return top
}

// conflicts lists the row's conflicts as Replica.Conflicts does.
func (r *oracleRow) conflicts() []crdt.Loss {
	if n := len(r.past) + len(r.facts); r.lostFrom < n { // they follow from the facts alone
		r.lost, r.lostFrom = r.findAll(), n
		if len(r.past) > 0 {
			r.lost = append(r.lost, r.ended().findAll()...)
		}
	}
	return r.lost
}

// findAll works the row's conflicts out.
func (r *oracleRow) findAll() []crdt.Loss {
	if r.ID.Table == numbered {
		return r.findNumbered()
	}
	return r.find()
}

// find works the conflicts of a row out that is one, whoever inserted it.
func (r *oracleRow) find() []crdt.Loss {
	var list []crdt.Loss
	exists := r.Live()
	for i := range r.Cells {
		cell := &r.Cells[i]
		if cell.Column == crdt.Reset {
			continue // the greatest stays
		}
		of := r.factsOf(cell.Column)
		for _, w := range of.wrote {
			f := r.facts[w.fact]
			if r.first > 0 && w.fact >= r.first {
				continue
			}
			if exists && f.at == cell.Stamp && r.Counts(cell) || of.known[f.at] {
				continue
			}
			l := r.beaten(f, cell.Column, of)
			l.Value = w.value
			if l.WinnerDelete || l.Value != l.WinnerValue {
				list = append(list, l)
			}
		}
	}
	return append(append(list, r.lostBefore()...), r.lostDelete(exists)...)
}

// columnFacts is what the facts of a row say of a column: which wrote it, and what;
// and the stamps of the values that some change replaced knowingly.
type columnFacts struct {
	upTo  int // so many facts are in it
	wrote []columnFact
	known map[clock.Stamp]bool
}

type columnFact struct {
	fact  int
	value crdt.Value
}

// factsOf is worked out as far as it was not before: facts only come on top.
func (r *oracleRow) factsOf(column string) *columnFacts {
	of := r.columns[column]
	if of == nil {
		if r.columns == nil {
			r.columns = map[string]*columnFacts{}
		}
		of = &columnFacts{known: map[clock.Stamp]bool{}}
		r.columns[column] = of
	}
	for ; of.upTo < len(r.facts); of.upTo++ {
		f := r.facts[of.upTo]
		if f.lost() {
			continue
		}
		v, wrote := f.value(column)
		if wrote {
			of.wrote = append(of.wrote, columnFact{of.upTo, v})
		}
		if (wrote || f.Delete) && f.Prior.Deleted.IsZero() {
			of.known[f.Prior.Of(column)] = true
		}
	}
	return of
}

// beaten names what beat a write: the greatest write of the column that had not
// seen it, else the greatest such delete.
func (r *oracleRow) beaten(f *fact, column string, of *columnFacts) crdt.Loss {
	l := crdt.Loss{Column: column, Stamp: f.at}
	for _, w := range of.wrote {
		if g := r.facts[w.fact]; f.at.Less(g.at) && l.Winner.Less(g.at) && !g.knew(column, f.at) {
			l.Winner, l.WinnerValue = g.at, w.value
		}
	}
	if !l.Winner.IsZero() {
		return l
	}
	if d := r.top(func(g *fact) bool { return g.Delete && f.at.Less(g.at) && !g.knew(column, f.at) }); d != nil {
		l.Winner, l.WinnerDelete = d.at, true
	}
	return l
}

// lostDelete is the conflict of a delete that a write undid unseen.
func (r *oracleRow) lostDelete(exists bool) []crdt.Loss {
	if !exists || r.Deleted.IsZero() {
		return nil
	}
	for i := range r.facts {
		f := r.facts[i]
		// Whoever had seen the delete inserts over it knowingly, also where it
		// was settled and the tombstone is gone (merge.Settled).
		if f.inserts() && f.settled.Covers(r.Deleted) {
			return nil
		}
		if f.Prior.Deleted == r.Deleted && !f.lost() || f.Whole && r.Deleted.Less(f.at) && f.seen.Covers(r.Deleted) && !r.undone(f) {
			return nil
		}
	}
	w := r.top(func(g *fact) bool { return !g.Delete && r.Deleted.Less(g.at) && !g.seen.Covers(r.Deleted) })
	if w == nil {
		return nil // all that wrote over it had seen it
	}
	return []crdt.Loss{{Stamp: r.Deleted, Winner: w.at}}
}

// undone reports whether a write undid the row's delete and a fact's writer had
// seen that: if the row was not there all the same (R4), it overwrote no delete.
func (r *oracleRow) undone(f *fact) bool {
	return r.top(func(g *fact) bool { return !g.Delete && r.Deleted.Less(g.at) && f.seen.Covers(g.at) }) != nil
}

// checkConflicts: the conflicts that a site lists are those that the oracle
// finds, no more and no less; those of R4 and R5 where no row waits to be placed.
func (s *Site) checkConflicts() error {
	placed := !s.lags()
	missing := map[replica.Conflict]int{} // less than 0: listed and not there
	count := func(c replica.Conflict, n int) {
		c.Visible = false
		if missing[c] += n; missing[c] == 0 {
			delete(missing, c)
		}
	}
	for _, rows := range []map[merge.RowID]*oracleRow{s.oracle.rows, s.oracle.settings} {
		for id, r := range rows {
			for _, l := range r.conflicts() {
				count(replica.Conflict{ID: id, Loss: l}, 1)
			}
		}
	}
	if placed {
		for _, c := range s.oracle.view(s.w.model(), s.r.Rules(), nil).Conflicts() {
			count(replica.Conflict(c), 1)
		}
	}
	err := s.r.Conflicts(func(c replica.Conflict) bool {
		if placed || c.Place == merge.InDatabase {
			count(c, -1)
		}
		return true
	})
	if err != nil {
		return err
	}
	var bad []string
	for c, n := range missing {
		bad = append(bad, fmt.Sprintf("%s: %d more there than listed", showConflict(&c), n))
	}
	return some(bad, fmt.Sprintf("the conflicts that %s lists and those that there are differ", s))
}

func showConflict(c *replica.Conflict) string {
	apart := ""
	if c.Apart {
		apart = ", apart"
	}
	return fmt.Sprintf("%s.%s of %s = %s at %s lost to %s at %s, delete %v, %s%s",
		c.ID.Table, c.Column, shortKey(c.ID.Key), shortValue(c.Value), c.Stamp, shortValue(c.WinnerValue), c.Winner, c.WinnerDelete, c.Place, apart)
}
