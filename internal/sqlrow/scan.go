package sqlrow

import (
	"context"
	"database/sql"
	"strings"

	"baraza/crdt"
)

// Queryer is a database, a connection or a transaction.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// slabRows is how many rows' values share one allocation.
const slabRows = 64

// Scanner reads result rows whose fields are the Exprs of columns.
type Scanner struct {
	cells []cell
	dest  []any
	row   []byte // the values of one row, one after another
	slab  []crdt.Value
}

// cell takes one field straight from the driver, without a copy in between.
type cell struct {
	s   *Scanner
	col *Column
	end int
}

// Scan implements sql.Scanner.
func (c *cell) Scan(src any) (err error) {
	c.s.row, err = c.col.appendValue(c.s.row, src)
	c.end = len(c.s.row)
	return err
}

// NewScanner returns a reader of rows with these columns.
func NewScanner(columns []Column) *Scanner {
	s := &Scanner{cells: make([]cell, len(columns)), dest: make([]any, len(columns))}
	for i := range columns {
		s.cells[i] = cell{s: s, col: &columns[i]}
		s.dest[i] = &s.cells[i]
	}
	return s
}

// Scan reads the current row. The slice is the caller's.
func (s *Scanner) Scan(rows *sql.Rows) ([]crdt.Value, error) {
	s.row = s.row[:0]
	if err := rows.Scan(s.dest...); err != nil {
		return nil, err
	}
	n := len(s.cells)
	if len(s.slab) < n {
		s.slab = make([]crdt.Value, n*slabRows)
	}
	values := s.slab[:n:n]
	s.slab = s.slab[n:]
	text, start := crdt.Value(s.row), 0
	for i := range s.cells {
		end := s.cells[i].end
		values[i] = text[start:end]
		start = end
	}
	return values, nil
}

// Each runs a query whose fields are the columns' Exprs and calls row for every
// row of the answer.
func Each(ctx context.Context, q Queryer, query string, columns []Column, row func([]crdt.Value)) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	s := NewScanner(columns)
	for rows.Next() {
		values, err := s.Scan(rows)
		if err != nil {
			return err
		}
		row(values)
	}
	return rows.Err()
}

// SelectList returns the columns' Exprs, separated by commas.
func SelectList(columns []Column) string {
	exprs := make([]string, len(columns))
	for i := range columns {
		exprs[i] = columns[i].Expr
	}
	return strings.Join(exprs, ",")
}
