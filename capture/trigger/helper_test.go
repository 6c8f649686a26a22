package trigger

import (
	"context"
	"database/sql"
	"fmt"
	"sort"
	"strings"
	"testing"

	"baraza/capture"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/internal/sqlrow"
	"baraza/schema"
)

func TestMain(m *testing.M) { mariadbtest.Main(m) }

var ctx = context.Background()

// site is a database with triggers and a source.
type site struct {
	*mariadbtest.DB
	t     testing.TB
	opts  schema.Options
	own   *sql.DB // as baraza
	model *schema.Model
	src   *Source
}

func newSite(t testing.TB, opts schema.Options, tables ...string) *site {
	t.Helper()
	return newSiteOn(t, mariadbtest.New(t), opts, tables...)
}

func newSiteOn(t testing.TB, db *mariadbtest.DB, opts schema.Options, tables ...string) *site {
	t.Helper()
	s := &site{DB: db, t: t, opts: opts}
	s.Must(t, tables...)
	s.own = s.open("root", false)
	s.install()
	return s
}

func (s *site) open(user string, apply bool) *sql.DB {
	s.t.Helper()
	db, err := sqlrow.Open(s.DSN(user), apply)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	return db
}

// install loads the model and makes what it needs.
func (s *site) install() {
	s.t.Helper()
	var err error
	if s.model, err = schema.Load(ctx, s.own, s.opts); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range schema.Check(s.model) {
		if p.Refused {
			s.t.Fatal(p)
		}
	}
	if err := Install(ctx, s.own, s.model); err != nil {
		s.t.Fatal(err)
	}
	if s.src, err = New(ctx, s.own, s.model); err != nil {
		s.t.Fatal(err)
	}
}

// read returns everything in one view, and releases it.
func (s *site) read() []capture.Row {
	s.t.Helper()
	rows, ids, err := s.readParts(1000)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.src.Release(ctx, ids); err != nil {
		s.t.Fatal(err)
	}
	return rows
}

func (s *site) readParts(limit int) (rows []capture.Row, ids capture.IDs, err error) {
	r, err := s.src.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		part, err := r.Next(ctx, limit)
		if err != nil || part == nil {
			return rows, ids, err
		}
		rows = append(rows, part.Rows...)
		ids = append(ids, part.IDs...)
	}
}

// show prints rows without their times, sorted.
func show(rows []capture.Row) string {
	var lines []string
	for _, r := range rows {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s", r.Table, r.Key)
		if r.Delete {
			b.WriteString(" deleted")
		}
		for i, c := range r.Columns {
			fmt.Fprintf(&b, " %s=%s", c, r.Values[i])
		}
		lines = append(lines, b.String())
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// expect reads and compares.
func (s *site) expect(what string, want ...string) {
	s.t.Helper()
	got := show(s.read())
	sort.Strings(want)
	if w := strings.Join(want, "\n"); got != w {
		s.t.Errorf("%s:\ngot\n%s\nwant\n%s", what, got, w)
	}
}

func (s *site) count(query string) (n int) {
	s.t.Helper()
	if err := s.QueryRow(query).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// clean checks that nothing is left after everything was released.
func (s *site) clean() {
	s.t.Helper()
	if n := s.count("SELECT COUNT(*) FROM baraza.log"); n != 0 {
		s.t.Errorf("%d log rows are left", n)
	}
	generations, err := loadGenerations(ctx, s.own)
	if err != nil {
		s.t.Fatal(err)
	}
	for id := range generations {
		if n := s.count("SELECT COUNT(*) FROM baraza." + goneTable(id)); n != 0 {
			s.t.Errorf("%d deleted rows are left in %s", n, goneTable(id))
		}
	}
}
