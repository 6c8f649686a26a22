package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"baraza/node/admin"
)

// verify runs the command and checks its exit code.
func (s *site) verify(want int, more ...string) admin.VerifyReport {
	s.t.Helper()
	out, errs, code := baraza(s.t, append([]string{"verify", "--data", s.dir, "--json"}, more...)...)
	if code != want {
		s.t.Fatalf("site %s: verify: exit %d, want %d: %s%s", s.name, code, want, out, errs)
	}
	var r admin.VerifyReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		s.t.Fatalf("site %s: verify: %v: %s%s", s.name, err, out, errs)
	}
	return r
}

// testVerify writes around capture, and compares.
//
// Rows that differ are found one by one, and a write that was not captured yet
// does not count as one around capture.
func testVerify(t *testing.T, a, b *site) {
	a.exec("INSERT INTO part (uuid, name, price) SELECT CONCAT('bulk', s.seq), 'many', s.seq FROM (SELECT (@n := @n + 1) AS seq FROM information_schema.COLUMNS, (SELECT @n := 0) z LIMIT 3000) s")
	quiet(t, 30*time.Second, a, b)
	if r := a.verify(0); len(r.Differences) > 0 || len(r.Sites) != 1 || len(r.Tables) != 2 {
		t.Errorf("equal sites: %+v", r)
	}
	around := func(s *site, statements string) {
		s.exec("SET @baraza_apply = 1; " + statements + "; SET @baraza_apply = NULL")
	}
	around(b, "UPDATE part SET name = 'screw' WHERE uuid = 'p1'; INSERT INTO part (uuid, name) VALUES ('p99', 'new'); DELETE FROM part WHERE uuid = 'bulk7'")
	around(b, "UPDATE stock SET n = 11")

	// Somebody writes all the time, also to rows of the buckets that differ.
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				_, _ = a.db.Exec("UPDATE part SET price = price + 1 WHERE uuid LIKE 'bulk1%' ORDER BY RAND() LIMIT 2")
			}
		}
	}()
	r := b.verify(1, "--table", "part")
	close(stop)
	<-stopped
	got := map[string]admin.RowDifference{}
	for _, d := range r.Differences {
		got[d.Key] = d
	}
	p1 := got["p1"]
	if len(got) != 3 || got["p99"].How != admin.DiffersOnlyHere || got["bulk7"].How != admin.DiffersOnlyThere || p1.How != admin.DiffersValues ||
		len(p1.Columns) != 1 || p1.Columns[0].Column != "name" || !strings.Contains(p1.Columns[0].Here, "screw") || !strings.Contains(p1.Columns[0].There, "bolt") {
		t.Fatalf("different: %+v", r)
	}
	quiet(t, 30*time.Second, a, b)
	out, _, code := baraza(t, "verify", "--data", b.dir)
	for _, line := range []string{"part p1: name is", "part p99: here, not at first", "part bulk7: not here, but at first", "stock shelf,p4: n is 11 here, 10 at first"} {
		if !strings.Contains(out, line) || code != 1 {
			t.Errorf("verify, exit %d, does not say %q:\n%s", code, line, out)
		}
	}
	if r := b.verify(1, "--repair"); r.Repaired != 7 {
		t.Errorf("repaired: %+v", r)
	}
	quiet(t, 30*time.Second, a, b)
	same(t, 10*time.Second, viewPart, a, b)
	same(t, 10*time.Second, viewStock, a, b)
	if got := a.value("SELECT CONCAT(COUNT(*), ' ', SUM(n)) FROM part JOIN stock USING (part_id) WHERE name = 'screw' OR uuid = 'p2'"); got != "2 22" {
		t.Errorf("the first site got %q", got)
	}
	a.verify(0)
	b.stop()
	eventually(t, 20*time.Second, "the first site notices that the other is away", func() error {
		_, errs, code := baraza(t, "verify", "--data", a.dir)
		if code != 2 || !strings.Contains(errs, "could not be told") {
			return fmt.Errorf("verify: exit %d: %s", code, errs)
		}
		return nil
	})
	if _, errs, code := baraza(t, "verify", "--data", a.dir, "--table", "nothing"); code != 2 || !strings.Contains(errs, "nothing") {
		t.Errorf("verify of no table: exit %d: %s", code, errs)
	}
	b.run()
	b.running()
	quiet(t, 30*time.Second, a, b)
}
