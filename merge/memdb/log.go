package memdb

import (
	"context"
	"slices"
	"sort"

	"baraza/capture"
	"baraza/crdt"
	"baraza/merge"
)

// logEntry is one row that an application wrote: as triggers do it, the log
// says which columns of which row and when, and only of a delete what was
// there.
type logEntry struct {
	id      uint64
	at      int64
	table   *table
	key     crdt.Key
	columns []int      // positions
	deleted *merge.Row // what there was of a row that was deleted
}

// changeLog is the entries of committed transactions, in order of their ids.
type changeLog struct {
	entries []logEntry
	last    uint64
}

func (l *changeLog) append(e logEntry, at int64) {
	l.last++
	e.id, e.at = l.last, at
	l.entries = append(l.entries, e)
}

func (l *changeLog) release(ids capture.IDs) {
	for _, r := range ids {
		from := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].id >= r.First })
		to := sort.Search(len(l.entries), func(i int) bool { return l.entries[i].id > r.Last })
		l.entries = slices.Delete(l.entries, from, to)
	}
}

// Pending returns how many log entries wait to be released.
func (db *DB) Pending() int { return len(db.log.entries) }

// Written returns the rows of the log entries that wait to be released.
func (db *DB) Written() []merge.RowID {
	ids := make([]merge.RowID, len(db.log.entries))
	for i := range db.log.entries {
		e := &db.log.entries[i]
		ids[i] = merge.RowID{Table: e.table.def.Name, Key: e.key}
	}
	return ids
}

// Noted implements capture.Lister.
func (db *DB) Noted(ctx context.Context, after uint64, limit int) ([]capture.Noted, error) {
	if err := db.fault(ctx, StepRead); err != nil {
		return nil, err
	}
	var noted []capture.Noted
	for i := range db.log.entries {
		if e := &db.log.entries[i]; e.id > after && len(noted) < limit {
			noted = append(noted, capture.Noted{ID: e.id, At: e.at})
		}
	}
	return noted, nil
}

// Kind implements capture.Source.
func (db *DB) Kind() string { return "trigger" }

// Release implements capture.Source.
func (db *DB) Release(ctx context.Context, ids capture.IDs) error {
	if err := db.fault(ctx, StepRelease); err != nil {
		return err
	}
	db.log.release(ids)
	return nil
}

// Poll implements capture.Poller. It is a step of its own, as the query that it
// stands for may fail.
func (db *DB) Poll(ctx context.Context) (bool, error) {
	if err := db.fault(ctx, StepRead); err != nil {
		return false, err
	}
	return len(db.log.entries) > 0, nil
}

// Read implements capture.Source. What the open transaction wrote is not seen.
func (db *DB) Read(ctx context.Context) (capture.Reading, error) {
	if err := db.fault(ctx, StepRead); err != nil {
		return nil, err
	}
	if len(db.log.entries) == 0 {
		return nothingRead, nil
	}
	r := &reading{entries: slices.Clone(db.log.entries)}
	db.committed(func() { r.rows = db.view(r.entries) })
	return r, nil
}

// nothingRead is a view of an empty log.
var nothingRead = &reading{}

// reading is a view, worked out when it is opened.
type reading struct {
	entries []logEntry
	rows    []capture.Row // one for each entry; those without columns are none
	next    int
}

func (r *reading) Next(ctx context.Context, maxRows int) (*capture.Part, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.next == len(r.entries) {
		return nil, nil
	}
	end := min(r.next+max(maxRows, 1), len(r.entries))
	part := &capture.Part{Rows: make([]capture.Row, 0, end-r.next)}
	for ; r.next < end; r.next++ {
		part.Note(r.entries[r.next].id, r.entries[r.next].at)
		if row := r.rows[r.next]; row.Delete || len(row.Columns) > 0 {
			part.Rows = append(part.Rows, row)
		}
	}
	return part, nil
}

func (r *reading) Close() error { return nil }

// seen is what later entries of the log say of a row.
type seen struct {
	table   *table
	key     crdt.Key
	columns []bool
	latest  int       // the last entry taken for this row
	deleted *logEntry // the next delete of the row, which has its values
}

// seenRows are those that are seen: a few are looked through one by one. What it
// needs while it works is kept for the next time.
type seenRows struct {
	list    []seen
	index   map[rowName]int // of list; nil while there are few
	columns []bool
	taken   []takenColumns
	numbers []int
}

// rowName is a row across tables.
type rowName struct {
	table *table
	key   crdt.Key
}

// fewSeen is how many rows are looked through one by one.
const fewSeen = 8

// of returns what is seen of the row of entry i of the log. It is valid until the
// next call.
func (rows *seenRows) of(e *logEntry, i int) *seen {
	if at := rows.find(e); at >= 0 {
		return &rows.list[at]
	}
	n := len(e.table.def.Columns)
	rows.list = append(rows.list, seen{table: e.table, key: e.key, columns: cut(&rows.columns, n), latest: i})
	at := len(rows.list) - 1
	if rows.index != nil {
		rows.index[rowName{e.table, e.key}] = at
	} else if at >= fewSeen {
		rows.index = map[rowName]int{}
		for i := range rows.list {
			rows.index[rowName{rows.list[i].table, rows.list[i].key}] = i
		}
	}
	return &rows.list[at]
}

func (rows *seenRows) find(e *logEntry) int {
	if rows.index != nil {
		if at, known := rows.index[rowName{e.table, e.key}]; known {
			return at
		}
		return -1
	}
	for i := range rows.list {
		if rows.list[i].table == e.table && rows.list[i].key == e.key {
			return i
		}
	}
	return -1
}

// begin makes it ready for a log of so many entries.
func (rows *seenRows) begin(entries int) {
	clear(rows.list)
	clear(rows.taken)
	rows.list, rows.index = rows.list[:0], nil
	rows.taken = slices.Grow(rows.taken[:0], entries)[:entries]
}

// view gives each entry of the log its row: the columns that no later entry
// has, with their values as they are now or as they were when the row was
// deleted. Columns written at one time go to one entry.
func (db *DB) view(entries []logEntry) []capture.Row {
	rows := make([]capture.Row, len(entries))
	known := &db.seen
	known.begin(len(entries))
	taken := known.taken
	for i := len(entries) - 1; i >= 0; i-- {
		e := &entries[i]
		s := known.of(e, i)
		if e.deleted != nil {
			clear(s.columns)
			s.latest, s.deleted = i, e
			rows[i] = capture.Row{Table: e.table.def.Name, Key: e.key, Delete: true, At: e.at, Columns: e.deleted.Columns, Values: e.deleted.Values}
			continue
		}
		if entries[s.latest].at != e.at || entries[s.latest].deleted != nil {
			s.latest = i
		}
		for _, column := range e.columns {
			if !s.columns[column] {
				s.columns[column] = true
				t := &taken[s.latest]
				if t.columns == nil {
					t.columns = cut(&known.numbers, len(s.columns))[:0]
				}
				t.columns, t.deleted = append(t.columns, column), s.deleted
			}
		}
	}
	for i := range entries {
		if t := &taken[i]; len(t.columns) > 0 {
			rows[i] = db.written(&entries[i], t.columns, t.deleted)
		}
	}
	return rows
}

// takenColumns are the columns that an entry of the log has to tell of, and the
// delete of the row that follows.
type takenColumns struct {
	columns []int
	deleted *logEntry
}

// written returns the change of some columns of a row, which was deleted later
// or is there; none if it is gone without the application's doing.
func (db *DB) written(e *logEntry, columns []int, deleted *logEntry) capture.Row {
	t := e.table
	row := capture.Row{Table: t.def.Name, Key: e.key, At: e.at}
	r := t.rows[e.key]
	if deleted == nil && r == nil {
		return capture.Row{}
	}
	if len(columns) == len(t.shipped) {
		row.Columns = t.names
	} else {
		row.Columns = cut(&db.texts, len(columns))[:0]
	}
	row.Values = cut(&db.values, len(columns))[:0]
	for i, column := range t.shipped {
		switch {
		case !slices.Contains(columns, column):
			continue
		case deleted != nil:
			row.Values = append(row.Values, deleted.deleted.Values[i])
		default:
			row.Values = append(row.Values, t.out(r.vals[column], column))
		}
		if len(columns) < len(t.shipped) {
			row.Columns = append(row.Columns, t.names[i])
		}
	}
	return row
}
