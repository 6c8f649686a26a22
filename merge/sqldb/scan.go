package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

const (
	// scanRows is how many rows a scan reads at a time.
	scanRows = 1000
	// refsPages is how many pages share what was looked up of the rows that
	// they refer to; then it is forgotten, so that memory stays bounded.
	refsPages = 50
)

// Scanner is merge.Scanner: it reads whole tables, each scan on a connection
// of its own.
type Scanner struct {
	pool   *sql.DB
	tables *sqlrow.Tables
	bad    error
}

// NewScanner returns the scanner of a database. The pool comes from
// sqlrow.Open.
func NewScanner(pool *sql.DB, model *schema.Model) *Scanner {
	tables, err := sqlrow.NewTables(model)
	return &Scanner{pool: pool, tables: tables, bad: err}
}

// Scan implements merge.Scanner.
func (s *Scanner) Scan(ctx context.Context) (merge.Scan, error) {
	if s.bad != nil {
		return nil, s.bad
	}
	// The view outlives the call, and ctx may not.
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return nil, wrap(err, "connect for a scan")
	}
	for _, q := range []string{
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			_ = conn.Close()
			return nil, wrap(err, "open a view of the database")
		}
	}
	return &scan{conn: conn, tables: s.tables, refs: sqlrow.NewRefs()}, nil
}

type scan struct {
	conn   *sql.Conn
	tables *sqlrow.Tables
	refs   *sqlrow.Refs
}

// Close implements merge.Scan.
func (s *scan) Close() error {
	_, err := s.conn.ExecContext(context.Background(), "ROLLBACK")
	if e := s.conn.Close(); err == nil {
		err = e
	}
	return wrap(err, "close a view of the database")
}

// Count implements merge.Scan with the server's own estimate.
func (s *scan) Count(ctx context.Context, t *schema.Table) (n int64, err error) {
	err = s.conn.QueryRowContext(ctx, `SELECT COALESCE(TABLE_ROWS, 0) FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?`, t.Name).Scan(&n)
	return n, wrap(err, "count the rows of table "+t.Name)
}

// Rows implements merge.Scan: page by page in the order of the primary key.
func (s *scan) Rows(ctx context.Context, def *schema.Table, each func([]merge.Row) error) error {
	t := s.tables.Table(def.Name)
	if t == nil {
		return fmt.Errorf("table %s is not in the model", def.Name)
	}
	where := "1"
	for page := 1; ; page++ {
		if page%refsPages == 0 {
			s.refs = sqlrow.NewRefs()
		}
		rows, err := t.Read(ctx, s.conn, where+pageEnd(t))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
		if where, err = after(t, rows[len(rows)-1].PK); err != nil {
			return err
		}
		last := len(rows) < scanRows
		if err := s.refs.Portable(ctx, s.conn, t, rows); err != nil {
			return err
		}
		out := make([]merge.Row, 0, len(rows))
		for i := range rows {
			if rows[i].Key != "" {
				out = append(out, merge.Row{Key: rows[i].Key, Columns: t.Columns, Values: rows[i].Values})
			}
		}
		if err := each(out); err != nil || last {
			return err
		}
	}
}

func pageEnd(t *sqlrow.Table) string {
	var b strings.Builder
	b.WriteString(" ORDER BY ")
	for i, c := range t.PrimaryKey() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(sqlrow.QuoteName(c.Name))
	}
	return fmt.Sprintf("%s LIMIT %d", b.String(), scanRows)
}

// after is the condition for rows behind a primary key. For (a, b) it reads
// a >= x AND (a > x OR (a = x AND b > y)): the server finds the start of a page
// by the first part.
func after(t *sqlrow.Table, pk []crdt.Value) (string, error) {
	columns := t.PrimaryKey()
	literals := make([]string, len(columns))
	for i := range columns {
		b, err := sqlrow.AppendLiteral(nil, pk[i])
		if err != nil {
			return "", fmt.Errorf("table %s: %w", t.Def.Name, err)
		}
		literals[i] = string(b)
	}
	name := func(i int) string { return sqlrow.QuoteName(columns[i].Name) }
	last := len(columns) - 1
	behind := name(last) + " > " + literals[last]
	for i := last - 1; i >= 0; i-- {
		behind = fmt.Sprintf("(%s > %s OR (%s = %s AND %s))", name(i), literals[i], name(i), literals[i], behind)
	}
	return fmt.Sprintf("%s >= %s AND %s", name(0), literals[0], behind), nil
}
