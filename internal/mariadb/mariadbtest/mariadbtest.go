package mariadbtest

import (
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"baraza/internal/mariadb"

	"github.com/go-sql-driver/mysql"
)

var shared struct {
	sync.Mutex
	main   bool
	server *mariadb.Server
	count  int
}

// Main runs the tests and then removes the server that they shared.
func Main(m *testing.M) {
	shared.main = true
	code := m.Run()
	if s := shared.server; s != nil {
		s.Kill()
		_ = os.RemoveAll(s.Dir())
	}
	os.Exit(code)
}

// DB is a fresh database. The embedded handle is root's, one statement or many
// in an Exec, with no session settings of baraza's.
type DB struct {
	*sql.DB
	Name   string
	Server *mariadb.Server
}

// DSN returns the data source name of the database for a user without a
// password.
func (d *DB) DSN(user string) string { return d.Server.DSN(user, d.Name) }

// Must executes statements and fails the test when one fails.
func (d *DB) Must(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.Exec(s); err != nil {
			t.Fatalf("%.300s: %v", s, err)
		}
	}
}

// New returns a fresh database on the server that the tests of this binary
// share. It is dropped when the test ends.
func New(t testing.TB) *DB {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.main {
		t.Fatal("this package needs: func TestMain(m *testing.M) { mariadbtest.Main(m) }")
	}
	if shared.server == nil {
		dir, err := os.MkdirTemp("", "baraza-mariadb-")
		if err != nil {
			t.Fatal(err)
		}
		shared.server = start(t, dir)
	}
	shared.count++
	return fresh(t, shared.server, fmt.Sprintf("app%d", shared.count))
}

// NewOn returns a fresh database on the given server.
func NewOn(t testing.TB, s *mariadb.Server, name string) *DB {
	t.Helper()
	return fresh(t, s, name)
}

// NewServer returns a server for this test alone. It is killed and removed
// when the test ends.
func NewServer(t testing.TB, opts ...mariadb.Option) *mariadb.Server {
	t.Helper()
	s := start(t, t.TempDir(), opts...)
	t.Cleanup(s.Kill)
	return s
}

func start(t testing.TB, dir string, opts ...mariadb.Option) *mariadb.Server {
	t.Helper()
	// Tests kill servers, never the machine: the log need not reach the disk.
	// The packet size is MariaDB's default; MySQL's is larger.
	opts = append([]mariadb.Option{mariadb.WithArgs("--innodb-flush-log-at-trx-commit=2", "--max-allowed-packet=16777216")}, opts...)
	s, err := mariadb.Start(dir, opts...)
	if errors.Is(err, mariadb.ErrNotInstalled) && os.Getenv(mariadb.EnvFlavour) == "" {
		t.Skip(err)
	}
	if err != nil { // a flavour that was asked for must not be skipped
		t.Fatal(err)
	}
	return s
}

func fresh(t testing.TB, s *mariadb.Server, name string) *DB {
	t.Helper()
	root := open(t, s.DSN("root", ""))
	for _, stmt := range []string{"CREATE DATABASE " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"} {
		if _, err := root.Exec(stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
	t.Cleanup(func() {
		defer root.Close()
		if s.PID() == 0 {
			return
		}
		for _, db := range []string{name, "baraza"} {
			// One statement each: the session variable and the drop share a connection.
			if _, err := root.Exec("SET foreign_key_checks=0; DROP DATABASE IF EXISTS " + db); err != nil {
				t.Logf("drop %s: %v", db, err)
			}
		}
	})
	db := open(t, s.DSN("root", name))
	t.Cleanup(func() { db.Close() })
	return &DB{DB: db, Name: name, Server: s}
}

func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MultiStatements = true
	cfg.InterpolateParams = true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}

// Sequence is a derived table with the column seq, which counts from first to
// last, on any server.
func Sequence(first, last int) string {
	expr, from := "0", ""
	for scale, name := 1, 'a'; scale <= last; scale, name = scale*10, name+1 {
		expr += fmt.Sprintf("+%c.n*%d", name, scale)
		if from != "" {
			from += ","
		}
		from += "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5" +
			" UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) " + string(name)
	}
	return fmt.Sprintf("(SELECT %[1]s AS seq FROM %[2]s WHERE %[1]s BETWEEN %[3]d AND %[4]d) counting", expr, from, first, last)
}

// OpenMRS returns the directory of the OpenMRS test data, and skips the test
// when it is not there. It is no part of this project: it is found through the
// environment variable BARAZA_OPENMRS or beside the repository.
func OpenMRS(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("BARAZA_OPENMRS")
	if dir == "" {
		root, err := repository()
		if err != nil {
			t.Skip(err)
		}
		dir = filepath.Join(root, "..", "shared", "openmrs")
	}
	if _, err := os.Stat(filepath.Join(dir, "schema.sql")); err != nil {
		t.Skipf("no OpenMRS test data in %s; set BARAZA_OPENMRS", dir)
	}
	return dir
}

// LoadOpenMRS loads files of the OpenMRS test data, plain or gzipped.
func (d *DB) LoadOpenMRS(t testing.TB, files ...string) {
	t.Helper()
	dir := OpenMRS(t)
	for _, name := range files {
		text, err := readMaybeGzip(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		d.Must(t, text)
	}
}

func readMaybeGzip(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// repository returns the directory of go.mod above the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}
