package sim

import (
	"fmt"
	"slices"
	"strings"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/schema"
)

// Checks says how much is checked while a world runs.
type Checks int

// The levels.
const (
	// CheckIncremental checks what each step of a site touched, and everything
	// every fullEvery steps, when a site starts, and at the end.
	CheckIncremental Checks = iota
	// CheckFull checks everything after every step.
	CheckFull
	// CheckNone checks only that the sites are equal at the end: for studies and
	// benchmarks.
	CheckNone
)

// fullEvery is how many checks of a site pass between two of all rows, and
// conflictsEvery between two of all conflicts.
const (
	fullEvery      = 250
	conflictsEvery = 1000
)

// watch is a site's tables as the checkers last looked at them. The database
// tells which rows are touched, so a look costs what a step touched; what it
// knows besides, who refers to a row and who has a unique value, it works out
// from the rows alone.
type watch struct {
	s       *Site
	touched map[merge.RowID]bool // since the last look
	rows    map[merge.RowID]merge.Row
	refs    map[merge.RowID]int // how many rows refer to a row, be it there or not
	unique  map[uniqueValue]merge.RowID
	found   []foundRow           // memory for look
	behind  map[merge.RowID]bool // not yet held against the log
	all     bool                 // all rows are behind
	// before are the rows that an application's transaction changes, as they
	// were (no columns: not there); nil while there is none.
	before map[merge.RowID]merge.Row
	checks int
	// tables and conflicts are what all rows, and all conflicts, were last checked
	// from.
	tables, conflicts content
}

// foundRow is a row as the database has it.
type foundRow struct {
	id  merge.RowID
	row merge.Row
}

// content is what all rows and conflicts of a site are checked from: as long as it
// is the same, checking them again says the same.
type content struct {
	rows, changes uint64 // changes of the database's rows, and those in the log
	disk          *disk
	writes        uint64 // of the disk
	lags          bool
}

// due reports whether all is to be checked that was last checked from what last
// says: every so many checks, unless nothing has changed. (A site that is at rest
// tries every few seconds whether there is something to do.)
func (w *watch) due(every int, last *content) bool {
	if w.checks%every != 0 {
		return false
	}
	s := w.s
	now := content{s.db.Changes(), s.oracle.changes, s.disk, s.disk.writes, s.lags()}
	if *last == now {
		return false
	}
	*last = now
	return true
}

// uniqueValue is the value of a unique index, as the collation sees it.
type uniqueValue struct {
	table string
	index int
	value crdt.Key
}

func newWatch(s *Site) watch {
	return watch{
		s: s, touched: map[merge.RowID]bool{}, rows: map[merge.RowID]merge.Row{}, refs: map[merge.RowID]int{},
		unique: map[uniqueValue]merge.RowID{}, behind: map[merge.RowID]bool{},
	}
}

// touch takes note of a row that a transaction changed.
func (w *watch) touch(table string, key crdt.Key) {
	if w.s.w.opts.Checks == CheckNone {
		return
	}
	id := merge.RowID{Table: table, Key: key}
	w.touched[id] = true
	if w.before == nil {
		return
	}
	if _, known := w.before[id]; !known {
		w.before[id] = w.rows[id]
	}
}

// begin and end enclose an application's transaction; end returns the rows that
// it changed, as they were.
func (w *watch) begin() {
	w.s.w.fail(w.look())
	if w.s.w.opts.Checks != CheckNone {
		w.before = map[merge.RowID]merge.Row{}
	}
}

func (w *watch) end() map[merge.RowID]merge.Row {
	before := w.before
	w.before = nil
	return before
}

// look reads the rows that were touched, and checks that their references, and
// those of others to them, lead to a row, and that unique values are.
func (w *watch) look() error {
	if len(w.touched) == 0 {
		return nil
	}
	var bad []string
	for id := range w.touched {
		w.behind[id] = true
		now, there := w.s.db.Row(id.Table, id.Key)
		if was, known := w.rows[id]; known && there && alike(id.Table, was, now) {
			w.rows[id] = now
			bad = append(bad, w.s.w.mixed(id, &now)...)
			continue
		}
		w.take(id)
		if there {
			w.found = append(w.found, foundRow{id, now})
		}
	}
	for i := range w.found {
		bad = append(bad, w.put(w.found[i].id, w.found[i].row)...)
	}
	clear(w.found)
	w.found = w.found[:0]
	for id := range w.touched {
		r, there := w.rows[id]
		bad = append(bad, w.badReferences(id, r, there)...)
	}
	clear(w.touched)
	if len(bad) == 0 {
		return nil
	}
	return some(bad, fmt.Sprintf("%s breaks references or unique values", w.s))
}

// alike reports whether two states of a row have the same references and unique values.
func alike(table string, a, b merge.Row) bool {
	t := clinic.Tables[table]
	for i, v := range a.Values {
		if v == b.Values[i] {
			continue
		}
		if column := a.Columns[i]; t.Reference(column) != nil || slices.ContainsFunc(t.Unique, func(u schema.Index) bool { return slices.Contains(u.Columns, column) }) {
			return false
		}
	}
	return true
}

// take forgets a row.
func (w *watch) take(id merge.RowID) {
	r, known := w.rows[id]
	if !known {
		return
	}
	delete(w.rows, id)
	w.each(id, r, func(target merge.RowID) {
		if w.refs[target]--; w.refs[target] == 0 {
			delete(w.refs, target)
		}
	}, func(u uniqueValue) {
		if w.unique[u] == id {
			delete(w.unique, u)
		}
	})
}

// put takes a row in, and tells whether another has its unique values.
func (w *watch) put(id merge.RowID, r merge.Row) (bad []string) {
	w.rows[id] = r
	bad = append(bad, w.s.w.mixed(id, &r)...)
	w.each(id, r, func(target merge.RowID) { w.refs[target]++ }, func(u uniqueValue) {
		if other, taken := w.unique[u]; taken {
			bad = append(bad, fmt.Sprintf("%s of %s and %s have the same %s", id.Table, shortKey(id.Key), shortKey(other.Key), clinic.Tables[id.Table].Unique[u.index].Name))
		}
		w.unique[u] = id
	})
	return bad
}

// each calls reference for the rows that a row refers to, and unique for its
// unique values.
func (w *watch) each(id merge.RowID, r merge.Row, reference func(merge.RowID), unique func(uniqueValue)) {
	t := clinic.Tables[id.Table]
	for i := range t.References {
		ref := &t.References[i]
		if key, is := r.Values[slices.Index(r.Columns, ref.Column)].Key(); is {
			reference(merge.RowID{Table: ref.Table, Key: key})
		}
	}
	for i := range t.Unique {
		var values []crdt.Value
		for _, name := range t.Unique[i].Columns {
			if at := slices.Index(r.Columns, name); at >= 0 && !r.Values[at].IsNull() {
				values = append(values, collated(r.Values[at], t.Column(name).Collation))
			}
		}
		if len(values) == len(t.Unique[i].Columns) {
			unique(uniqueValue{id.Table, i, crdt.MakeKey(values...)})
		}
	}
}

// collated is the value that stands for all that a collation takes as equal.
func collated(v crdt.Value, collation string) crdt.Value {
	if !strings.HasSuffix(collation, "_ci") {
		return v
	}
	return crdt.Text(strings.ToLower(strings.TrimRight(v.Payload(), " ")))
}

// badReferences lists the references of a row that lead nowhere, and, of a row
// that is gone, that some lead to it.
func (w *watch) badReferences(id merge.RowID, r merge.Row, there bool) (bad []string) {
	if !there {
		if n := w.refs[id]; n > 0 {
			bad = append(bad, fmt.Sprintf("%s %s is gone and %d rows refer to it", id.Table, shortKey(id.Key), n))
		}
		return bad
	}
	t := clinic.Tables[id.Table]
	for i := range t.References {
		ref := &t.References[i]
		v := r.Values[slices.Index(r.Columns, ref.Column)]
		key, is := v.Key()
		_, found := w.rows[merge.RowID{Table: ref.Table, Key: key}]
		if v.IsNull() && !t.Column(ref.Column).Nullable || is && !found {
			bad = append(bad, fmt.Sprintf("%s.%s of %s leads nowhere", id.Table, ref.Column, shortKey(id.Key)))
		}
	}
	return bad
}

// anew looks at all rows, and tells when one changed without being touched: the
// checkers would be blind then.
func (w *watch) anew() error {
	var bad []string
	rows := 0
	for _, name := range tableNames {
		w.s.db.EachRow(name, func(r merge.Row) {
			rows++
			id := merge.RowID{Table: name, Key: r.Key}
			known, is := w.rows[id]
			if !is || !slices.Equal(known.Values, r.Values) {
				bad = append(bad, fmt.Sprintf("%s %s: %s", id.Table, shortKey(id.Key), showRow(r)))
			}
			bad = append(bad, w.badReferences(id, r, true)...)
		})
	}
	if len(bad) == 0 && rows != len(w.rows) {
		bad = append(bad, fmt.Sprintf("%d rows are gone", len(w.rows)-rows))
	}
	w.all = true
	return some(bad, fmt.Sprintf("%s has rows that changed unnoticed, or references that lead nowhere", w.s))
}

// tables returns all rows of a database.
func tables(db *memdb.DB) map[merge.RowID]merge.Row {
	all := map[merge.RowID]merge.Row{}
	for _, name := range tableNames {
		for _, r := range db.Rows(name) {
			all[merge.RowID{Table: name, Key: r.Key}] = r
		}
	}
	return all
}
