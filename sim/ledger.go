package sim

import (
	"fmt"
	"strings"

	"baraza/crdt"
	"baraza/merge"
	"baraza/node/replica"
)

// ledger is what applications committed. Every value in it is written once.
type ledger struct {
	serial int
	cells  map[cell]bool // true: knowingly overwritten
	// writer and transaction of every value that was committed.
	wrote map[crdt.Value]written
	txns  int
}

type cell struct {
	merge.RowID
	column string
	value  crdt.Value
}

type written struct {
	site *Site
	txn  int
}

func newLedger() ledger {
	return ledger{cells: map[cell]bool{}, wrote: map[crdt.Value]written{}}
}

func (l *ledger) fresh(s *Site) crdt.Value {
	l.serial++
	return crdt.Text(fmt.Sprintf("v%d.%d", s.n, l.serial))
}

// isFresh tells values of the ledger from others.
func isFresh(v crdt.Value) bool {
	return v.Tag() == crdt.TagText && strings.HasPrefix(v.Payload(), "v")
}

// tables returns all rows of a site.
func (s *Site) tables() map[merge.RowID]merge.Row {
	all := map[merge.RowID]merge.Row{}
	for _, name := range tableNames {
		for _, r := range s.db.Rows(name) {
			all[merge.RowID{Table: name, Key: r.Key}] = r
		}
	}
	return all
}

// enter notes what a transaction did: values that it wrote, and values that
// were there, and so seen, and are not any more.
func (l *ledger) enter(s *Site, values []crdt.Value, before, after map[merge.RowID]merge.Row) {
	l.txns++
	for _, v := range values {
		l.wrote[v] = written{s, l.txns}
	}
	for id, r := range after {
		old, was := before[id]
		for i, c := range r.Columns {
			if isFresh(r.Values[i]) && (!was || old.Values[i] != r.Values[i]) {
				l.cells[cell{id, c, r.Values[i]}] = false
			}
		}
	}
	for id, r := range before {
		now, is := after[id]
		for i, c := range r.Columns {
			if isFresh(r.Values[i]) && (!is || now.Values[i] != r.Values[i]) {
				l.cells[cell{id, c, r.Values[i]}] = true
			}
		}
	}
}

// checkLedger: every value that an application wrote is visible, was knowingly
// overwritten, or is in a conflict that names what beat it; and no conflict
// tells of a value that nobody wrote. It holds once a site has everything.
func (s *Site) checkLedger() error {
	l := &s.w.ledger
	found := map[cell]bool{}
	for id, r := range s.tables() {
		for i, c := range r.Columns {
			found[cell{id, c, r.Values[i]}] = true
		}
	}
	var bad error
	err := s.r.Conflicts(func(c replica.Conflict) bool {
		lost := cell{c.ID, c.Column, c.Value}
		found[lost] = true
		if _, wrote := l.wrote[c.Value]; isFresh(c.Value) && !wrote {
			bad = fmt.Errorf("%s has a conflict about %s, which nobody wrote", s, lost)
		}
		if c.Winner.IsZero() {
			bad = fmt.Errorf("%s has a conflict about %s that does not name what beat it", s, lost)
		}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	var missing []string
	for c, known := range l.cells {
		if !known && !found[c] {
			missing = append(missing, c.String())
		}
	}
	return some(missing, fmt.Sprintf("%s lost without a trace", s))
}

func (c cell) String() string {
	return fmt.Sprintf("%s.%s of %s = %s", c.Table, c.column, shortKey(c.Key), shortValue(c.value))
}
