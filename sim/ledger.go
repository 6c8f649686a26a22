package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/replica"
)

// ledger is what applications committed. Every value in it is written once.
type ledger struct {
	serial int
	// cells tells by which transactions a value was knowingly overwritten.
	cells map[cell][]int
	// writer and transaction of every value that was committed.
	wrote map[crdt.Value]written
	txns  int
	// losses are transactions that may be lost with a database (losses.go).
	losses []loss
	// silent are the transactions that wrote no value, but deleted rows: under which
	// name their site wrote them.
	silent map[int]clock.SiteID
	// sums are what was added to counters, deleted the rows that were deleted,
	// and summed how many sums were checked last.
	sums    map[cell]*sum
	deleted map[merge.RowID]bool
	summed  int
	// carried are values that moved to another row, and by which transactions.
	carried map[cell][]written
	// returned are values that were deleted and came back (comesBack): who deletes them
	// later may have seen them as they were before.
	returned map[cell]bool
	lives
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
	return ledger{
		cells: map[cell][]int{}, wrote: map[crdt.Value]written{}, sums: map[cell]*sum{}, deleted: map[merge.RowID]bool{},
		carried: map[cell][]written{}, returned: map[cell]bool{}, silent: map[int]clock.SiteID{},
		lives: lives{rowOf: map[crdt.Value]crdt.Value{}, lifeOf: map[crdt.Value]clock.Stamp{}, copyOf: map[numberedLife]crdt.Value{}},
	}
}

func (l *ledger) fresh(s *Site) crdt.Value {
	l.serial++
	var room [32]byte
	b := strconv.AppendInt(append(room[:0], crdt.TagText, 'v'), int64(s.n), 10)
	return crdt.Value(strconv.AppendUint(append(b, '.'), uint64(l.serial), 10))
}

// isFresh tells values of the ledger from others.
func isFresh(v crdt.Value) bool {
	return v.Tag() == crdt.TagText && strings.HasPrefix(v.Payload(), "v")
}

// enter notes what a transaction did: values that it wrote, and values that
// were there, and so seen, and are not any more. before are the rows that it
// touched, as they were.
func (l *ledger) enter(s *Site, values []crdt.Value, before map[merge.RowID]merge.Row) {
	l.txns++
	for _, v := range values {
		l.wrote[v] = written{s, l.txns}
	}
	if len(values) == 0 {
		l.silent[l.txns] = s.id
	}
	for id, old := range before {
		now, there := s.db.Row(id.Table, id.Key)
		if there && id.Table == numbered {
			l.tell(&now)
		}
		l.compare(s, id, now, old, 0)
		l.compare(s, id, old, now, l.txns)
		if o := s.oracle.rows[id]; o != nil && (!o.Live() || !o.Deleted.IsZero() && s.r != nil && s.replaces()) {
			// A kept row (R4), or one that was and is to be placed anew: its values are
			// those of a deleted row, and stay conflicts though they were shown.
			l.forget(id, old)
		}
	}
}

// compare enters the fresh values that one image of a row has and another has
// not, and by which transaction they were overwritten.
func (l *ledger) compare(s *Site, id merge.RowID, has, lacks merge.Row, by int) {
	for i, v := range has.Values {
		if !isFresh(v) || len(lacks.Values) > 0 && lacks.Values[i] == v {
			continue
		}
		c := cell{id, has.Columns[i], v}
		switch {
		case by == 0:
			l.cells[c] = nil
		case s.restored.behind || s.outside && s.lives > 0:
			// What its tables show may have been overwritten since the backup, or
			// not: then it may be in a conflict or not (docs/limits.md).
			l.cells[c] = append(l.cells[c], openTxn)
		default:
			l.cells[c] = append(l.cells[c], by)
		}
	}
}

// forget leaves open what becomes of the values of a row.
func (l *ledger) forget(id merge.RowID, r merge.Row) {
	for i, v := range r.Values {
		l.again(cell{id, r.Columns[i], v})
	}
}

// again leaves open what becomes of a value that was deleted and comes back.
func (l *ledger) again(c cell) {
	if len(l.cells[c]) > 0 {
		l.cells[c] = []int{openTxn}
	}
}

// returns is the same for one that is written anew, which later deletes may not have seen.
func (l *ledger) returns(c cell) {
	l.again(c)
	l.returned[c] = true
}

// checkLedger: every value that an application wrote is visible, was knowingly
// overwritten, or is in a conflict that names what beat it; and no conflict
// tells of a value that nobody wrote, or that was overwritten knowingly. It holds once a site has everything.
func (s *Site) checkLedger() error {
	l := &s.w.ledger
	gone := map[merge.RowID]bool{} // their values are kept, and are in no list
	found := map[cell]bool{}
	for id, r := range tables(s.db) {
		for i, c := range r.Columns {
			found[cell{id, c, r.Values[i]}] = true
		}
	}
	var bad error
	err := s.r.Conflicts(func(c replica.Conflict) bool {
		lost := cell{c.ID, c.Column, c.Value}
		switch c.Place {
		case merge.Gone:
			gone[c.ID] = true
			return true
		case merge.Kept, merge.Held:
			if c.Place == merge.Held && c.Column == "" {
				gone[c.ID] = true // the whole row is held
			}
			return true // nothing beat it
		default:
		}
		found[lost] = true
		if _, wrote := l.wrote[c.Value]; isFresh(c.Value) && !wrote {
			bad = fmt.Errorf("%s has a conflict about %s, which nobody wrote", s, lost)
		}
		if l.known(s.w, lost) == yes && c.Stamp.Time > adoptedTime && !s.sawCopy(&c) && !s.ofCopy(&c) && !s.sawAhead(&c) { // of an old database, see moves.go
			bad = fmt.Errorf("%s has a conflict about %s, which was overwritten by one who had seen it", s, lost)
		}
		if c.Winner.IsZero() && !s.beatenByLost(&c) {
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
	for c := range l.cells {
		if l.due(s.w, c) && !found[c] && !(gone[c.RowID] && s.oracle.rows[c.RowID].Value(c.column) == c.value) {
			missing = append(missing, c.String())
		}
	}
	return some(missing, fmt.Sprintf("%s lost without a trace", s))
}

// beatenByLost reports whether somebody overwrote what no member has any more, as those
// that had it are lost: that beat a value, or replaced it knowingly (docs/limits.md).
func (s *Site) beatenByLost(c *replica.Conflict) bool {
	r := s.oracle.rows[c.ID]
	return r != nil && slices.ContainsFunc(r.facts, func(f *fact) bool {
		_, wrote := f.value(c.Column)
		over := f.Prior.Of(c.Column)
		if !f.Prior.Deleted.IsZero() {
			over = f.Prior.Deleted
		}
		return (wrote || f.Delete) && c.Stamp.Less(f.at) && !s.oracle.applied.Covers(over)
	})
}

func (c cell) String() string {
	return fmt.Sprintf("%s.%s of %s = %s", c.Table, c.column, shortKey(c.Key), shortValue(c.value))
}
