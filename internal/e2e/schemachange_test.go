package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"baraza/internal/mariadb/mariadbtest"
)

// arrives waits until a query gives a value at a site.
func arrives(s *site, query, want string) {
	s.t.Helper()
	eventually(s.t, 30*time.Second, "a value arrives", func() error { return isValue(s, query, want) })
}

// testSchemaChanges changes the tables beneath running sites, at one first.
//
// Seen to fail when tables that lost their triggers are not put in doubt.
func testSchemaChanges(t *testing.T, a, b *site) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a, b *site)
	}{
		{"column added", testColumnAdded},
		{"column later", testColumnLater},
		{"column dropped", testColumnDropped},
		{"column renamed", testColumnRenamed},
		{"widened and narrowed", testWidened},
		{"table and index added", testTableAdded},
		{"all in a cut", testChangedInCut},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.t, b.t = t, t
			c.test(t, a, b)
		})
	}
	a.t, b.t = t, t
	quiet(t, 30*time.Second, a, b)
	a.verify(0)
}

// A nullable column that is added ships nothing. What one site writes to it waits
// at the other until that has it too.
func testColumnAdded(t *testing.T, a, b *site) {
	before, err := a.status()
	if err != nil {
		t.Fatal(err)
	}
	a.exec("ALTER TABLE part ADD COLUMN color VARCHAR(20)")
	a.noticed("part", "color")
	quiet(t, 30*time.Second, a, b)
	after, err := a.status()
	if err != nil {
		t.Fatal(err)
	}
	if before.Vector[a.id()] != after.Vector[a.id()] {
		t.Errorf("adding a column wrote to the log: %v, then %v", before.Vector, after.Vector)
	}
	a.exec("UPDATE part SET color = 'red' WHERE uuid = 'p1'")
	a.exec("INSERT INTO part (uuid, name, color) VALUES ('c1', 'knob', 'blue')")
	b.exec("UPDATE part SET price = 70 WHERE uuid = 'p1'")
	arrives(b, "SELECT name FROM part WHERE uuid = 'c1'", "knob")
	arrives(a, "SELECT price FROM part WHERE uuid = 'p1'", "70")
	b.exec("ALTER TABLE part ADD COLUMN color VARCHAR(20) FIRST")
	arrives(b, "SELECT GROUP_CONCAT(color ORDER BY uuid) FROM part", "blue,red")
	// The other way round, in a cut.
	cut(t, []*site{a, b}, func() {
		b.exec("ALTER TABLE part ADD COLUMN size INT INVISIBLE")
		b.exec("UPDATE part SET size = 3 WHERE uuid IN ('p1', 'p2')")
		a.exec("UPDATE part SET color = 'green' WHERE uuid = 'p2'")
		b.noticed("part", "size")
	})
	arrives(b, "SELECT color FROM part WHERE uuid = 'p2'", "green")
	a.exec("ALTER TABLE part ADD COLUMN size INT")
	arrives(a, "SELECT GROUP_CONCAT(uuid, size ORDER BY uuid) FROM part", "p13,p23")
	same(t, 10*time.Second, "SELECT uuid, name, price, color, size FROM part ORDER BY uuid", a, b)
}

// A site gets a column while its process is stopped, long after others have written
// to it, and goes on with other columns of the same rows: the values are there soon,
// nobody's NULL beats them, and what the application has written to the column stays.
//
// Seen to fail when updates by the old triggers count as writes of the column (312
// rows that were updated meanwhile have no lot, and the default as their grade), and
// when the values are not written (no lot arrives).
func testColumnLater(t *testing.T, a, b *site) {
	const many = 1200 // more than two steps write
	a.exec(fmt.Sprintf("INSERT INTO part (uuid, name) SELECT CONCAT('lot', seq), 'many' FROM %s", mariadbtest.Sequence(1, many)))
	a.exec("ALTER TABLE part ADD COLUMN lot VARCHAR(20), ADD COLUMN grade INT NOT NULL DEFAULT 1; UPDATE part SET lot = uuid, grade = 2 WHERE name = 'many'")
	quiet(t, 30*time.Second, a, b)
	b.stop()
	b.exec("ALTER TABLE part ADD COLUMN grade INT NOT NULL DEFAULT 1, ADD COLUMN lot VARCHAR(20)")
	b.exec("UPDATE part SET price = 8 WHERE uuid LIKE 'lot1%'; UPDATE part SET lot = 'mine' WHERE uuid = 'lot7'")
	b.run()
	b.running()
	arrives(b, "SELECT CONCAT(COUNT(*), ' ', SUM(lot = uuid), ' ', SUM(grade), ' ', MAX(lot)) FROM part WHERE name = 'many'", fmt.Sprintf("%d %d %d mine", many, many-1, 2*many))
	arrives(a, "SELECT CONCAT(SUM(price), ' ', SUM(lot = uuid), ' ', SUM(grade), ' ', MAX(lot)) FROM part WHERE name = 'many'", fmt.Sprintf("%s %d %d mine", b.value("SELECT 8 * COUNT(*) FROM part WHERE uuid LIKE 'lot1%'"), many-1, 2*many))
	if list := a.conflicts(); len(list.Conflicts) != 1 || list.Conflicts[0].Column != "lot" {
		t.Errorf("the conflicts are %+v, want one about the lot that was written over unseen", list)
	}
	a.exec("DELETE FROM part WHERE name = 'many'")
	arrives(b, "SELECT COUNT(*) FROM part WHERE name = 'many'", "0")
}

// The application goes on while a column goes. What others write to it comes back
// with the column.
func testColumnDropped(t *testing.T, a, b *site) {
	a.exec("ALTER TABLE part DROP COLUMN size")
	a.exec("UPDATE part SET color = 'black' WHERE uuid = 'p3'") // fails where triggers name the column
	a.exec("INSERT INTO part (uuid, name) VALUES ('d1', 'pipe')")
	a.exec("DELETE FROM part WHERE uuid = 'c1'")
	arrives(b, "SELECT CONCAT(COUNT(*), MAX(color)) FROM part WHERE uuid IN ('p3', 'd1', 'c1')", "2black")
	b.exec("UPDATE part SET size = 9 WHERE uuid IN ('p3', 'd1')")
	b.exec("INSERT INTO part (uuid, name, size) VALUES ('d2', 'hose', 5)")
	arrives(a, "SELECT name FROM part WHERE uuid = 'd2'", "hose")
	a.exec("UPDATE part SET color = 'white' WHERE uuid = 'd2'")
	arrives(b, "SELECT CONCAT(color, size) FROM part WHERE uuid = 'd2'", "white5")
	a.exec("ALTER TABLE part ADD COLUMN size INT")
	arrives(a, "SELECT GROUP_CONCAT(uuid, size ORDER BY uuid) FROM part WHERE uuid IN ('p3', 'd1', 'd2')", "d19,d25,p39")
	b.exec("UPDATE part SET size = NULL WHERE uuid IN ('p1', 'p2')") // what the column had when it was dropped is not here any more
}

// A renamed column is another column until the other site renames it too. An update
// that is noted before the triggers are made anew is one of the columns that it wrote:
// what the other site writes to another column of the row meanwhile, later or before,
// stays, and is no conflict.
//
// Seen to fail when such an update counts as one of all columns: site first stays at
// "71tin".
func testColumnRenamed(t *testing.T, a, b *site) {
	cut(t, []*site{a, b}, func() {
		a.exec("ALTER TABLE part CHANGE color paint VARCHAR(20)")
		a.exec("UPDATE part SET paint = 'gold' WHERE uuid = 'p1'")
		b.exec("UPDATE part SET price = 71 WHERE uuid = 'p1'")
		b.exec("DELETE FROM part WHERE uuid = 'd1'")
	})
	arrives(a, "SELECT CONCAT(price, paint) FROM part WHERE uuid = 'p1'", "71gold")
	b.exec("ALTER TABLE part CHANGE color paint VARCHAR(20)")
	arrives(b, "SELECT CONCAT(price, paint) FROM part WHERE uuid = 'p1'", "71gold")
	a.exec("ALTER TABLE part ADD COLUMN junk INT")
	a.noticed("part", "junk")
	a.stop()
	b.exec("UPDATE part SET price = 72 WHERE uuid = 'p1'")
	a.exec("ALTER TABLE part DROP COLUMN junk")
	a.exec("UPDATE part SET paint = 'tin' WHERE uuid = 'p1'")
	a.run()
	a.running()
	for _, s := range []*site{a, b} {
		arrives(s, "SELECT CONCAT(price, paint) FROM part WHERE uuid = 'p1'", "72tin")
	}
	for _, c := range a.conflicts().Conflicts {
		if c.Column == "price" {
			t.Errorf("a conflict about a price that only one site has written: %+v", c)
		}
	}
	same(t, 10*time.Second, "SELECT uuid, name, price, paint, size FROM part ORDER BY uuid", a, b)
}

// What does not fit is set aside alone, and comes back by itself.
func testWidened(t *testing.T, a, b *site) {
	long := strings.Repeat("long ", 30)
	a.exec("ALTER TABLE part MODIFY name VARCHAR(200)")
	a.exec("UPDATE part SET name = ?, price = 5 WHERE uuid = 'p4'", long)
	a.exec("INSERT INTO part (uuid, name) VALUES ('w1', ?)", long)
	a.exec("INSERT INTO part (uuid, name) VALUES ('w2', 'short')")
	arrives(b, "SELECT name FROM part WHERE uuid = 'w2'", "short")
	eventually(t, 10*time.Second, "rows are set aside", func() error {
		st, err := b.status()
		if err == nil && st.SetAside != 2 {
			err = fmt.Errorf("%d set aside, want 2", st.SetAside)
		}
		return err
	})
	b.exec("ALTER TABLE part MODIFY name VARCHAR(200)")
	arrives(b, "SELECT COUNT(*) FROM part WHERE name = '"+long+"'", "2")
	b.exec("UPDATE part SET name = uuid WHERE uuid IN ('w1', 'p4')")
	arrives(a, "SELECT COUNT(*) FROM part WHERE name = uuid", "2")
	a.exec("ALTER TABLE part MODIFY name VARCHAR(40)")
	b.exec("UPDATE part SET name = ? WHERE uuid = 'w1'", long)
	b.exec("UPDATE part SET name = 'after' WHERE uuid = 'w2'")
	arrives(a, "SELECT CONCAT(COUNT(*), MAX(name)) FROM part WHERE uuid IN ('w1', 'w2') AND name IN ('w1', 'after')", "2w1")
	a.exec("ALTER TABLE part MODIFY name VARCHAR(250)")
	arrives(a, "SELECT name FROM part WHERE uuid = 'w1'", long)
	if st, err := a.status(); err != nil || st.SetAside > 0 {
		t.Errorf("%v, %d rows are still set aside", err, st.SetAside)
	}
}

// A table that is new is replicated by itself; where it is not yet, its rows wait.
func testTableAdded(t *testing.T, a, b *site) {
	const tool = "CREATE TABLE tool (code VARCHAR(20) PRIMARY KEY, part_id INT, n INT, FOREIGN KEY (part_id) REFERENCES part (part_id))"
	a.exec(tool + "; INSERT INTO tool SELECT uuid, part_id, 1 FROM part WHERE uuid IN ('p1', 'p2')")
	a.noticed("tool", "n")
	a.exec("UPDATE tool SET n = 2 WHERE code = 'p2'")
	quiet(t, 20*time.Second, a, b)
	b.exec(tool + "; INSERT INTO tool SELECT uuid, part_id, 7 FROM part WHERE uuid = 'p3'")
	same(t, 20*time.Second, "SELECT code, uuid, n FROM tool LEFT JOIN part USING (part_id) ORDER BY 1", a, b)
	arrives(a, "SELECT GROUP_CONCAT(code, n ORDER BY code) FROM tool", "p11,p22,p37")
	// Of two rows with a value that must be unique at b, the later gives way there.
	b.exec("ALTER TABLE tool ADD UNIQUE (n), ADD INDEX (part_id, n)")
	time.Sleep(1500 * time.Millisecond)
	a.exec("INSERT INTO tool VALUES ('x', NULL, 7)")
	quiet(t, 20*time.Second, a, b)
	if st, err := b.status(); err != nil || st.SetAside > 0 || st.Held != 1 {
		t.Errorf("%v: held %d, set aside %d, want 1 and 0", err, st.Held, st.SetAside)
	}
	a.exec("UPDATE tool SET n = 8 WHERE code = 'x'")
	same(t, 20*time.Second, "SELECT code, n FROM tool ORDER BY 1", a, b)
}

// Both sites change the same table while they are cut off from each other, in
// opposite ways: drop and write, widen and narrow, and each gets an index and a table
// that the other does not have. Then each catches up with the other.
func testChangedInCut(t *testing.T, a, b *site) {
	const (
		crate = "CREATE TABLE crate (code VARCHAR(20) PRIMARY KEY, part_id INT, FOREIGN KEY (part_id) REFERENCES part (part_id))"
		lid   = "CREATE TABLE lid (code VARCHAR(20) PRIMARY KEY, n INT)"
	)
	long := strings.Repeat("long ", 20)
	cut(t, []*site{a, b}, func() {
		a.exec("ALTER TABLE part DROP COLUMN size; ALTER TABLE part MODIFY name VARCHAR(210), ADD INDEX (price, uuid)")
		a.exec("UPDATE part SET name = ? WHERE uuid = 'p2'", long)
		a.exec(crate + "; INSERT INTO crate SELECT uuid, part_id FROM part WHERE uuid IN ('p1', 'p2')")
		b.exec("UPDATE part SET name = 'gear' WHERE name <> 'gear' AND uuid = 'p3'; UPDATE part SET name = uuid WHERE CHAR_LENGTH(name) > 40")
		b.exec("ALTER TABLE part MODIFY name VARCHAR(40), ADD INDEX (paint)")
		b.exec("UPDATE part SET size = 44, price = 6 WHERE uuid = 'p2'; INSERT INTO part (uuid, name, size) VALUES ('k1', 'hook', 45)")
		b.exec(lid + "; INSERT INTO lid VALUES ('l1', 1), ('l2', 2)")
		b.exec("UPDATE part SET price = 7 WHERE uuid = 'p4'")
	})
	arrives(a, "SELECT GROUP_CONCAT(uuid, price ORDER BY uuid) FROM part WHERE uuid IN ('p2', 'p4')", "p26,p47")
	arrives(a, "SELECT name FROM part WHERE uuid = 'k1'", "hook")
	eventually(t, 20*time.Second, "what b has no room for is set aside, and nothing else", func() error {
		st, err := b.status()
		if err == nil && st.SetAside != 3 { // a name, and the rows of crate
			err = fmt.Errorf("%d rows are set aside, want 3", st.SetAside)
		}
		return err
	})
	b.exec("ALTER TABLE part MODIFY name VARCHAR(210); " + crate)
	a.exec("ALTER TABLE part ADD COLUMN size INT; " + lid)
	arrives(b, "SELECT CONCAT(price, ' ', name) FROM part WHERE uuid = 'p2'", "6 "+long)
	arrives(b, "SELECT GROUP_CONCAT(code ORDER BY code) FROM crate JOIN part USING (part_id) WHERE code = uuid", "p1,p2")
	arrives(a, "SELECT GROUP_CONCAT(uuid, size ORDER BY uuid) FROM part WHERE uuid IN ('k1', 'p2')", "k145,p244")
	arrives(a, "SELECT GROUP_CONCAT(code, n ORDER BY code) FROM lid", "l11,l22")
	// What the column had before it was dropped is not here any more; it is at b.
	b.exec("UPDATE part SET size = NULL WHERE size NOT IN (44, 45)")
	a.exec("DELETE FROM crate")
	arrives(b, "SELECT COUNT(*) FROM crate", "0")
	for _, s := range []*site{a, b} {
		if st, err := s.status(); err != nil || st.SetAside > 0 {
			t.Errorf("site %s: %v, %d rows are still set aside", s.name, err, st.SetAside)
		}
	}
}

// noticed waits until the triggers of a table know a column.
func (s *site) noticed(table, column string) {
	s.t.Helper()
	arrives(s, fmt.Sprintf("SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = '%s'"+
		" AND EVENT_MANIPULATION = 'UPDATE' AND ACTION_STATEMENT LIKE '%%.`%s`%%'", table, column), "1")
}

// id is the site's id.
func (s *site) id() string {
	s.t.Helper()
	st, err := s.status()
	if err != nil {
		s.t.Fatal(err)
	}
	return st.ID
}
