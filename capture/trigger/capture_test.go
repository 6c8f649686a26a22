package trigger

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"baraza/schema"
)

// waited is what a statement takes at least that waits for another's lock
// (innodb_lock_wait_timeout is 50 s).
const waited = 20 * time.Second

const item = "CREATE TABLE item (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, a VARCHAR(20), b INT, twice INT AS (b * 2) VIRTUAL)"

func TestOperations(t *testing.T) {
	s := newSite(t, schema.Options{}, item)
	s.Must(t, "INSERT INTO item (uuid, a, b) VALUES ('u1', 'x', 1), ('u2', 'y', 2)")
	s.expect("two inserts in a statement", `item u1 uuid="u1" a="x" b=1`, `item u2 uuid="u2" a="y" b=2`)
	s.Must(t, "UPDATE item SET b = 7 WHERE uuid = 'u1'")
	s.expect("one column", `item u1 b=7`)
	s.Must(t, "UPDATE item SET a = a, b = b")
	s.expect("no change")
	s.Must(t, "UPDATE item SET a = 'X' WHERE id = 1")
	s.expect("letter case is a change", `item u1 a="X"`)
	s.Must(t, "UPDATE item SET a = NULL WHERE id = 1", "UPDATE item SET a = '' WHERE id = 1")
	s.expect("NULL and empty are a change", `item u1 a=""`)
	s.Must(t, "UPDATE item SET b = b + 1")
	s.expect("many rows", `item u1 b=8`, `item u2 b=3`)
	s.Must(t, "UPDATE item SET a = 'q' WHERE id = 1", "DELETE FROM item WHERE id = 1")
	s.expect("changed and deleted", `item u1 a="q"`, `item u1 deleted uuid="u1" a="q" b=8`)
	s.Must(t, "INSERT INTO item (uuid) VALUES ('u3')", "DELETE FROM item WHERE uuid = 'u2'", "INSERT INTO item (uuid, a) VALUES ('u2', 'again')")
	s.expect("deleted and inserted", `item u3 uuid="u3" a=NULL b=NULL`, `item u2 uuid="u2" a="again" b=NULL`)
	s.Must(t, "INSERT INTO item (uuid, a) VALUES ('u2', 'dup') ON DUPLICATE KEY UPDATE a = 'dup'")
	s.expect("on duplicate key", `item u2 a="dup"`)
	s.Must(t, "REPLACE INTO item (id, uuid, a) VALUES (99, 'u2', 'rep')")
	s.expect("replace", `item u2 uuid="u2" a="rep" b=NULL`)
	s.Must(t, "BEGIN; INSERT INTO item (uuid) VALUES ('u9'); ROLLBACK")
	s.expect("rolled back")
	s.clean()
}

// Columns of one row that were written at different times come apart; each
// has the latest time of its own.
func TestTimes(t *testing.T) {
	s := newSite(t, schema.Options{}, item)
	before := time.Now().UnixMicro()
	s.Must(t, "INSERT INTO item (uuid, a, b) VALUES ('u', 'x', 1)")
	s.Must(t, "UPDATE item SET b = 2")
	time.Sleep(5 * time.Millisecond)
	s.Must(t, "UPDATE item SET b = 3", "SET time_zone = '+07:00'; UPDATE item SET a = 'y'")
	rows := s.read()
	if len(rows) != 3 {
		t.Fatalf("%d rows: %s", len(rows), show(rows))
	}
	for i, want := range []string{`item u uuid="u"`, `item u b=3`, `item u a="y"`} {
		if got := show(rows[i : i+1]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if rows[i].At < before || rows[i].At > time.Now().UnixMicro() || (i > 0 && rows[i].At <= rows[i-1].At) {
			t.Errorf("%d: at %d", i, rows[i].At)
		}
	}
	if rows[1].At-rows[0].At < 5000 {
		t.Error("b has the time of its first update")
	}
}

// A key that changes is a row deleted and a row inserted.
func TestKeyChange(t *testing.T) {
	s := newSite(t, schema.Options{}, item, "CREATE TABLE role (role VARCHAR(20) PRIMARY KEY, a INT)", "CREATE TABLE pair (x VARCHAR(9), y INT, a INT, PRIMARY KEY (x, y))",
		"INSERT INTO item (uuid, b) VALUES ('u1', 1)", "INSERT INTO role VALUES ('Admin', 1)", "INSERT INTO pair VALUES ('k,''', 1, 1)")
	s.read()
	s.Must(t, "UPDATE item SET uuid = 'u2'")
	s.expect("uuid", `item u1 deleted uuid="u1" a=NULL b=1`, `item u2 uuid="u2" a=NULL b=1`)
	s.Must(t, "UPDATE item SET id = 77")
	s.expect("only the local number", `item u2 uuid="u2" a=NULL b=1`)
	s.Must(t, "UPDATE item SET uuid = 'U2'")
	s.expect("the same uuid in capitals", `item u2 uuid="U2"`)
	s.Must(t, "UPDATE role SET role = 'ADMIN'")
	s.expect("the same key in capitals", `role admin role="ADMIN"`)
	s.Must(t, "UPDATE role SET a = 2", "UPDATE role SET role = 'aDMIN', a = 3")
	if got := show(s.read()); !strings.Contains(got, `role admin`) || !strings.Contains(got, `a=3`) || strings.Contains(got, "deleted") {
		t.Errorf("written under two spellings of its key: %s", got)
	}
	s.Must(t, "UPDATE role SET role = 'boss'")
	s.expect("natural key", `role admin deleted role="aDMIN" a=3`, `role boss role="boss" a=3`)
	s.Must(t, "UPDATE pair SET y = 2, a = 5")
	s.expect("composite key", `pair k,',1 deleted x="k,'" y=1 a=1`, `pair k,',2 x="k,'" y=2 a=5`)
	s.clean()
}

var clinic = []string{
	"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, name VARCHAR(20))",
	"CREATE TABLE patient (patient_id INT PRIMARY KEY, note VARCHAR(20), FOREIGN KEY (patient_id) REFERENCES person (person_id))",
	"CREATE TABLE visit (patient_id INT, n INT, doctor INT, PRIMARY KEY (patient_id, n), FOREIGN KEY (patient_id) REFERENCES patient (patient_id), FOREIGN KEY (doctor) REFERENCES person (person_id))",
}

// Rows that are named by others, and those others, deleted in one transaction.
func TestDeletedWithParents(t *testing.T) {
	s := newSite(t, schema.Options{}, clinic...)
	fill := "BEGIN; INSERT INTO person VALUES (1, 'p1', 'a'), (2, 'p2', 'b'); INSERT INTO patient VALUES (1, 'x'); INSERT INTO visit VALUES (1, 5, 2); COMMIT"
	s.Must(t, fill)
	s.expect("inserted", `person p1 uuid="p1" name="a"`, `person p2 uuid="p2" name="b"`, `patient p1 patient_id=p1 note="x"`, `visit p1,5 patient_id=p1 n=5 doctor=p2`)
	remove := "BEGIN; DELETE FROM visit; DELETE FROM patient; DELETE FROM person; COMMIT"
	s.Must(t, remove)
	s.expect("deleted", `person p1 deleted uuid="p1" name="a"`, `person p2 deleted uuid="p2" name="b"`,
		`patient p1 deleted patient_id=p1 note="x"`, `visit p1,5 deleted patient_id=p1 n=5 doctor=p2`)
	// The same, part by part, and with other rows under the same numbers.
	s.Must(t, fill)
	s.read()
	s.Must(t, remove, strings.NewReplacer("p1", "q1", "p2", "q2").Replace(fill))
	rows, ids, err := s.readParts(1)
	if err != nil {
		t.Fatal(err)
	}
	got := show(rows)
	for _, want := range []string{`patient p1 deleted`, `visit p1,5 deleted`, `patient q1 patient_id=q1`, `visit q1,5 patient_id=q1 n=5 doctor=q2`, `person p1 deleted`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if err := s.src.Release(ctx, ids); err != nil {
		t.Fatal(err)
	}
	s.clean()
}

// The parent is gone before the child's delete is read, and nothing of ours
// noted the parent's delete.
func TestParentGoneUnseen(t *testing.T) {
	s := newSite(t, schema.Options{Tables: []string{"patient"}}, clinic...)
	s.Must(t, "INSERT INTO person VALUES (1, 'P1', 'a')", "INSERT INTO patient VALUES (1, 'x')")
	s.read()
	s.Must(t, "BEGIN; DELETE FROM patient; DELETE FROM person; COMMIT")
	s.expect("deleted", `patient p1 deleted patient_id=p1 note="x"`)
}

// What baraza itself writes is not captured.
func TestNoEcho(t *testing.T) {
	s := newSite(t, schema.Options{}, item)
	apply := s.open("root", true)
	for _, stmt := range []string{"INSERT INTO item (uuid) VALUES ('u1'), ('u2')", "UPDATE item SET b = 1", "DELETE FROM item WHERE uuid = 'u2'"} {
		if _, err := apply.Exec(stmt); err != nil {
			t.Fatal(err)
		}
	}
	s.expect("applied")
	s.Must(t, "UPDATE item SET b = 2")
	s.expect("local", `item u1 b=2`)
}

// The application's LAST_INSERT_ID is its own.
func TestLastInsertID(t *testing.T) {
	s := newSite(t, schema.Options{}, item)
	for range 3 {
		s.Must(t, "UPDATE item SET b = 1", "INSERT INTO item (uuid) VALUES (UUID())", "UPDATE item SET a = LEFT(UUID(), 20)")
	}
	if n := s.count("SELECT LAST_INSERT_ID(0) + 0"); n != 0 {
		t.Fatal(n)
	}
	conn, err := s.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	res, err := conn.ExecContext(ctx, "INSERT INTO item (id, uuid) VALUES (NULL, 'last')")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := res.LastInsertId()
	if _, err := conn.ExecContext(ctx, "DELETE FROM item WHERE uuid <> 'last'"); err != nil {
		t.Fatal(err)
	}
	var seen, inTable int64
	if err := conn.QueryRowContext(ctx, "SELECT LAST_INSERT_ID(), id FROM item").Scan(&seen, &inTable); err != nil {
		t.Fatal(err)
	}
	if id != inTable || seen != inTable {
		t.Errorf("the driver says %d, LAST_INSERT_ID() %d, the row has %d", id, seen, inTable)
	}
}

// A transaction that took its log id early and commits late is not missed.
func TestLateCommit(t *testing.T) {
	s := newSite(t, schema.Options{}, item)
	tx, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO item (uuid) VALUES ('late')"); err != nil {
		t.Fatal(err)
	}
	s.Must(t, "INSERT INTO item (uuid) VALUES ('early')")
	s.expect("first view", `item early uuid="early" a=NULL b=NULL`) // Release does not wait for the other
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * fullLook)
	for something := false; !something; {
		if time.Now().After(deadline) {
			t.Fatal("the late one does not come")
		}
		if something, err = s.src.Poll(ctx); err != nil {
			t.Fatal(err)
		}
	}
	rows := s.read()
	if got := show(rows); got != `item late uuid="late" a=NULL b=NULL` {
		t.Errorf("the late one: %q", got)
	}
	s.clean()
}

// Releasing holds up nobody, and waits for nobody, even inside a long
// transaction.
func TestReleaseHoldsUpNobody(t *testing.T) {
	s := newSite(t, schema.Options{}, item)
	for i := range 20 {
		s.Must(t, fmt.Sprintf("INSERT INTO item (uuid) VALUES ('u%d')", i))
	}
	s.Must(t, "DELETE FROM item WHERE id <= 10")
	_, ids, err := s.readParts(1000)
	if err != nil {
		t.Fatal(err)
	}
	app, err := s.Begin() // has written, does not commit
	if err != nil {
		t.Fatal(err)
	}
	defer app.Rollback()
	if _, err := app.Exec("INSERT INTO item (uuid) VALUES ('open')"); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Exec("DELETE FROM item WHERE id = 11"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	tx, err := s.open("root", true).BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := s.src.releaser.In(ctx, tx, ids); err != nil {
		t.Fatal(err)
	}
	s.Must(t, "INSERT INTO item (uuid) VALUES ('meanwhile')", "DELETE FROM item WHERE id = 12")
	if d := time.Since(began); d > waited {
		t.Errorf("took %v", d)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := s.src.Release(ctx, ids); err != nil { // twice is no error
		t.Fatal(err)
	}
	if got := show(s.read()); strings.Count(got, "\n") != 3 {
		t.Errorf("left: %s", got)
	}
	s.clean()
}

// A poll may miss for a moment what was committed late; Read never does, since
// apply asks it before it writes over a row.
func TestReadMissesNothing(t *testing.T) {
	s := newSite(t, schema.Options{}, item)
	early, err := s.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = early.Rollback() }() // nothing after Commit
	if _, err := early.Exec("INSERT INTO item (uuid) VALUES ('early')"); err != nil {
		t.Fatal(err)
	}
	s.Must(t, "INSERT INTO item (uuid) VALUES ('other')")
	s.expect("the other", `item other uuid="other" a=NULL b=NULL`)
	for range 2 {
		if something, err := s.src.Poll(ctx); err != nil || something {
			t.Fatalf("poll of an empty log: %v, %v", something, err)
		}
	}
	if err := early.Commit(); err != nil {
		t.Fatal(err)
	}
	s.expect("the early id, at once", `item early uuid="early" a=NULL b=NULL`)
}
