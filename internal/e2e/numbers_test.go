package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"baraza/internal/mariadb"
)

// numbered starts a server that gives out one of ten numbers.
func numbered(t *testing.T, name string, offset int) *site {
	s := newSite(t, name, mariadb.WithArgs("--auto-increment-increment=10", fmt.Sprintf("--auto-increment-offset=%d", offset)))
	s.exec("CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, reason VARCHAR(40), ward VARCHAR(40))")
	s.exec("CREATE TABLE line (id INT AUTO_INCREMENT PRIMARY KEY, visit INT NOT NULL, text VARCHAR(40), FOREIGN KEY (visit) REFERENCES visit (id))")
	s.exec("CREATE TABLE card (code VARCHAR(20) PRIMARY KEY, owner VARCHAR(40), color VARCHAR(40), visit INT, FOREIGN KEY (visit) REFERENCES visit (id))")
	return s
}

// refused asks to join and returns the one line that says why not.
func (s *site) refused(at *site, more ...string) string {
	s.t.Helper()
	token := strings.TrimSpace(at.must("invite", "--data", at.dir))
	_, errs, code := baraza(s.t, append(append(append([]string{"join"}, s.setup()...), "--token", token), more...)...)
	if code == 0 || strings.Count(strings.TrimSpace(errs), "\n") > 0 {
		s.t.Fatalf("exit %d: %s", code, errs)
	}
	return errs
}

// R3: rows that have no name but a number, at sites whose servers give out
// different ones.
//
// Seen to fail when the inviter does not look at the joiner's numbers (the joiner,
// which refuses itself, is a member by then: "is a site already"), and when a changed
// offset raises no alarm.
func TestNumbers(t *testing.T) {
	a, b := numbered(t, "a", 1), numbered(t, "b", 1)
	a.exec("INSERT INTO visit (reason) VALUES ('before')")
	a.init()
	a.run()
	a.running()
	if why := b.refused(a); !strings.Contains(why, "offset 1 is that of a") || !strings.Contains(why, "auto_increment_offset = 2") {
		t.Errorf("an offset that is taken: %s", why)
	}
	b.exec("SET GLOBAL auto_increment_increment = 5, GLOBAL auto_increment_offset = 2")
	if why := b.refused(a); !strings.Contains(why, "auto_increment_increment is 5 here and 10 in the network") {
		t.Errorf("another increment: %s", why)
	}
	b.exec("SET GLOBAL auto_increment_increment = 10, GLOBAL auto_increment_offset = 2")
	b.actAs("root") // a new session
	b.join(a)
	b.run()
	b.running()
	quiet(t, 60*time.Second, a, b)
	a.exec("INSERT INTO visit (reason) VALUES ('fever'); INSERT INTO line (visit, text) VALUES (LAST_INSERT_ID(), 'malaria test')")
	b.exec("INSERT INTO visit (reason) VALUES ('cough'); INSERT INTO line (visit, text) VALUES (LAST_INSERT_ID(), 'chest')")
	quiet(t, 60*time.Second, a, b)
	got := same(t, 30*time.Second, "SELECT reason, text, MOD(visit.id, 10) FROM visit JOIN line ON line.visit = visit.id ORDER BY 1", a, b)
	if got != "cough\tchest\t2\nfever\tmalaria test\t1\n" {
		t.Errorf("rows: %q", got)
	}

	// Numbers that applications choose themselves clash all the same: the first row
	// stays whole, and the other is a conflict.
	cut(t, []*site{a, b}, func() {
		a.exec("INSERT INTO visit (id, reason, ward) VALUES (700, 'burn', NULL)")
		time.Sleep(5 * time.Millisecond) // a stamp tells milliseconds
		b.exec("INSERT INTO visit (id, reason, ward) VALUES (700, 'sprain', 'surgery')")
		b.exec("UPDATE visit SET reason = 'fracture' WHERE id = 700")
	})
	quiet(t, 60*time.Second, a, b)
	if got := same(t, 30*time.Second, "SELECT reason, ward FROM visit WHERE id = 700", a, b); got != "burn\tNULL\n" {
		t.Errorf("the two visits 700 are %q", got)
	}
	for _, s := range []*site{a, b} {
		var lost []string
		for _, c := range s.conflicts("--table", "visit").Conflicts {
			lost = append(lost, fmt.Sprint(c.Rule, " ", c.Key, " ", c.Column, " ", c.Lost.Value))
		}
		slices.Sort(lost)
		if got := strings.Join(lost, ", "); got != `R3 700 reason "fracture", R3 700 ward "surgery"` {
			t.Errorf("site %s: conflicts %q", s.name, got)
		}
	}

	testUndo(t, a, b)
	testReplaced(t, a, b)

	// A server that comes back with other settings is noticed.
	b.exec("SET GLOBAL auto_increment_offset = 1; CREATE TABLE other (a INT PRIMARY KEY)") // the schema is looked at now and then, and when it changes
	eventually(t, 90*time.Second, "the changed offset is an alarm", func() error {
		st, err := b.status()
		if err == nil && !strings.Contains(strings.Join(st.Alarms, "\n"), "auto_increment_offset 1 of 10 is that of a: SET GLOBAL auto_increment_increment = 10, GLOBAL auto_increment_offset = 2") {
			err = fmt.Errorf("alarms: %v", st.Alarms)
		}
		return err
	})
	out, _, code := baraza(t, "doctor", "--data", b.dir)
	if code != 1 || !strings.Contains(strings.Join(strings.Fields(out), " "), "is that of a") || !strings.Contains(out, "auto_increment_offset = 2") {
		t.Errorf("doctor: exit %d\n%s", code, out)
	}
}

// Who replaces the row of a number, having it, writes to that row: the number is not
// given out once more.
//
// Seen to fail when a write of a row that the table has keeps its number (noInsert).
func testReplaced(t *testing.T, a, b *site) {
	a.exec("INSERT INTO visit (id, reason, ward) VALUES (801, 'fever', 'east')")
	quiet(t, 60*time.Second, a, b)
	b.exec("REPLACE INTO visit (id, reason, ward) VALUES (801, 'malaria', 'west')")
	quiet(t, 60*time.Second, a, b)
	if got := same(t, 30*time.Second, "SELECT reason, ward FROM visit WHERE id = 801", a, b); got != "malaria\twest\n" {
		t.Errorf("visit 801 was replaced and is %q", got)
	}
}

// A site that joins with rows under numbers that are other rows' in the network
// stops, before any of them is touched; one whose database was a member's does not.
//
// Seen to fail when such rows are merged column by column ("it runs"), and when it is
// not known whose database it was: then the second join stops too.
func TestNumbersOfRowsFromBefore(t *testing.T) {
	a, b := numbered(t, "a", 1), numbered(t, "b", 2)
	a.exec("INSERT INTO visit (id, reason) VALUES (1, 'fever'), (2, 'cough'), (3, 'same')")
	b.exec("INSERT INTO visit (id, reason) VALUES (1, 'burn'), (2, 'sprain'), (3, 'same'), (4, 'only here')")
	a.init()
	a.run()
	a.running()
	b.join(a)
	b.run()
	eventually(t, 60*time.Second, "site b stops", func() error {
		select {
		case <-b.exited:
			return nil
		default:
			return errors.New("it runs")
		}
	})
	last := tail(b.log.String(), 1)
	if code := b.proc.ProcessState.ExitCode(); code == 0 || !strings.Contains(last, "table visit: 2 rows here have numbers (1, 2) under which the network has other rows") {
		t.Fatalf("exit %d: %s", code, last)
	}
	b.proc = nil
	if got := b.rows("SELECT id, reason FROM visit ORDER BY id"); got != "1\tburn\n2\tsprain\n3\tsame\n4\tonly here\n" {
		t.Errorf("the rows of b: %q", got)
	}
	b.exec("UPDATE visit SET id = id + 1001 WHERE id IN (1, 2)")
	b.run()
	b.running()
	quiet(t, 60*time.Second, a, b)
	all := "1\tfever\n2\tcough\n3\tsame\n4\tonly here\n1002\tburn\n1003\tsprain\n"
	if got := same(t, 30*time.Second, "SELECT id, reason FROM visit ORDER BY id", a, b); got != all {
		t.Errorf("rows: %q", got)
	}

	// The data directory is lost, and rows change meanwhile: they are one row each.
	b.kill()
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	a.exec("UPDATE visit SET reason = 'malaria' WHERE id = 1")
	a.must("peers", "forget", "--data", a.dir, "b", "--yes")
	b.join(a)
	b.run()
	b.running()
	quiet(t, 60*time.Second, a, b)
	if got := same(t, 30*time.Second, "SELECT reason FROM visit WHERE id = 1", a, b); got != "malaria\n" {
		t.Errorf("visit 1 is %q", got)
	}
}

// Undo of conflicts is an ordinary write: it goes to all sites, and an application
// that wrote since is not overwritten.
//
// Seen to fail when the write is not captured (the sites differ), when the value is
// not compared with the one that won, and when a deleted row comes back without what
// its tombstone keeps: its other columns are NULL.
func testUndo(t *testing.T, a, b *site) {
	a.exec("INSERT INTO card VALUES ('beaten', 'Amina', 'red', 1), ('deleted', 'Amina', 'red', 1), ('kept', 'Amina', 'red', 1), ('since', 'Amina', 'red', 1)")
	quiet(t, 60*time.Second, a, b)
	cut(t, []*site{a, b}, func() {
		a.exec("UPDATE card SET owner = 'Baraka' WHERE code IN ('beaten', 'since', 'deleted')")
		a.exec("DELETE FROM card WHERE code = 'kept'")
		time.Sleep(5 * time.Millisecond) // a stamp tells milliseconds
		b.exec("UPDATE card SET owner = 'Chebet' WHERE code IN ('beaten', 'since', 'kept')")
		b.exec("DELETE FROM card WHERE code = 'deleted'")
	})
	quiet(t, 60*time.Second, a, b)
	const all = "SELECT code, owner, color, visit FROM card ORDER BY code"
	if got := same(t, 30*time.Second, all, a, b); got != "beaten\tChebet\tred\t1\nkept\tChebet\tred\t1\nsince\tChebet\tred\t1\n" {
		t.Fatalf("merged to %q", got)
	}
	ids := map[string]string{}
	for _, c := range b.conflicts().Conflicts {
		ids[strings.Trim(c.Key, `"`)+" "+c.Column] = c.ID
	}
	undo := func(s *site, what string, more ...string) (string, int) {
		t.Helper()
		out, errs, code := baraza(t, append([]string{"conflicts", "undo", "--data", s.dir, ids[what]}, more...)...)
		return out + errs, code
	}
	for _, c := range []struct{ what, says string }{
		{"beaten owner", `wrote "Baraka" over "Chebet"`},
		{"deleted owner", "inserted the row again"},
		{"kept ", "deleted the row"},
	} {
		if text, code := undo(b, c.what); code != 0 || !strings.Contains(text, c.says) {
			t.Errorf("undo %s: exit %d: %s", c.what, code, text)
		}
	}
	a.exec("UPDATE card SET owner = 'Dalila' WHERE code = 'since'")
	if text, code := undo(a, "since owner"); code != 1 || !strings.Contains(text, `owner is "Dalila" now, which someone wrote since`) {
		t.Errorf("undo what was written since: exit %d: %s", code, text)
	}
	quiet(t, 60*time.Second, a, b)
	if got := same(t, 30*time.Second, all, a, b); got != "beaten\tBaraka\tred\t1\ndeleted\tBaraka\tred\t1\nsince\tDalila\tred\t1\n" {
		t.Errorf("undone to %q", got)
	}
	if text, code := undo(a, "beaten owner"); code != 1 || !strings.Contains(text, "already") {
		t.Errorf("undo once more: exit %d: %s", code, text)
	}
	if text, code := undo(b, "700 reason"); code != 1 || !strings.Contains(text, "another row has the number") {
		t.Errorf("undo a row of a number: exit %d: %s", code, text)
	}
	if text, code := undo(a, "since owner", "--force"); code != 0 {
		t.Errorf("undo by force: exit %d: %s", code, text)
	}
	quiet(t, 60*time.Second, a, b)
	if got := same(t, 30*time.Second, "SELECT owner FROM card WHERE code = 'since'", a, b); got != "Baraka\n" {
		t.Errorf("by force: %q", got)
	}
}
