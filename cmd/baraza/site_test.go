package main

import (
	"bytes"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"baraza/internal/mariadb/mariadbtest"
)

const upWithin = 2 * time.Minute

// start runs a site and waits until it answers.
func start(t *testing.T, dir string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(binary, "run", "--data", dir)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for end := time.Now().Add(upWithin); ; time.Sleep(50 * time.Millisecond) {
		if r := baraza(t, "conflicts", "list", "--data", dir); r.code == exitDone {
			return cmd, &log
		} else if time.Now().After(end) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("the site is not up: %s\n%s", r.errOut, log.String())
		}
	}
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The life of a site: doctor, init, run, questions, a second process, SIGTERM.
func TestLifeOfASite(t *testing.T) {
	server := mariadbtest.NewServer(t)
	db := mariadbtest.NewOn(t, server, "clinic")
	db.Must(t, "CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50))",
		"CREATE TABLE scratch (id INT AUTO_INCREMENT PRIMARY KEY, a INT)",
		"CREATE USER 'baraza'@'%' IDENTIFIED BY 's3cret-Pass'")
	dsn := strings.Replace(db.DSN("baraza"), "baraza@", "baraza:s3cret-Pass@", 1)
	dir := filepath.Join(t.TempDir(), "site")

	// What the doctor asks for is all that a site's life needs.
	for line := range strings.Lines(baraza(t, "doctor", "--dsn", dsn).out) {
		if _, statement, ok := strings.Cut(line, "-> GRANT "); ok {
			db.Must(t, "GRANT "+statement)
		}
	}
	if r := baraza(t, "doctor", "--dsn", dsn); r.code != exitNo || r.errOut != "" || !strings.Contains(r.out, "problem  scratch") {
		t.Fatalf("doctor: exit %d: %s%s", r.code, r.out, r.errOut)
	}
	baraza(t, "doctor", "--dsn", dsn, "--exclude", "scratch").works(t)
	init := []string{"init", "--data", dir, "--dsn", dsn, "--name", "Kisumu", "--listen", freeAddress(t)}
	if r := baraza(t, init...); r.code != exitNo || !strings.Contains(r.errOut, "table scratch: refused") || strings.Contains(r.errOut, "s3cret") {
		t.Fatalf("init with a table that cannot be: exit %d: %s", r.code, r.errOut)
	}
	out := baraza(t, append(init, "--exclude", "scratch")...).works(t)
	if !strings.Contains(out, "fingerprint") || !strings.Contains(out, "baraza run --data "+dir) {
		t.Errorf("init: %s", out)
	}
	if r := baraza(t, append(init, "--exclude", "scratch")...); r.code != exitCannot || strings.Count(r.errOut, "\n") != 1 {
		t.Errorf("init again: exit %d: %s", r.code, r.errOut)
	}
	baraza(t, "doctor", "--data", dir).works(t)

	cmd, log := start(t, dir)
	if out := baraza(t, "status", "--data", dir).works(t); !strings.Contains(out, "site      Kisumu") {
		t.Errorf("status: %s", out)
	}
	baraza(t, "conflicts", "show", "nope", "--data", dir).fails(t, exitNo, "no conflict")
	baraza(t, "peers", "forget", "nobody", "--data", dir).fails(t, exitNo, "nobody")
	baraza(t, "run", "--data", dir).fails(t, exitCannot, "in use by the baraza process")

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log)
	}
	baraza(t, "status", "--data", dir).fails(t, exitCannot, "no site is running")
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log has the password: %s", log)
	}

	baraza(t, "tables", "remove", "--all", "--dsn", dsn).works(t)
	var left int
	if err := db.QueryRow("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = 'clinic'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d triggers are left, %v", left, err)
	}
}
