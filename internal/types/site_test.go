package types

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"baraza/capture"
	"baraza/capture/trigger"
	"baraza/crdt"
	"baraza/internal/mariadb"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/merge/sqldb"
	"baraza/schema"
)

// site is a database on a server of its own, with capture and apply.
type site struct {
	*testing.T
	name   string
	server *mariadb.Server
	app    *sql.DB // an application that does not mind: sql_mode is lax
	own    *sql.DB // as capture
	db     *sqldb.DB
	model  *schema.Model
	tables *sqlrow.Tables
	source *trigger.Source
}

// servers are those of the two turns, made when they are first asked for.
var servers [2]*mariadb.Server

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range servers {
		if s != nil {
			s.Kill()
			_ = os.RemoveAll(s.Dir())
		}
	}
	os.Exit(code)
}

// serverOf returns the server of a turn. Its time zone is one in which the
// clocks are put forward and back.
func serverOf(t *testing.T, turn int) *mariadb.Server {
	t.Helper()
	if servers[turn] != nil {
		return servers[turn]
	}
	if err := mariadb.Turn(turn).Installed(); err != nil {
		t.Skip(err)
	}
	t.Setenv("TZ", []string{"Europe/Berlin", "America/New_York"}[turn])
	dir, err := os.MkdirTemp("", "baraza-types-")
	if err != nil {
		t.Fatal(err)
	}
	servers[turn], err = mariadb.Start(dir, mariadb.WithFlavour(mariadb.Turn(turn)),
		mariadb.WithArgs("--max-allowed-packet=134217728", "--innodb-flush-log-at-trx-commit=2"))
	if err != nil {
		t.Fatal(err)
	}
	return servers[turn]
}

// newSite makes the site with that turn.
func newSite(t *testing.T, turn int, ddl ...string) *site {
	t.Helper()
	server := serverOf(t, turn)
	s := &site{T: t, name: fmt.Sprintf("site %d on %s", turn, server.Flavour()), server: server}
	raw := mariadbtest.NewOn(t, server, "app")
	raw.Must(t, "SET GLOBAL sql_mode='ALLOW_INVALID_DATES'")
	s.app = raw.DB
	s.app.SetMaxOpenConns(1)
	s.exec("SET SESSION sql_mode='ALLOW_INVALID_DATES'", "SET NAMES utf8mb4")
	s.exec(ddl...)
	s.own = s.open(raw.DSN("root"), false)
	var err error
	if s.model, err = schema.Load(t.Context(), s.own, schema.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, p := range schema.Check(s.model) {
		if p.Refused {
			t.Fatal(p)
		}
	}
	if s.tables, err = sqlrow.NewTables(s.model); err != nil {
		t.Fatal(err)
	}
	s.db = sqldb.New(s.open(raw.DSN("root"), true), s.model)
	if err := s.db.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := trigger.Install(t.Context(), s.own, s.model); err != nil {
		t.Fatal(err)
	}
	if s.source, err = trigger.New(t.Context(), s.own, s.model); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) open(dsn string, apply bool) *sql.DB {
	s.Helper()
	db, err := sqlrow.Open(dsn, apply)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { db.Close() })
	return db
}

// exec runs statements as the application, all on one connection.
func (s *site) exec(statements ...string) {
	s.Helper()
	for _, stmt := range statements {
		if _, err := s.app.Exec(stmt); err != nil {
			s.Fatalf("%s: %.200s: %v", s.name, stmt, err)
		}
	}
}

// captured reads and releases the local changes.
func (s *site) captured() []capture.Row {
	s.Helper()
	ctx := context.Background()
	reading, err := s.source.Read(ctx)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = reading.Close() }() // or the database could not be dropped
	var rows []capture.Row
	var ids capture.IDs
	for {
		part, err := reading.Next(ctx, 100)
		if err != nil {
			s.Fatalf("%s: %v", s.name, err)
		}
		if part == nil {
			break
		}
		rows, ids = append(rows, part.Rows...), append(ids, part.IDs...)
	}
	if err := reading.Close(); err != nil {
		s.Fatal(err)
	}
	if err := s.source.Release(ctx, ids); err != nil {
		s.Fatal(err)
	}
	return rows
}

// apply writes changes of another site, one after another, and returns those
// that the server refused.
func (s *site) apply(rows []capture.Row) []merge.RowError {
	s.Helper()
	ctx := context.Background()
	tx, err := s.db.Begin(ctx)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var refused []merge.RowError
	for _, r := range rows {
		def := s.model.Tables[r.Table]
		row := merge.Row{Key: r.Key, Columns: r.Columns, Values: r.Values}
		found, err := tx.Lock(ctx, def, []crdt.Key{r.Key})
		if err != nil {
			s.Fatal(err)
		}
		var bad []merge.RowError
		switch {
		case r.Delete && len(found) > 0:
			bad, err = tx.Delete(ctx, def, []crdt.Key{r.Key})
		case r.Delete:
		case len(found) > 0:
			bad, err = tx.Update(ctx, def, []merge.Row{row})
		default:
			bad, err = tx.Insert(ctx, def, []merge.Row{row})
		}
		if err != nil {
			s.Fatalf("%s: apply %s: %v", s.name, r.Key, err)
		}
		refused = append(refused, bad...)
	}
	if err := tx.Commit(); err != nil {
		s.Fatal(err)
	}
	return refused
}

// carry takes what a captures to b, which must refuse nothing.
func carry(a, b *site) {
	a.Helper()
	rows := a.captured()
	if len(rows) == 0 {
		a.Errorf("%s captured nothing", a.name)
	}
	for _, e := range b.apply(rows) {
		a.Errorf("%s refuses what %s wrote: %v", b.name, a.name, e)
	}
	if rows := b.captured(); len(rows) > 0 {
		a.Errorf("%s captured what it applied: %d rows, the first %s", b.name, len(rows), rows[0].Key)
	}
}

// portable reads a table as capture would.
func (s *site) portable(table string) map[crdt.Key]sqlrow.Row {
	s.Helper()
	t := s.tables.Table(table)
	rows, err := t.Read(context.Background(), s.own, "TRUE")
	if err == nil {
		err = sqlrow.NewRefs().Portable(context.Background(), s.own, t, rows)
	}
	if err != nil {
		s.Fatal(err)
	}
	byKey := make(map[crdt.Key]sqlrow.Row, len(rows))
	for _, r := range rows {
		byKey[r.Key] = r
	}
	return byKey
}

// shown reads one column as the server itself shows its bits, by id.
func (s *site) shown(typ Type) map[int]string {
	s.Helper()
	rows, err := s.own.Query("SELECT id, " + bits(typ) + " FROM w WHERE " + typ.Name + " IS NOT NULL")
	if err != nil {
		s.Fatal(err)
	}
	defer rows.Close()
	values := make(map[int]string)
	for rows.Next() {
		var id int
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			s.Fatal(err)
		}
		values[id] = same(typ, text)
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	return values
}

// bits is an expression that is equal for equal bits only, made by the server
// and without this project's own reading of values.
func bits(t Type) string {
	is := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(t.SQL, n) })
	}
	switch {
	case is("FLOAT", "DOUBLE"):
		return t.Name + "*1e0"
	case is("BIT", "GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTI", "VECTOR", "BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"):
		return "HEX(" + t.Name + ")"
	case is("JSON", "UUID", "INET"):
		return "CAST(" + t.Name + " AS CHAR)"
	}
	return "HEX(CAST(" + t.Name + " AS BINARY))"
}

// same undoes what servers may show in different ways.
func same(t Type, text string) string {
	switch {
	case strings.HasPrefix(t.SQL, "FLOAT"), strings.HasPrefix(t.SQL, "DOUBLE"):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err.Error()
		}
		return strconv.FormatFloat(f, 'x', -1, 64)
	case t.SQL == "JSON":
		return string(crdt.Tagged(crdt.TagJSON, text).Canonical())
	}
	return text
}
