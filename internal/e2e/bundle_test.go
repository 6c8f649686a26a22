package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBundles: two sites that have no line once the second has its first rows
// come to be equal by bundles alone: written both ways, lost, read twice, read in
// the wrong order, and refused where they are damaged or for someone else.
//
// Seen to fail when import hands no entries to the log: "3 entries, 0 of them
// new here", exit code 1.
func TestBundles(t *testing.T) {
	a, b := newSite(t, "Ahero"), newSite(t, "Bondo")
	for _, s := range []*site{a, b} {
		s.exec(testSchema)
	}
	a.exec("INSERT INTO person (uuid, name) VALUES (?, 'Achieng'), (?, 'Atieno')", uuidOf(1), uuidOf(2))
	a.init()
	a.run()
	a.running()
	b.join(a)
	b.run()
	b.running()
	quiet(t, 60*time.Second, a, b)
	a.relay.Cut()
	b.relay.Cut()
	for _, s := range []*site{a, b} { // rather than wait until they notice
		s.stop()
		s.run()
		s.running()
	}

	stick := t.TempDir()
	file := func(name string) string { return filepath.Join(stick, name) }
	export := func(from, to *site, name string) string {
		t.Helper()
		return from.must("export", "--data", from.dir, "--to", to.name, "--out", file(name))
	}
	take := func(at *site, name string, more ...string) string {
		t.Helper()
		return at.must(append([]string{"import", "--data", at.dir, file(name)}, more...)...)
	}

	// Both edit the same row; A's first bundle is lost, its third comes first.
	a.exec("UPDATE person SET phone = '111' WHERE uuid = ?", uuidOf(1))
	export(a, b, "lost")
	b.exec("UPDATE person SET file = 'B1', phone = '222' WHERE uuid = ?", uuidOf(1))
	a.exec("INSERT INTO person (uuid, name) VALUES (?, 'Akinyi')", uuidOf(3))
	export(a, b, "second")
	a.exec("DELETE FROM person WHERE uuid = ?", uuidOf(2))
	export(a, b, "third")
	take(b, "third", "--reply", file("back"))
	take(b, "second", "--no-reply")
	if out := take(b, "third", "--no-reply"); !strings.Contains(out, " 0 of them new") {
		t.Errorf("the bundle read again: %s", out)
	}
	take(a, "back", "--no-reply")
	if got := same(t, 30*time.Second, testViews[0], a, b); !strings.Contains(got, "Akinyi") || strings.Contains(got, "Atieno") || !strings.Contains(got, "222\tB1") {
		t.Errorf("the rows are\n%s", got)
	}
	if n := len(b.conflicts().Conflicts); n != 1 {
		t.Errorf("%d conflicts, want the one about the phone", n)
	}

	// The reply told A what B has: nothing of that is in the next bundle.
	out := export(a, b, "next")
	if !strings.Contains(out, ": 0 log entries") && !strings.Contains(out, ": 1 log entries") {
		t.Errorf("after the reply a bundle has again: %s", out)
	}
	bundleRefused(t, a, b, file)
	largeBundle(t, a, b, file)
	for _, view := range testViews {
		same(t, 60*time.Second, view, a, b)
	}
	if st, err := b.status(); err != nil || st.Peers[0].State != "away" {
		t.Errorf("the sites had a line: %+v, %v", st.Peers, err)
	}
}

// bundleRefused: what is wrong is refused with one line, and stores nothing.
func bundleRefused(t *testing.T, a, b *site, file func(string) string) {
	t.Helper()
	a.exec("UPDATE person SET notes = 'in the bundle' WHERE uuid = ?", uuidOf(1))
	a.must("export", "--data", a.dir, "--to", b.name, "--out", file("whole"))
	whole, err := os.ReadFile(file("whole"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(whole), "in the bundle") || strings.Contains(string(whole), "person") {
		t.Error("the bundle can be read by anyone")
	}
	altered := []byte(string(whole))
	altered[len(altered)-20] ^= 1
	for _, c := range []struct {
		name string
		at   *site
		data []byte
		want string
	}{
		{"cut", b, whole[:len(whole)-30], "is damaged"},
		{"altered", b, altered, "is damaged"},
		{"foreign", a, whole, "for another site"},
		{"other", b, []byte("PK\x03\x04 something else"), "not a bundle"},
		{"empty", b, nil, "not a bundle"},
	} {
		if err := os.WriteFile(file(c.name), c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, errs, code := baraza(t, "import", "--data", c.at.dir, file(c.name))
		if code != 1 || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, file(c.name)) {
			t.Errorf("%s: exit %d, %s%s", c.name, code, out, errs)
		}
	}
	time.Sleep(time.Second)
	if got := b.value("SELECT notes FROM person WHERE uuid = ?", uuidOf(1)); got != "NULL" {
		t.Errorf("a refused bundle wrote %q", got)
	}
	out, errs, code := baraza(t, "export", "--data", a.dir, "--to", "Nowhere", "--out", file("nowhere"))
	if code != 1 || !strings.Contains(errs, `no member "Nowhere"`) {
		t.Errorf("export to nobody: exit %d, %s%s", code, out, errs)
	}
	if _, err := os.Stat(file("nowhere")); err == nil {
		t.Error("an export that failed left a file")
	}
	b.must("import", "--data", b.dir, "--no-reply", file("whole"))
}

// largeBundle: a transaction of many entries, in parts where the stick is small.
func largeBundle(t *testing.T, a, b *site, file func(string) string) {
	t.Helper()
	const rows = 60_000
	a.exec("INSERT INTO account (uuid, owner) SELECT UUID(), LEFT(SHA2(RAND(), 256), 40) FROM (SELECT 1 FROM information_schema.columns x, information_schema.columns y LIMIT " + fmt.Sprint(rows) + ") z")
	for i := 0; ; i++ {
		if i == 20 {
			t.Fatal("the parts do not come to an end")
		}
		part, reply := fmt.Sprint("part-", i), fmt.Sprint("reply-", i)
		out := a.must("export", "--data", a.dir, "--to", b.name, "--max-size", "1MB", "--out", file(part))
		for range 6 { // it waits ten seconds for so large a transaction to be captured, and says so
			if strings.Contains(out, "may be missing") {
				out = a.must("export", "--data", a.dir, "--to", b.name, "--max-size", "1MB", "--out", file(part))
			}
		}
		if info, err := os.Stat(file(part)); err != nil || info.Size() > 1_000_000 {
			t.Fatalf("a part has %d bytes, %v", info.Size(), err)
		}
		b.must("import", "--data", b.dir, file(part), "--bare-reply", "--reply", file(reply))
		a.must("import", "--data", a.dir, file(reply), "--no-reply")
		if !strings.Contains(out, "had no room") {
			if i == 0 {
				t.Errorf("one part took all, the limit was not tried: %s", out)
			}
			break
		}
	}
	b.exec("UPDATE person SET notes = 'and back' WHERE uuid = ?", uuidOf(1))
	b.must("export", "--data", b.dir, "--to", a.name, "--out", file("last"))
	a.must("import", "--data", a.dir, file("last"))
	eventually(t, 60*time.Second, "the large transaction", func() error {
		if got := b.value("SELECT COUNT(*) FROM account"); got != fmt.Sprint(rows) {
			return fmt.Errorf("%s rows", got)
		}
		return nil
	})
}
