package mariadb_test

import (
	"database/sql"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"baraza/internal/mariadb"
	"baraza/internal/mariadb/mariadbtest"

	_ "github.com/go-sql-driver/mysql"
)

// A server killed and restarted has what was committed, on the same port.
func TestKillAndRestart(t *testing.T) {
	s := mariadbtest.NewServer(t, mariadb.WithBinlog(), mariadb.WithArgs("--max-connections=17"))
	db, err := sql.Open("mysql", s.DSN("root", "test1"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	root, err := sql.Open("mysql", s.DSN("root", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := root.Exec("CREATE DATABASE test1"); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"CREATE TABLE t (a INT PRIMARY KEY)", "INSERT INTO t VALUES (41)"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	port, pid := s.Port(), s.PID()
	s.Kill()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("process %d after Kill: %v", pid, err)
	}
	if _, err := db.Exec("INSERT INTO t VALUES (42)"); err == nil {
		t.Fatal("a killed server took a write")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.Port() != port {
		t.Errorf("port %d became %d", port, s.Port())
	}
	var a, connections int
	var binlog bool
	row := db.QueryRow("SELECT a, @@log_bin, @@max_connections FROM t")
	if err := row.Scan(&a, &binlog, &connections); err != nil {
		t.Fatal(err)
	}
	if a != 41 || !binlog || connections != 17 {
		t.Errorf("a=%d log_bin=%v max_connections=%d", a, binlog, connections)
	}
	s.Stop()
	s.Stop() // nothing left to stop
}

// What keeps a server from starting is in the error.
func TestStartError(t *testing.T) {
	if err := mariadb.Installed(); err != nil {
		t.Skip(err)
	}
	began := time.Now()
	s, err := mariadb.Start(t.TempDir(), mariadb.WithArgs("--no-such-option"))
	if err == nil {
		s.Kill()
		t.Fatal("started with an unknown option")
	}
	t.Logf("after %v: %v", time.Since(began), err)
}

func TestNotInstalled(t *testing.T) {
	if _, err := os.Stat("/usr/sbin/mariadbd"); err == nil {
		t.Skip("MariaDB is where it is always found")
	}
	t.Setenv("PATH", "")
	if _, err := mariadb.Start(t.TempDir()); !errors.Is(err, mariadb.ErrNotInstalled) {
		t.Fatal(err)
	}
}
