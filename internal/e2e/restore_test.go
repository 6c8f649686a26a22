package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRestored: what becomes of a site whose database, data directory or both
// come from a backup or are gone. Each part leaves a network that works.
func TestRestored(t *testing.T) {
	sites := threeSites(t)
	for i := range 6 {
		sites[0].exec("INSERT INTO person (uuid, name) VALUES (?, ?)", uuidOf(i), fmt.Sprint("person ", i))
	}
	quiet(t, 30*time.Second, sites...)
	a, b, c := sites[0], sites[1], sites[2]
	t.Run("database while baraza runs", func(t *testing.T) { testDatabaseSetBack(t, 1, true, a, b, c) })
	t.Run("database while baraza is down", func(t *testing.T) { testDatabaseSetBack(t, 2, false, a, b, c) })
	t.Run("data directory lost", func(t *testing.T) { testStoreLost(t, a, b, c) })
	t.Run("both", func(t *testing.T) { testBothSetBack(t, a, b, c) })
	t.Run("copied image", func(t *testing.T) { testCopied(t, a, b, c) })
}

const people = "SELECT uuid, name, notes FROM person ORDER BY uuid"

// copyServer copies the files of the site's server while it is down.
func (s *site) copyServer(to string) {
	s.t.Helper()
	s.server.Stop()
	if err := os.RemoveAll(to); err != nil {
		s.t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(s.serverData())); err != nil {
		s.t.Fatal(err)
	}
	if err := s.server.Restart(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) serverData() string { return filepath.Join(filepath.Dir(s.dir), "server", "data") }

// restoreServer puts the files of a backup in place of the server's.
func (s *site) restoreServer(from string) {
	s.t.Helper()
	s.server.Kill()
	if err := os.RemoveAll(s.serverData()); err != nil {
		s.t.Fatal(err)
	}
	if err := os.CopyFS(s.serverData(), os.DirFS(from)); err != nil {
		s.t.Fatal(err)
	}
	if err := s.server.Restart(); err != nil {
		s.t.Fatal(err)
	}
}

// testDatabaseSetBack: the database of b comes from a backup. Nothing old is
// sent, what was missed comes back, and what was written after the restore is
// news.
func testDatabaseSetBack(t *testing.T, round int, running bool, a, b, c *site) {
	all := []*site{a, b, c}
	backup := filepath.Join(t.TempDir(), "backup")
	b.copyServer(backup)
	b.running()
	mark := fmt.Sprint("r", round)
	b.exec("UPDATE person SET name = ? WHERE uuid = ?", mark+" by b", uuidOf(1))
	b.exec("INSERT INTO person (uuid, name) VALUES (?, ?)", uuidOf(10*round+1), mark+" only b")
	a.exec("UPDATE person SET name = ? WHERE uuid = ?", mark+" by a", uuidOf(2))
	a.exec("DELETE FROM person WHERE uuid = ?", uuidOf(2+round))
	quiet(t, 30*time.Second, all...)
	want := same(t, 10*time.Second, people, all...)
	before, err := a.status()
	if err != nil {
		t.Fatal(err)
	}
	if !running {
		b.kill()
	}
	b.restoreServer(backup)
	b.exec("UPDATE person SET notes = ? WHERE uuid = ?", mark+" news", uuidOf(5))
	if !running {
		b.run()
	}
	news := strings.Replace(want, "person 5\t"+map[int]string{1: "NULL", 2: "r1 news"}[round], "person 5\t"+mark+" news", 1)
	eventually(t, 60*time.Second, "the missed changes are back", func() error {
		for _, s := range all {
			got, err := s.tryRows(people)
			if err != nil {
				return fmt.Errorf("site %s: %w", s.name, err)
			}
			if got != news {
				return fmt.Errorf("site %s:\n%swant\n%s", s.name, got, news)
			}
		}
		return nil
	})
	b.running()
	quiet(t, 30*time.Second, all...)
	after, err := a.status()
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range after.Vector {
		// One of the write, and one in which a site says what it has applied.
		if n > before.Vector[id]+2 {
			t.Errorf("site %s made %d batches of one write after the restore", id, n-before.Vector[id])
		}
	}
	if !strings.Contains(b.log.String(), "restored from an older backup") {
		t.Error("the log does not say that the database was restored")
	}
}

// testStoreLost: the data directory of b is gone. The database joins again
// under a new identity; a write that was not captured yet is not lost.
func testStoreLost(t *testing.T, a, b, c *site) {
	old, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	b.kill()
	if out, _, _ := baraza(t, "doctor", "--dsn", b.dsn()); !strings.Contains(out, old.ID+", which does not run") {
		t.Errorf("the doctor does not say whose database it is:\n%s", out)
	}
	b.exec("UPDATE person SET notes = 'not captured' WHERE uuid = ?", uuidOf(1))
	a.exec("UPDATE person SET notes = 'meanwhile' WHERE uuid = ?", uuidOf(2))
	if err := os.RemoveAll(filepath.Join(b.dir, "store")); err != nil {
		t.Fatal(err)
	}
	_, errs, code := baraza(t, "run", "--data", b.dir)
	if code != 2 || !strings.Contains(errs, "join again") {
		t.Errorf("run without the store: exit %d: %s", code, errs)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	_, errs, code = baraza(t, "run", "--data", b.dir)
	if code != 2 || !strings.Contains(errs, "baraza join") {
		t.Errorf("run without a data directory: exit %d: %s", code, errs)
	}
	_, errs, code = baraza(t, append([]string{"init"}, b.setup()...)...)
	if code != 2 || !strings.Contains(errs, "baraza invite") {
		t.Errorf("init over the database of a site: exit %d: %s", code, errs)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.comeBack(a, old.ID)
	quiet(t, 30*time.Second, a, b, c)
	same(t, 20*time.Second, people, a, b, c)
	if got := a.value("SELECT notes FROM person WHERE uuid = ?", uuidOf(1)); got != "not captured" {
		t.Errorf("notes are %q", got)
	}
}

// comeBack joins with a new directory, as the README says.
func (s *site) comeBack(at *site, oldID string) {
	s.t.Helper()
	at.must("peers", "forget", oldID, "--data", at.dir)
	s.join(at)
	s.run()
	s.running()
}

// testBothSetBack: server and data directory of b come from the same backup,
// as after a disk image of last week. The others have entries of b that it
// does not know of: it must not go on under its identity.
func testBothSetBack(t *testing.T, a, b, c *site) {
	image := t.TempDir()
	old, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	b.stop()
	b.copyServer(filepath.Join(image, "server"))
	if err := os.CopyFS(filepath.Join(image, "site"), os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	b.run()
	b.running()
	b.exec("UPDATE person SET notes = 'after the image' WHERE uuid = ?", uuidOf(1))
	quiet(t, 30*time.Second, a, b, c)
	b.kill()
	b.restoreServer(filepath.Join(image, "server"))
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	if err := copyPrivate(b.dir, filepath.Join(image, "site")); err != nil {
		t.Fatal(err)
	}
	b.exec("INSERT INTO person (uuid, name) VALUES (?, 'news after the image')", uuidOf(77))
	b.run()
	select {
	case <-b.exited:
	case <-time.After(30 * time.Second):
		t.Fatal("a site that was set back goes on")
	}
	if code := b.proc.ProcessState.ExitCode(); code != 2 || !strings.Contains(b.log.String(), "restored from a backup, or is a copy") {
		t.Errorf("it stopped with exit code %d", code)
	}
	b.proc = nil
	if _, errs, code := baraza(t, "run", "--data", b.dir); code != 2 || !strings.Contains(errs, "join again") {
		t.Errorf("it runs again: exit %d: %s", code, errs)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.comeBack(a, old.ID)
	quiet(t, 30*time.Second, a, b, c)
	same(t, 20*time.Second, people, a, b, c)
	for uuid, want := range map[string]string{uuidOf(1): "after the image"} {
		if got := b.value("SELECT notes FROM person WHERE uuid = ?", uuid); got != want {
			t.Errorf("notes are %q, want %q", got, want)
		}
	}
	if got := c.value("SELECT COUNT(*) FROM person WHERE uuid = ?", uuidOf(77)); got != "1" {
		t.Error("a write after the restore is lost")
	}
}

// testCopied: a copy of b's disk, taken while b runs, is started while b runs.
// The copy stops and says why; b goes on.
func testCopied(t *testing.T, a, b, c *site) {
	twin := newSite(t, "twin")
	files := filepath.Join(t.TempDir(), "server")
	b.copyServer(files)
	b.running()
	twin.restoreServer(files)
	twin.actAs("root")
	if err := copyPrivate(twin.dir, b.dir); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(twin.dir, "baraza.yaml")
	text, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.NewReplacer(b.listen, twin.listen, b.dsn(), twin.dsn()).Replace(string(text))
	if moved == string(text) {
		t.Fatalf("the settings do not name %s:\n%s", b.listen, text)
	}
	if err := os.WriteFile(settings, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	twin.run()
	select {
	case <-twin.exited:
	case <-time.After(20 * time.Second):
		t.Fatal("a copy of a site runs on beside it")
	}
	if code := twin.proc.ProcessState.ExitCode(); code != 2 || !strings.Contains(twin.log.String(), "is a copy of a site that runs elsewhere") {
		t.Errorf("the copy stopped with exit code %d", code)
	}
	twin.proc = nil
	b.exec("UPDATE person SET notes = 'b goes on' WHERE uuid = ?", uuidOf(5))
	quiet(t, 30*time.Second, a, b, c)
	same(t, 20*time.Second, people, a, b, c)
	if got := c.value("SELECT notes FROM person WHERE uuid = ?", uuidOf(5)); got != "b goes on" {
		t.Errorf("notes are %q", got)
	}
}

// copyPrivate copies a data directory, whose settings nobody else may read.
func copyPrivate(to, from string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case d.IsDir():
			return os.MkdirAll(at, 0o700)
		case !d.Type().IsRegular(): // its socket
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o600)
	})
}
