package merge

import (
	"context"

	"baraza/schema"
)

// Scanner opens views of whole tables, beside the one connection that the
// merge works on.
type Scanner interface {
	// Scan opens a consistent view of everything committed up to now. Several
	// may be open at a time. The caller closes it.
	Scan(ctx context.Context) (Scan, error)
}

// Scan is one consistent view of the database. It is used by one goroutine at
// a time, not necessarily the one that opened it.
type Scan interface {
	// Count returns about how many rows a table has.
	Count(ctx context.Context, t *schema.Table) (int64, error)
	// Rows calls each with all rows of a table in portable form, every shipped
	// column in the order of t.Shipped(), some rows at a time, until it returns
	// an error. The rows are the callee's to keep; they may share the Columns
	// slice. Rows that cannot be named are left out.
	Rows(ctx context.Context, t *schema.Table, each func([]Row) error) error
	Close() error
}
