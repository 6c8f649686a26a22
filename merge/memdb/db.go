package memdb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Step names a point at which Config.Fault may interfere.
type Step string

// The steps, each asked before it is done, but for StepCommitted.
const (
	StepBegin   Step = "begin"
	StepLock    Step = "lock"
	StepResolve Step = "resolve"
	// StepReferrers looks for rows that refer to others.
	StepReferrers Step = "referrers"
	// StepHolders looks for rows that have unique values.
	StepHolders Step = "holders"
	StepInsert  Step = "insert"
	StepUpdate  Step = "update"
	StepDelete  Step = "delete"
	StepRelease Step = "release"
	StepMark    Step = "mark"
	// StepCommit fails a commit that does not take effect.
	StepCommit Step = "commit"
	// StepCommitted fails a commit that has taken effect: the answer is lost.
	StepCommitted Step = "committed"
	StepRead      Step = "read"
)

// Config is what a DB is made of.
type Config struct {
	Model *schema.Model
	// First is the first number that auto-increment columns give, Stride the
	// distance to the next. Zero means 1.
	First, Stride int64
	// Offset and Increment are First and Stride of the tables whose rows nothing
	// names but such a number. Zero means First and Stride.
	Offset, Increment int64
	// Now returns microseconds since the Unix epoch. Required.
	Now func() int64
	// Fault, when set, is asked at every step of a merge.Tx and of a reading.
	// An error that it returns is the step's result: merge.ErrRetry stands for
	// a deadlock, any other for a lost connection. At StepBegin and StepRead
	// it may write as an application.
	Fault func(Step) error
	// Committed, when set, is called for each row that a commit changed, once
	// for each change. It may read the database; it must not write.
	Committed func(table string, key crdt.Key)
}

// DB is one site's database.
type DB struct {
	config Config
	tables map[string]*table
	names  []string // of the tables, sorted
	undo   []change // of the open transaction
	open   *tx
	mark   merge.Mark
	log    changeLog
	// Room for what is returned, or logged, cut off piece by piece.
	rows    []merge.Row
	values  []crdt.Value
	texts   []string
	columns []int
	txs     []tx
	// seen is memory for view.
	seen seenRows
}

var errBusy = errors.New("memdb: a transaction is open; commit it or roll it back first")

// New returns a database with the model's tables, all empty.
func New(config Config) *DB {
	if config.Now == nil {
		panic("memdb: Config.Now is required")
	}
	if config.First == 0 {
		config.First = 1
	}
	if config.Stride == 0 {
		config.Stride = 1
	}
	if config.Offset == 0 {
		config.Offset, config.Increment = config.First, config.Stride
	}
	db := &DB{config: config, tables: make(map[string]*table)}
	for name, def := range config.Model.Tables {
		db.names = append(db.names, name)
		db.tables[name] = newTable(def, config)
	}
	slices.Sort(db.names)
	for _, name := range db.names {
		db.link(db.tables[name])
	}
	for _, t := range db.tables {
		t.setKeyed()
	}
	return db
}

// SetModel changes which tables are replicated: what applications write to the others is
// not noted. The model must have the same tables.
func (db *DB) SetModel(m *schema.Model) {
	for name, t := range db.tables {
		t.def = m.Tables[name]
	}
}

// Rows returns the rows of a table in portable form, sorted by key.
func (db *DB) Rows(name string) []merge.Row {
	t := db.tables[name]
	if t == nil {
		return nil
	}
	rows := make([]merge.Row, 0, len(t.rows))
	for _, r := range t.sorted() {
		rows = append(rows, t.portable(r))
	}
	return rows
}

// EachRow calls each for the rows of a table in portable form, in no order. The
// values are valid during the call only.
func (db *DB) EachRow(name string, each func(merge.Row)) {
	t := db.tables[name]
	if t == nil {
		return
	}
	values := make([]crdt.Value, len(t.shipped))
	for _, r := range t.rows {
		each(t.portableIn(values, r))
	}
}

// Row returns one row in portable form; false when it is not there.
func (db *DB) Row(name string, key crdt.Key) (merge.Row, bool) {
	if t := db.tables[name]; t != nil && t.rows[key] != nil {
		return t.portable(t.rows[key]), true
	}
	return merge.Row{}, false
}

// Has reports whether a row is there.
func (db *DB) Has(name string, key crdt.Key) bool {
	t := db.tables[name]
	return t != nil && t.rows[key] != nil
}

// Changes counts the changes of rows: as long as it is the same, so are all rows.
func (db *DB) Changes() (n uint64) {
	for _, t := range db.tables {
		n += t.changes
	}
	return n
}

// Len returns how many rows a table has.
func (db *DB) Len(name string) int {
	if t := db.tables[name]; t != nil {
		return len(t.rows)
	}
	return 0
}

// LocalNumber returns the value that this site has in the auto-increment
// column of a row; NULL when there is no such row or column.
func (db *DB) LocalNumber(name string, key crdt.Key) crdt.Value {
	t := db.tables[name]
	if t == nil || t.auto < 0 || t.rows[key] == nil {
		return crdt.Null
	}
	return t.rows[key].vals[t.auto]
}

// Next returns the number that the next row of a table gets, and how far apart
// such numbers are.
func (db *DB) Next(name string) (next, stride int64) {
	t := db.tables[name]
	return t.next, t.stride
}

// Disconnect rolls back the open transaction, as a server does when its
// client dies.
func (db *DB) Disconnect() {
	if db.open != nil {
		_ = db.open.Rollback()
	}
}

// Busy reports whether a merge.Tx is open, so that App would be refused.
func (db *DB) Busy() bool { return db.open != nil }

// Mark implements merge.Database.
func (db *DB) Mark(context.Context) (merge.Mark, error) { return db.mark, nil }

// Begin implements merge.Database.
func (db *DB) Begin(ctx context.Context) (merge.Tx, error) {
	if db.open != nil {
		return nil, errBusy
	}
	if err := db.fault(ctx, StepBegin); err != nil {
		return nil, err
	}
	db.open = &cut(&db.txs, 1)[0]
	db.open.db = db
	return db.open, nil
}

func (db *DB) fault(ctx context.Context, step Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.config.Fault == nil {
		return nil
	}
	if err := db.config.Fault(step); err != nil {
		return fmt.Errorf("memdb: %s: %w", step, err)
	}
	return nil
}

func (db *DB) table(name string) (*table, error) {
	if t := db.tables[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("memdb: there is no table %s", name)
}

// refusal is why one row cannot be written. It is nil when nothing is wrong.
type refusal struct {
	why    merge.Refusal
	detail string
}

func refuse(why merge.Refusal, format string, args ...any) *refusal {
	return &refusal{why, fmt.Sprintf(format, args...)}
}

func (r *refusal) Error() string { return r.detail }

func (r *refusal) of(key crdt.Key) merge.RowError {
	return merge.RowError{Key: key, Refusal: r.why, Detail: r.detail}
}
