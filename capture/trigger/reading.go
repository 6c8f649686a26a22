package trigger

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"baraza/capture"
	"baraza/crdt"
	"baraza/internal/sqlrow"

	"github.com/go-sql-driver/mysql"
)

// reading is one snapshot of the log and of the rows, on a connection of its
// own. It implements capture.Reading.
type reading struct {
	s       *Source
	conn    *sql.Conn
	refs    *sqlrow.Refs
	last    uint64
	ended   bool
	broken  bool
	checked map[string]bool // tables whose columns are known to be the model's
	// deletes are those of the log rows last read that are not in a part yet: one
	// log row may stand for any number of them.
	deletes []*deleteWork
}

// entry is one row of the log.
type entry struct {
	id  uint64
	gen *numbered
	op  int
	at  int64
	// written are the columns that an update changed; perhaps are those of them
	// that its trigger did not know (perhaps.go).
	written, perhaps mask
	pk               []crdt.Value
}

// Close implements capture.Reading. A connection whose state is not sure is not
// used again.
func (r *reading) Close() error {
	if r.conn == nil {
		return nil
	}
	conn := r.conn
	r.conn = nil
	if !r.broken {
		if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err == nil {
			return conn.Close()
		}
	}
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	if err := conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

// Next implements capture.Reading. A row that has log rows in several parts is
// in each of them: every time with the values as of the view, and with the
// times of that part.
func (r *reading) Next(ctx context.Context, limit int) (*capture.Part, error) {
	if r.ended && len(r.deletes) == 0 {
		return nil, nil
	}
	part, err := r.next(ctx, limit)
	if err != nil {
		r.broken = true
		return nil, explain(err)
	}
	return part, nil
}

func (r *reading) next(ctx context.Context, limit int) (*capture.Part, error) {
	part := &capture.Part{}
	for len(r.deletes) > 0 {
		if err := r.someDeletes(ctx, newWork(), part, limit); err != nil || len(part.Rows) > 0 {
			return part, err
		}
	}
	if r.ended {
		return nil, nil
	}
	entries, err := r.page(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s.log: %w", home, err)
	}
	r.ended = len(entries) < limit
	if len(entries) == 0 {
		return nil, nil
	}
	w := newWork()
	for i := range entries {
		part.Note(entries[i].id, entries[i].at)
		w.add(&entries[i])
	}
	part.Lost = w.lost
	r.last = entries[len(entries)-1].id
	r.s.seen = max(r.s.seen, r.last)
	for _, t := range w.tables {
		if err := r.written(ctx, t, part); err != nil {
			return nil, err
		}
	}
	r.deletes = w.deletes
	return part, r.someDeletes(ctx, w, part, limit)
}

// someDeletes adds about so many of the deletes to a part, and puts it in order.
func (r *reading) someDeletes(ctx context.Context, w *work, part *capture.Part, limit int) error {
	for len(r.deletes) > 0 && limit > 0 {
		d := r.deletes[0]
		n, err := r.deleted(ctx, d, w.byTable[d.gen.now], part, limit)
		if err != nil {
			return err
		}
		limit -= n
		if len(d.ids) == 0 {
			r.deletes = r.deletes[1:]
		}
	}
	slices.SortStableFunc(part.Rows, func(a, b capture.Row) int { return int(min(1, max(-1, a.At-b.At))) })
	return nil
}

// page reads the next log rows.
func (r *reading) page(ctx context.Context, limit int) ([]entry, error) {
	rows, err := r.conn.QueryContext(ctx, fmt.Sprintf("SELECT id, tbl, op, at, same, k FROM %s.log WHERE id > %d ORDER BY id LIMIT %d", home, r.last, limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entries []entry
	var at, same, key sql.RawBytes
	var raw []rawEntry // generations not known yet are looked up after the rows
	for rows.Next() {
		var e entry
		var number int
		if err := rows.Scan(&e.id, &number, &e.op, &at, &same, &key); err != nil {
			return nil, err
		}
		if e.at, err = micros(at); err != nil {
			return nil, fmt.Errorf("row %d: %w", e.id, err)
		}
		entries, raw = append(entries, e), append(raw, rawEntry{number, bytes.Clone(same), bytes.Clone(key)})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range entries {
		if err := r.complete(ctx, &entries[i], raw[i]); err != nil {
			return nil, fmt.Errorf("row %d: %w", entries[i].id, err)
		}
	}
	return entries, nil
}

// rawEntry is what the log says that only the generation explains.
type rawEntry struct {
	number    int
	same, key []byte
}

// complete fills in what a log row means.
func (r *reading) complete(ctx context.Context, e *entry, raw rawEntry) error {
	e.gen = r.s.generations[raw.number]
	if e.gen == nil {
		if err := r.s.loadGenerations(ctx, r.s.db); err != nil {
			return err
		}
		if e.gen = r.s.generations[raw.number]; e.gen == nil {
			return fmt.Errorf("table number %d is not in %s.tables", raw.number, home)
		}
	}
	if e.gen.now == nil || e.op == opDelete || e.op == opLost {
		return nil
	}
	columns := e.gen.now.PrimaryKey()
	if e.gen.key != nil && !slices.Equal(e.gen.key, e.gen.now.Def.PrimaryKey) {
		e.op = opLost // rows cannot be found by a key that they have no more
		return nil
	}
	var err error
	if e.op == opUpdate {
		if e.written, e.perhaps, err = e.gen.written(raw.same); err != nil {
			return err
		}
	}
	parts := bytes.Split(raw.key, []byte{','})
	if len(parts) != len(columns) {
		return fmt.Errorf("the primary key of table %s has changed since: %w", e.gen.table, ErrSchemaChanged)
	}
	e.pk = make([]crdt.Value, len(parts))
	for i := range columns {
		if e.pk[i], err = columns[i].ParseKey(parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// work is one part's log rows, put together by row.
type work struct {
	tables  []*tableWork
	byTable map[*sqlrow.Table]*tableWork
	deletes []*deleteWork
	byGen   map[*numbered]*deleteWork
	lost    []string // see capture.Part
}

type tableWork struct {
	table *sqlrow.Table
	rows  []*touched
	byPK  map[string]*touched
	// lastID is, of rows that are in the view, the last log row.
	lastID map[crdt.Key]uint64
}

// touched is a row that was inserted or updated.
type touched struct {
	there  bool // in the view
	pk     []crdt.Value
	writes []write
}

// lastID is the last log row of the row.
func (t *touched) lastID() (id uint64) {
	for _, w := range t.writes {
		id = max(id, w.id)
	}
	return id
}

type write struct {
	id            uint64
	at            int64
	mask, perhaps mask
}

// deleteWork is the deletes of one generation.
type deleteWork struct {
	gen *numbered
	ids []uint64         // of log rows, ascending
	at  map[uint64]int64 // their times
	// read is how far the rows of the first of ids were read, -1 for none.
	read int64
}

// where is a condition for those of the deleted rows of some of the log rows that
// were not read yet.
func (d *deleteWork) where(ids []uint64) string {
	first := fmt.Sprintf("%s = %d AND %s > %d", goneID, ids[0], goneN, d.read)
	if len(ids) == 1 {
		return first
	}
	return "(" + first + " OR " + goneID + " IN (" + inList(ids[1:]) + "))"
}

// done notes that rows of some of the log rows were read: all of them, or as many
// as were asked for.
func (d *deleteWork) done(ids []uint64, rows []gone, all bool) {
	if all {
		d.ids, d.read = d.ids[len(ids):], -1
		return
	}
	last := rows[len(rows)-1]
	for d.ids[0] < last.id {
		d.ids = d.ids[1:]
	}
	d.read = last.n
}

func newWork() *work {
	return &work{byTable: make(map[*sqlrow.Table]*tableWork), byGen: make(map[*numbered]*deleteWork)}
}

func (w *work) add(e *entry) {
	t := e.gen.now
	switch {
	case t == nil: // not replicated any more, or away for a while
		if !slices.Contains(w.lost, e.gen.table) {
			w.lost = append(w.lost, e.gen.table)
		}
	case e.op == opLost:
		if !slices.Contains(w.lost, t.Def.Name) {
			w.lost = append(w.lost, t.Def.Name)
		}
	case e.op == opDelete:
		d := w.byGen[e.gen]
		if d == nil {
			d = &deleteWork{gen: e.gen, at: make(map[uint64]int64), read: -1}
			w.byGen[e.gen] = d
			w.deletes = append(w.deletes, d)
		}
		d.ids = append(d.ids, e.id)
		d.at[e.id] = e.at
	default:
		tw := w.byTable[t]
		if tw == nil {
			tw = &tableWork{table: t, byPK: make(map[string]*touched), lastID: make(map[crdt.Key]uint64)}
			w.byTable[t] = tw
			w.tables = append(w.tables, tw)
		}
		tw.add(e)
	}
}

func (tw *tableWork) add(e *entry) {
	m := full(len(tw.table.Columns))
	if e.op == opUpdate {
		m = e.written
	}
	id := tw.table.LocalKey(e.pk)
	row := tw.byPK[id]
	if row == nil {
		row = &touched{pk: e.pk}
		tw.byPK[id] = row
		tw.rows = append(tw.rows, row)
	}
	row.writes = append(row.writes, write{e.id, e.at, m, e.perhaps})
}

// written reads the rows that were inserted or updated.
func (r *reading) written(ctx context.Context, tw *tableWork, part *capture.Part) error {
	pks := make([][]crdt.Value, 0, len(tw.rows))
	for _, row := range tw.rows {
		if slices.ContainsFunc(row.writes, func(w write) bool { return !w.mask.empty() }) {
			pks = append(pks, row.pk)
		}
	}
	rows, err := tw.table.ByPK(ctx, r.conn, pks, "")
	if err != nil {
		return err
	}
	if err := r.checkColumns(ctx, tw.table); err != nil {
		return err
	}
	if err := r.dropDefaults(ctx, tw, rows); err != nil {
		return err
	}
	if err := r.refs.Portable(ctx, r.conn, tw.table, rows); err != nil {
		return err
	}
	for i := range rows {
		row := tw.byPK[tw.table.LocalKey(rows[i].PK)]
		if row == nil {
			continue
		}
		row.there = true
		if rows[i].Key != "" {
			tw.lastID[rows[i].Key] = row.lastID()
			part.Rows = r.s.appendWrites(part.Rows, tw.table, &rows[i], row.writes)
		}
	}
	return r.writtenBefore(ctx, tw, part)
}

// appendWrites gives each column the latest time it was written at, and one
// capture.Row for each time.
func (s *Source) appendWrites(out []capture.Row, t *sqlrow.Table, row *sqlrow.Row, writes []write) []capture.Row {
	slices.SortStableFunc(writes, func(a, b write) int { return int(min(1, max(-1, b.at-a.at))) })
	left := full(len(t.Columns))
	for i := 0; i < len(writes); {
		at, m := writes[i].at, mask{}
		for ; i < len(writes) && writes[i].at == at; i++ {
			m = m.or(writes[i].mask)
		}
		m = m.and(left)
		if m.empty() {
			continue
		}
		left = left.not(m)
		out = append(out, capture.Row{Table: t.Def.Name, Key: row.Key, At: at, Columns: s.columns.names(t, m), Values: pick(row.Values, m)})
	}
	return out
}

func pick(values []crdt.Value, m mask) []crdt.Value {
	if m == full(len(values)) {
		return values
	}
	var out []crdt.Value
	m.each(func(i int) { out = append(out, values[i]) })
	return out
}

// checkColumns makes sure that the model knows all columns, once a reading.
// It comes after the first rows of the table were read: from then on the
// server keeps the table from being changed until the transaction ends.
func (r *reading) checkColumns(ctx context.Context, t *sqlrow.Table) error {
	if r.checked[t.Def.Name] {
		return nil
	}
	// SELECT * would leave out what is INVISIBLE.
	rows, err := r.conn.QueryContext(ctx, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", t.Def.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range names {
		if t.Def.Column(name) == nil {
			return fmt.Errorf("table %s has a new column %s: %w", t.Def.Name, name, ErrSchemaChanged)
		}
	}
	r.checked[t.Def.Name] = true
	return nil
}

// explain recognises the server's words for a schema that changed meanwhile.
func explain(err error) error {
	const noSuchTable, tableDefChanged = 1146, 1412
	var e *mysql.MySQLError
	if errors.As(err, &e) && (e.Number == badField || e.Number == noSuchTable || e.Number == tableDefChanged) {
		return fmt.Errorf("%w: %w", ErrSchemaChanged, err)
	}
	return err
}

// micros reads a DATETIME(6) in UTC, as microseconds since 1970.
func micros(b []byte) (int64, error) {
	const layout = "2006-01-02 15:04:05.000000"
	if len(b) != len(layout) {
		return 0, fmt.Errorf("%q is no DATETIME(6)", b)
	}
	var n [7]int
	for i, at := range [7][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}, {20, 26}} {
		for _, c := range b[at[0]:at[1]] {
			if c < '0' || c > '9' {
				return 0, fmt.Errorf("%q is no DATETIME(6)", b)
			}
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC).UnixMicro(), nil
}
