package sqldb

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"testing"

	"baraza/capture/trigger"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
	"baraza/schema"
)

func TestMain(m *testing.M) { mariadbtest.Main(m) }

// site is a fresh database with the suite's tables.
type site struct {
	*DB
	raw   *mariadbtest.DB
	model *schema.Model
}

func options() schema.Options {
	return schema.Options{Exclude: []string{"concept", "paper", "stamp0", "stamp1"}, References: map[string]string{"obs.concept_id": "concept.concept_id"}}
}

func newSite(t testing.TB, ddl ...string) *site {
	t.Helper()
	s := &site{raw: mariadbtest.New(t)}
	s.raw.Must(t, ddl...)
	var err error
	if s.model, err = schema.Load(t.Context(), s.raw, options()); err != nil {
		t.Fatal(err)
	}
	s.DB = New(open(t, s, true), s.model)
	for range 2 { // again is no error
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func open(t testing.TB, s *site, apply bool) *sql.DB {
	t.Helper()
	pool, err := sqlrow.Open(s.raw.DSN("root"), apply)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// application is a DB whose writes are not baraza's.
func (s *site) application(t testing.TB) *DB {
	t.Helper()
	db := New(open(t, s, true), s.model)
	db.pool.SetMaxOpenConns(1)
	if _, err := db.pool.Exec("SET @baraza_apply=NULL"); err != nil {
		t.Fatal(err)
	}
	return db
}

// write runs statements in one transaction: all or none.
func (db *DB) write(ctx context.Context, model *schema.Model, writes ...memdb.Write) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, w := range writes {
		var refused []merge.RowError
		def := model.Tables[w.Table]
		switch w.Kind {
		case memdb.Insert:
			refused, err = tx.Insert(ctx, def, []merge.Row{w.Row})
		case memdb.Update:
			refused, err = tx.Update(ctx, def, []merge.Row{w.Row})
		case memdb.Delete:
			refused, err = tx.Delete(ctx, def, keysOf([]merge.Row{w.Row}, []int{0}))
		}
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			return refused[0]
		}
	}
	return tx.Commit()
}

// rows returns what is committed of a table.
func (s *site) rows(t testing.TB, table string) []merge.Row {
	t.Helper()
	st := s.tables.Table(table)
	found, err := st.Read(t.Context(), s.pool, "1=1")
	if err == nil {
		err = sqlrow.NewRefs().Portable(t.Context(), s.pool, st, found)
	}
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]merge.Row, len(found))
	for i, r := range found {
		rows[i] = merge.Row{Key: r.Key, Columns: st.Columns, Values: r.Values}
	}
	slices.SortFunc(rows, func(a, b merge.Row) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return rows
}

func TestConformance(t *testing.T) {
	dbtest.Run(t, func(t *testing.T) dbtest.Harness {
		s := newSite(t, dbtest.DDL...)
		app, plain := s.application(t), open(t, s, false)
		if err := trigger.Install(t.Context(), plain, s.model); err != nil {
			t.Fatal(err)
		}
		source, err := trigger.New(t.Context(), plain, s.model)
		if err != nil {
			t.Fatal(err)
		}
		return dbtest.Harness{
			Model: s.model, DB: s.DB, Source: source, ShortChains: s.raw.Server.Flavour().IsMySQL(),
			App:  func(writes ...memdb.Write) error { return app.write(t.Context(), s.model, writes...) },
			Rows: func(table string) []merge.Row { return s.rows(t, table) },
		}
	})
}
