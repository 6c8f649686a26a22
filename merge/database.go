package merge

import (
	"context"
	"errors"

	"baraza/capture"
	"baraza/crdt"
	"baraza/schema"
)

// Database is one site's database as the merge sees it: rows in portable form
// (references as keys, no local numbers). It is used by one goroutine.
type Database interface {
	// Begin starts a transaction whose writes capture does not see.
	Begin(ctx context.Context) (Tx, error)
	// Mark returns the mark that the last committed transaction gave to
	// Tx.SetMark; the zero Mark when there was none. It waits for transactions
	// that have set a mark and are still under way, as one of a process that was
	// killed; so the caller has none.
	Mark(ctx context.Context) (Mark, error)
}

// Mark is what the last transaction of ours left in the database. It tells two
// things: how far the database is, and whether it is still the one that we
// left, or was put back from a backup.
type Mark struct {
	// Number goes up by one with every transaction.
	Number uint64
	// Boot counts the starts of the site, and Nonce is a random number of that
	// start: two databases that went on from the same backup have different
	// ones.
	Boot, Nonce uint64
}

// Next is the mark of the next transaction of the same start.
func (m Mark) Next() Mark { m.Number++; return m }

// ErrSetBack says that the database has not the mark that we left in it: it
// was restored from a backup, or somebody else works on it.
var ErrSetBack = errors.New("the database is not as baraza left it")

// Tx is one transaction. After an error that is not a RowError the caller
// rolls back. ErrRetry means that the same work may succeed when tried again
// from Begin (deadlock, lock wait, a row that appeared meanwhile).
type Tx interface {
	// Lock finds the rows with these keys, locks them until the end and
	// returns them, every shipped column in the order of t.Shipped(). Keys that
	// name no row are absent from the result; the order is not defined.
	// A reference that cannot be translated reads as NULL.
	Lock(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]Row, error)
	// Resolve tells for each key whether it names a row of t, and keeps the
	// rows found from being deleted until the end. t need not be replicated.
	// Rows inserted earlier in this transaction are found.
	Resolve(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]bool, error)
	// Referrers returns the rows that refer to rows of parent with these keys,
	// as they are now, without locking them: ErrTooMany if there are more than
	// limit. Rows that cannot be named have no key.
	Referrers(ctx context.Context, parent *schema.Table, by *schema.Referrer, keys []crdt.Key, limit int) ([]Link, error)
	// Holders returns the other rows of t that have the row's values in a unique
	// index, without locking them. Indexes in which the row has a NULL, or a
	// reference to a row that is not there, are left out.
	Holders(ctx context.Context, t *schema.Table, row Row) ([]Holder, error)
	// Insert adds rows that Lock did not find. Columns missing from a row get
	// the database's default. References must resolve. Rows that the
	// database refuses are returned as errors; the others are in.
	Insert(ctx context.Context, t *schema.Table, rows []Row) ([]RowError, error)
	// Update writes rows that Lock found: the columns listed in each row,
	// and no others. Refused rows are returned and stay as they were.
	Update(ctx context.Context, t *schema.Table, rows []Row) ([]RowError, error)
	// Delete removes rows that Lock found. Refused rows are returned and stay.
	Delete(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]RowError, error)
	// Release removes captured log rows in this transaction.
	Release(ctx context.Context, ids capture.IDs) error
	// SetMark stores the mark of this transaction, see Database.Mark. Unless
	// the database has the mark before, that is ErrSetBack. Both may be equal.
	SetMark(ctx context.Context, before, after Mark) error
	// Commit ends the transaction. After an error the caller asks
	// Database.Mark on a new connection whether it was committed.
	Commit() error
	Rollback() error
}

// Behind is a Tx of a database that works on several transactions at a time: it
// can insert while the caller goes on.
type Behind interface {
	Tx
	// InsertBehind begins to insert rows, as Insert does, and to commit, and
	// returns. The transaction ends by itself; the caller leaves it and the rows
	// alone. wait returns when it has ended: nil when all rows are in. After
	// ErrRefused or ErrRetry none is; after another error the caller cannot tell.
	InsertBehind(ctx context.Context, t *schema.Table, rows []Row) (wait func() error)
}

// ErrRefused says: the database refused some of the rows.
var ErrRefused = errors.New("the database refused rows")

// Row is a row in portable form. Rows of one shape may share the Columns
// slice: read it only.
type Row struct {
	Key     crdt.Key
	Columns []string
	Values  []crdt.Value
}

// shows reports whether a column has a value.
func (r *Row) shows(column string, v crdt.Value) bool {
	i := find(r.Columns, column)
	return i >= 0 && r.Values[i] == v
}

// Link is a row that refers to another.
type Link struct{ Parent, Child crdt.Key }

// Holder is a row that has a unique value: Index counts schema.Table.Unique. A
// row that cannot be named has no key.
type Holder struct {
	Index int
	Key   crdt.Key
}

// ErrTooMany says: there are more rows than asked for.
var ErrTooMany = errors.New("too many rows")

// ErrRetry says: try the transaction again from Begin, perhaps with fewer rows.
var ErrRetry = errors.New("the database asks to try the transaction again")

// ErrSchemaChanged says: a table or a column of the model is not there any more.
// Read the tables again.
var ErrSchemaChanged = errors.New("the schema changed; load it again")

// Refusal is why a database refuses a row.
type Refusal uint8

// The refusals.
const (
	// RefusedDuplicate: another row has the value in a unique index.
	RefusedDuplicate Refusal = iota + 1
	// RefusedReference: a referenced row is missing, or a row that is to be
	// deleted is still referred to.
	RefusedReference
	// RefusedValue: a value does not fit its column, or anything else that is
	// wrong with this row alone.
	RefusedValue
)

// RowError is one row that the database refused, with its own words.
type RowError struct {
	Key     crdt.Key
	Refusal Refusal
	Detail  string
}

func (e RowError) Error() string { return e.Detail }
