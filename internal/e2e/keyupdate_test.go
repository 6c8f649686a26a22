package e2e

import (
	"testing"
	"time"
)

// Natural keys that go down three levels, with every action below; and a table
// outside replication above one that is replicated.
const keySchema = `
CREATE TABLE region (code VARCHAR(20) PRIMARY KEY, v INT) ENGINE=InnoDB;
CREATE TABLE town (code VARCHAR(20) PRIMARY KEY, v INT,
  FOREIGN KEY (code) REFERENCES region (code) ON UPDATE CASCADE ON DELETE CASCADE) ENGINE=InnoDB;
CREATE TABLE street (code VARCHAR(20), n INT, v INT, PRIMARY KEY (code, n),
  FOREIGN KEY (code) REFERENCES town (code) ON UPDATE CASCADE ON DELETE CASCADE) ENGINE=InnoDB;
CREATE TABLE house (house_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, code VARCHAR(20),
  FOREIGN KEY (code) REFERENCES town (code) ON UPDATE CASCADE ON DELETE SET NULL) ENGINE=InnoDB;
CREATE TABLE shop (shop_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, code VARCHAR(20) NOT NULL,
  FOREIGN KEY (code) REFERENCES town (code) ON UPDATE CASCADE) ENGINE=InnoDB;
CREATE TABLE guest (guest_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, code VARCHAR(20),
  FOREIGN KEY (code) REFERENCES town (code) ON UPDATE SET NULL ON DELETE SET NULL) ENGINE=InnoDB;
CREATE TABLE local_batch (batch_id INT PRIMARY KEY) ENGINE=InnoDB;
CREATE TABLE parcel (parcel_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, batch_id INT,
  FOREIGN KEY (batch_id) REFERENCES local_batch (batch_id) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB;
CREATE TABLE dept (dept_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, head INT) ENGINE=InnoDB;
CREATE TABLE staff (staff_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, dept INT NOT NULL,
  FOREIGN KEY (dept) REFERENCES dept (dept_id) ON DELETE CASCADE) ENGINE=InnoDB;
ALTER TABLE dept ADD FOREIGN KEY (head) REFERENCES staff (staff_id) ON DELETE CASCADE;
INSERT INTO local_batch VALUES (1), (2);`

var keyViews = []string{
	"SELECT code, v FROM region ORDER BY 1", "SELECT code, v FROM town ORDER BY 1", "SELECT code, n, v FROM street ORDER BY 1, 2",
	"SELECT uuid, code FROM house ORDER BY 1", "SELECT uuid, code FROM shop ORDER BY 1", "SELECT uuid, code FROM guest ORDER BY 1",
	"SELECT uuid, batch_id FROM parcel ORDER BY 1",
}

// TestKeyUpdates: a key that travels changes, and with it the keys and references
// of rows three levels below, at one site alone and against what another writes
// meanwhile; and a row outside replication takes replicated ones with it.
//
// Seen to fail without the triggers for ON UPDATE (capture/trigger/cascade.go):
// the rows below keep the old key at the other site, or go with it.
func TestKeyUpdates(t *testing.T) {
	a, b := newSite(t, "first"), newSite(t, "second")
	for _, s := range []*site{a, b} {
		s.exec(keySchema)
	}
	a.init("--tables", "region,town,street,house,shop,guest,parcel")
	a.run()
	a.running()
	b.join(a)
	b.run()
	b.running()
	a.exec(`INSERT INTO region VALUES ('a', 1), ('b', 1), ('c', 1);
		INSERT INTO town VALUES ('a', 1), ('b', 1), ('c', 1);
		INSERT INTO street VALUES ('a', 1, 1), ('a', 2, 1), ('b', 1, 1), ('c', 1, 1);
		INSERT INTO house (uuid, code) VALUES ('h1', 'a'), ('h2', 'b'), ('h3', 'c');
		INSERT INTO shop (uuid, code) VALUES ('s1', 'a'), ('s2', 'b'), ('s3', 'c');
		INSERT INTO guest (uuid, code) VALUES ('g1', 'a'), ('g2', 'b'), ('g3', 'c');
		INSERT INTO parcel (uuid, batch_id) VALUES ('p1', 1), ('p2', 2)`)
	all := func(what string, want map[int]string) {
		t.Helper()
		quiet(t, 3*time.Minute, a, b)
		for i, view := range keyViews {
			if got := same(t, 3*time.Minute, view, a, b); want[i] != "" && got != want[i] {
				t.Errorf("%s: %s gives\n%swant\n%s", what, view, got, want[i])
			}
		}
		for _, s := range []*site{a, b} {
			if st, err := s.status(); err != nil || st.SetAside+st.Held+st.Waiting != 0 {
				t.Errorf("%s: site %s: %v, set aside %d, held %d, waiting %d", what, s.name, err, st.SetAside, st.Held, st.Waiting)
			}
		}
	}
	all("before", nil)

	a.exec("UPDATE region SET code = 'z' WHERE code = 'a'")
	all("another key", map[int]string{
		0: "b\t1\nc\t1\nz\t1\n", 1: "b\t1\nc\t1\nz\t1\n", 2: "b\t1\t1\nc\t1\t1\nz\t1\t1\nz\t2\t1\n",
		3: "h1\tz\nh2\tb\nh3\tc\n", 4: "s1\tz\ns2\tb\ns3\tc\n", 5: "g1\tNULL\ng2\tb\ng3\tc\n",
	})
	if n := a.conflicts().Total; n != 0 {
		t.Errorf("%d conflicts where there is none", n)
	}
	b.exec("UPDATE region SET code = 'Z', v = 2 WHERE code = 'z'")
	all("other letters", map[int]string{0: "b\t1\nc\t1\nZ\t2\n", 1: "b\t1\nc\t1\nZ\t1\n", 3: "h1\tZ\nh2\tb\nh3\tc\n"})

	// What another site has put below the old key meanwhile is as with any
	// deleted row: it goes, reads NULL, or keeps the row of the old key.
	cut(t, []*site{a, b}, func() {
		a.exec("UPDATE region SET code = 'y' WHERE code = 'b'; UPDATE region SET code = 'x' WHERE code = 'c'")
		b.exec("INSERT INTO street VALUES ('b', 9, 1); INSERT INTO house (uuid, code) VALUES ('h9', 'b'); INSERT INTO shop (uuid, code) VALUES ('s9', 'c')")
	})
	all("against inserts", map[int]string{
		0: "c\t1\nx\t1\ny\t1\nZ\t2\n", 1: "c\t1\nx\t1\ny\t1\nZ\t1\n", 2: "x\t1\t1\ny\t1\t1\nZ\t1\t1\nZ\t2\t1\n",
		3: "h1\tZ\nh2\ty\nh3\tx\nh9\tNULL\n", 4: "s1\tZ\ns2\ty\ns3\tx\ns9\tc\n", 5: "g1\tNULL\ng2\tNULL\ng3\tNULL\n",
	})

	a.exec("DELETE FROM local_batch WHERE batch_id = 1")
	all("a row outside replication", map[int]string{6: "p2\t2\n"})
	if got := b.rows("SELECT * FROM local_batch"); got != "1\n2\n" {
		t.Errorf("the other site's own rows are %q", got)
	}
	if !a.server.Flavour().IsMySQL() && !b.server.Flavour().IsMySQL() { // it refuses such circles
		testCircle(t, a, b)
	}
}

// testCircle: deletes that go round a circle of two tables, each several times.
//
// Seen to fail when schema.Walker takes no way through a table twice.
func testCircle(t *testing.T, a, b *site) {
	for _, s := range []*site{a, b} {
		s.must("tables", "add", "--data", s.dir, "dept", "staff")
	}
	chain := func(from, to int) {
		for i := from; i < to; i++ { // a department, one of its staff, who heads the next
			a.exec("INSERT INTO dept (uuid, head) SELECT CONCAT('d', ?), (SELECT staff_id FROM staff WHERE uuid = CONCAT('s', ?))", i, i-1)
			a.exec("INSERT INTO staff (uuid, dept) SELECT CONCAT('s', ?), dept_id FROM dept WHERE uuid = CONCAT('d', ?)", i, i)
		}
		quiet(t, 3*time.Minute, a, b)
	}
	left := func(what, want string) {
		t.Helper()
		quiet(t, 3*time.Minute, a, b)
		view := `SELECT d.uuid, s.uuid FROM dept d LEFT JOIN staff s ON s.staff_id = d.head UNION ALL
			SELECT s.uuid, d.uuid FROM staff s LEFT JOIN dept d ON d.dept_id = s.dept ORDER BY 1`
		if got := same(t, 3*time.Minute, view, a, b); got != want {
			t.Errorf("%s: left are\n%s", what, got)
		}
	}
	chain(1, 5)
	a.exec("DELETE FROM dept WHERE uuid = 'd2'")
	left("three levels round the circle", "d1\tNULL\ns1\td1\n")
	a.exec("UPDATE dept SET head = (SELECT staff_id FROM staff WHERE uuid = 's1') WHERE uuid = 'd1'; DELETE FROM staff WHERE uuid = 's1'")
	left("rows that refer to each other", "")
	for _, s := range []*site{a, b} {
		for _, table := range []string{"dept", "staff"} {
			if list := s.conflicts("--table", table); list.Total != 0 {
				t.Errorf("site %s lists conflicts where there is none: %+v", s.name, list)
			}
		}
	}
	chain(11, 15)
	cut(t, []*site{a, b}, func() {
		a.exec("DELETE FROM dept WHERE uuid = 'd12'")
		b.exec("INSERT INTO staff (uuid, dept) SELECT 's99', dept_id FROM dept WHERE uuid = 'd14'")
	})
	left("against an insert at the end of it", "d11\tNULL\ns11\td11\n")
}
