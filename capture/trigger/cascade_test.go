package trigger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"baraza/capture"
	"baraza/internal/mariadb"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/schema"
)

// region is a natural key that travels through three levels: into primary keys, into
// a plain column, and to where it becomes NULL.
var region = []string{
	"CREATE TABLE region (code VARCHAR(20) PRIMARY KEY, v INT)",
	"CREATE TABLE town (code VARCHAR(20) PRIMARY KEY, v INT, FOREIGN KEY (code) REFERENCES region (code) ON UPDATE CASCADE ON DELETE CASCADE)",
	"CREATE TABLE street (code VARCHAR(20), n INT, v INT, PRIMARY KEY (code, n), FOREIGN KEY (code) REFERENCES town (code) ON UPDATE CASCADE ON DELETE CASCADE)",
	"CREATE TABLE house (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, code VARCHAR(20), v INT, FOREIGN KEY (code) REFERENCES town (code) ON UPDATE CASCADE ON DELETE SET NULL)",
	"CREATE TABLE guest (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, code VARCHAR(20), v INT, FOREIGN KEY (code) REFERENCES town (code) ON UPDATE SET NULL ON DELETE SET NULL)",
	"INSERT INTO region VALUES ('a', 1), ('b', 1)", "INSERT INTO town VALUES ('a', 1), ('b', 1)", "INSERT INTO street VALUES ('a', 1, 1), ('a', 2, 1), ('b', 1, 1)",
	"INSERT INTO house (uuid, code, v) VALUES ('h1', 'a', 1), ('h2', 'b', 1)", "INSERT INTO guest (uuid, code, v) VALUES ('g1', 'a', 1), ('g2', 'b', 1)",
}

// everyCascade runs a test with the ways in which a server runs cascades: MySQL 9.7
// can fire the children's triggers as well.
func everyCascade(t *testing.T, f func(t *testing.T, pre string)) {
	t.Run("beneath", func(t *testing.T) { f(t, "") })
	if mariadb.Default().IsMySQL() {
		t.Run("with the children's triggers", func(t *testing.T) { f(t, "SET enable_cascade_triggers = ON; ") })
	}
}

// Seen to fail without the triggers on UPDATE, and without the copies that
// noteGone makes of what another key replaces.
func TestKeyUpdateThroughThreeLevels(t *testing.T) {
	everyCascade(t, func(t *testing.T, pre string) {
		s := newSite(t, schema.Options{}, region...)
		s.Must(t, pre+"UPDATE region SET v = 2 WHERE code = 'a'; SET @x = 1")
		s.expect("no key", `region a v=2`)
		s.Must(t, pre+"UPDATE region SET code = 'z' WHERE code = 'a'")
		s.expect("another key",
			`region a deleted code="a" v=2`, `region z code="z" v=2`, `town a deleted code=a v=1`, `town z code=z v=1`,
			`street a,1 deleted code=a n=1 v=1`, `street a,2 deleted code=a n=2 v=1`, `street z,1 code=z n=1 v=1`, `street z,2 code=z n=2 v=1`,
			`house h1 code=z`, `guest g1 code=NULL`)
		s.Must(t, pre+"UPDATE region SET code = 'Z' WHERE code = 'z'")
		// The other sites' foreign keys do the same to references.
		rows := slices.DeleteFunc(s.read(), func(r capture.Row) bool { return r.Table != "region" && pre != "" })
		if got := show(rows); got != `region z code="Z"` {
			t.Errorf("other letters: %s", got)
		}
		s.Must(t, pre+"BEGIN; UPDATE street SET v = 9 WHERE n = 2; UPDATE region SET code = 'y' WHERE code = 'z'; UPDATE region SET code = 'x' WHERE code = 'y'; COMMIT")
		s.expect("twice, after a write",
			`region z deleted code="Z" v=2`, `region y code="y" v=2`, `region y deleted code="y" v=2`, `region x code="x" v=2`,
			`town z deleted code=z v=1`, `town y code=y v=1`, `town y deleted code=y v=1`, `town x code=x v=1`,
			`street z,1 deleted code=z n=1 v=1`, `street y,1 code=y n=1 v=1`, `street y,1 deleted code=y n=1 v=1`, `street x,1 code=x n=1 v=1`,
			`street z,2 v=9`, `street z,2 deleted code=z n=2 v=9`, `street y,2 code=y n=2 v=9`, `street y,2 deleted code=y n=2 v=9`, `street x,2 code=x n=2 v=9`,
			`house h1 code=x`)
		s.Must(t, pre+"DELETE FROM region WHERE code = 'x'")
		s.expect("deleted", `region x deleted code="x" v=2`, `town x deleted code=x v=1`,
			`street x,1 deleted code=x n=1 v=1`, `street x,2 deleted code=x n=2 v=9`, `house h1 code=NULL`)
		s.clean()
	})
}

// What was noted and then not done is no change.
//
// Seen to fail without stillThere: the region and all below it counted as deleted.
func TestStatementThatLeavesTheRow(t *testing.T) {
	s := newSite(t, schema.Options{}, append(region,
		"CREATE TABLE mayor (id INT PRIMARY KEY, code VARCHAR(20), FOREIGN KEY (code) REFERENCES region (code))", "INSERT INTO mayor VALUES (1, 'b')", "INSERT INTO region VALUES ('c', 1)")...)
	s.read()
	there := func(what, statement, table, where string) {
		t.Helper()
		s.Must(t, statement)
		count := s.count("SELECT COUNT(*) FROM " + table + " WHERE " + where)
		rows := s.read()
		for _, r := range rows {
			if r.Delete && r.Table == table && count > 0 {
				t.Errorf("%s: %s is there and counts as deleted", what, show(rows))
			}
		}
	}
	for _, table := range []string{"region", "town", "street"} {
		there("an update to a key that another row has", "UPDATE IGNORE region SET code = 'c' WHERE code = 'a'", table, "code = 'a'")
		there("a delete that a foreign key forbids", "DELETE IGNORE FROM region WHERE code = 'b'", table, "code = 'b'")
		there("no foreign keys", "SET foreign_key_checks = 0; UPDATE region SET code = 'q' WHERE code = 'b'; SET foreign_key_checks = 1", table, "code = 'b'")
		s.Must(t, "SET foreign_key_checks = 0; UPDATE region SET code = 'b' WHERE code = 'q'; SET foreign_key_checks = 1")
		s.read()
	}
	s.clean()
}

// References to a unique key, composite keys, and rows whose number alone changes.
func TestKeyUpdateOtherKeys(t *testing.T) {
	everyCascade(t, func(t *testing.T, pre string) {
		s := newSite(t, schema.Options{},
			"CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, code VARCHAR(9) UNIQUE, a INT NOT NULL, b INT NOT NULL, UNIQUE (a, b))",
			"CREATE TABLE bed (id INT PRIMARY KEY, code VARCHAR(9), FOREIGN KEY (code) REFERENCES ward (code) ON UPDATE CASCADE ON DELETE SET NULL)",
			"CREATE TABLE chair (a INT, b INT, n INT, v INT, PRIMARY KEY (a, b, n), FOREIGN KEY (a, b) REFERENCES ward (a, b) ON UPDATE CASCADE)",
			"CREATE TABLE lamp (id INT PRIMARY KEY, a INT, b INT, v INT, FOREIGN KEY (a, b) REFERENCES ward (a, b) ON UPDATE CASCADE)",
			"CREATE TABLE head (id INT PRIMARY KEY, v INT, FOREIGN KEY (id) REFERENCES ward (id) ON UPDATE CASCADE)",
			"CREATE TABLE badge (head INT PRIMARY KEY, v INT, FOREIGN KEY (head) REFERENCES head (id) ON UPDATE CASCADE)",
			"CREATE TABLE note (id INT PRIMARY KEY, head INT, FOREIGN KEY (head) REFERENCES head (id) ON UPDATE CASCADE)",
			"INSERT INTO ward VALUES (1, 'w1', 'c1', 1, 1), (2, 'w2', 'c2', 2, 2)", "INSERT INTO bed VALUES (1, 'c1'), (2, 'c2')", "INSERT INTO chair VALUES (1, 1, 1, 5), (2, 2, 1, 5)",
			"INSERT INTO lamp VALUES (1, 1, 1, 5), (2, 2, 2, 5)", "INSERT INTO head VALUES (1, 1), (2, 2)", "INSERT INTO badge VALUES (1, 1), (2, 2)", "INSERT INTO note VALUES (1, 1), (2, 2)")
		s.read()
		s.Must(t, pre+"UPDATE ward SET code = 'c9' WHERE id = 1")
		// A reference names the row, which is the same: the bed's value at other
		// sites follows the ward's by their own foreign key.
		rows := slices.DeleteFunc(s.read(), func(r capture.Row) bool { return r.Table == "bed" && pre != "" })
		if got := show(rows); got != `ward w1 code="c9"` {
			t.Errorf("a unique key: %s", got)
		}
		s.Must(t, pre+"UPDATE ward SET b = 7 WHERE id = 1")
		s.expect("one of two columns", `ward w1 b=7`, `lamp 1 b=7`, `chair 1,1,1 deleted a=1 b=1 n=1 v=5`, `chair 1,7,1 a=1 b=7 n=1 v=5`)
		// The row of the number is the same; what was written to it before is not lost.
		s.Must(t, pre+"BEGIN; UPDATE head SET v = 8 WHERE id = 1; UPDATE badge SET v = 8 WHERE head = 1; UPDATE ward SET id = 99 WHERE id = 1; COMMIT")
		rows = slices.DeleteFunc(s.read(), func(r capture.Row) bool { return r.Table == "note" && pre != "" })
		if got := show(rows); got != "badge w1 head=w1 v=8\nbadge w1 v=8\nhead w1 id=w1 v=8\nhead w1 v=8\nward w1 uuid=\"w1\" code=\"c9\" a=1 b=7" {
			t.Errorf("a local number: %s", got)
		}
		s.clean()
	})
}

// A column of the identity becomes NULL, and what refers to it in turn.
func TestSetNullGoesOn(t *testing.T) {
	everyCascade(t, func(t *testing.T, pre string) {
		s := newSite(t, schema.Options{Identity: map[string][]string{"named": {"code"}}},
			"CREATE TABLE plan (code VARCHAR(9) PRIMARY KEY)",
			"CREATE TABLE part (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE, FOREIGN KEY (code) REFERENCES plan (code) ON DELETE SET NULL ON UPDATE SET NULL)",
			"CREATE TABLE piece (id INT PRIMARY KEY, code VARCHAR(9), FOREIGN KEY (code) REFERENCES part (code) ON UPDATE CASCADE)",
			"CREATE TABLE named (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE, v INT, FOREIGN KEY (code) REFERENCES plan (code) ON DELETE SET NULL ON UPDATE SET NULL)",
			"INSERT INTO plan VALUES ('a'), ('b')", "INSERT INTO part VALUES (1, 'a'), (2, 'b')", "INSERT INTO piece VALUES (1, 'a'), (2, 'b')", "INSERT INTO named VALUES (1, 'a', 1), (2, 'b', 2)")
		s.read()
		s.Must(t, pre+"DELETE FROM plan WHERE code = 'a'")
		s.expect("deleted", `plan a deleted code="a"`, `part 1 code=NULL`, `piece 1 code=NULL`, `named a deleted code=a v=1`)
		s.Must(t, pre+"UPDATE plan SET code = 'c' WHERE code = 'b'")
		s.expect("another key", `plan b deleted code="b"`, `plan c code="c"`, `part 2 code=NULL`, `piece 2 code=NULL`, `named b deleted code=b v=2`)
		s.clean()
	})
}

// Circles of ON DELETE CASCADE through several tables, one of which refers to
// itself and one of which is not replicated; rows that refer to each other in a
// circle; and SET NULL back to where it began.
//
// Seen to fail when no way goes through a table twice: the deeper rows stay.
func TestCircle(t *testing.T) {
	everyCascade(t, func(t *testing.T, pre string) {
		db := mariadbtest.New(t)
		if mariadb.Default().IsMySQL() && pre == "" {
			db = mariadbtest.NewOn(t, mariadbtest.NewServer(t, mariadb.WithArgs("--innodb-native-foreign-keys=ON")), "app")
		}
		tables := []string{
			"CREATE TABLE dept (id INT PRIMARY KEY, head INT, up INT, best INT, FOREIGN KEY (up) REFERENCES dept (id) ON DELETE CASCADE)",
			"CREATE TABLE staff (id INT PRIMARY KEY, dept INT, FOREIGN KEY (dept) REFERENCES dept (id) ON DELETE CASCADE)",
			"CREATE TABLE out_key (id INT PRIMARY KEY, staff INT, FOREIGN KEY (staff) REFERENCES staff (id) ON DELETE CASCADE)",
			"ALTER TABLE dept ADD FOREIGN KEY (head) REFERENCES out_key (id) ON DELETE CASCADE, ADD FOREIGN KEY (best) REFERENCES staff (id) ON DELETE SET NULL",
			"INSERT INTO dept VALUES (1, NULL, NULL, NULL), (9, NULL, NULL, NULL)", "INSERT INTO staff VALUES (1, 1), (9, 9)", "INSERT INTO out_key VALUES (1, 1), (9, 9)",
			"INSERT INTO dept VALUES (2, 1, NULL, 9), (3, NULL, 2, 1)", "INSERT INTO staff VALUES (3, 3)", "INSERT INTO out_key VALUES (3, 3)",
			"INSERT INTO dept VALUES (4, 3, NULL, NULL)", "INSERT INTO staff VALUES (4, 4)", "UPDATE dept SET best = 4 WHERE id = 9",
		}
		if pre != "" { // MySQL's own layer leaves references to nothing
			db.Must(t, tables...)
			m, err := schema.Load(ctx, db, schema.Options{Tables: []string{"staff"}})
			if err != nil {
				t.Fatal(err)
			}
			if p := schema.Check(m); len(p) != 1 || !p[0].Refused || !strings.Contains(p[0].Text, "innodb_native_foreign_keys=ON") {
				t.Errorf("a circle that the server breaks: %v", p)
			}
			return
		}
		s := newSiteOn(t, db, schema.Options{Exclude: []string{"out_*"}}, tables...)
		s.read()
		s.Must(t, "DELETE FROM dept WHERE id = 1")
		if n := s.count("SELECT COUNT(*) FROM dept"); n != 1 {
			t.Fatalf("%d departments are left", n)
		}
		got := s.read()
		deleted := slices.DeleteFunc(slices.Clone(got), func(r capture.Row) bool { return !r.Delete })
		want := `dept 1 deleted id=1 head=NULL up=NULL best=NULL
dept 2 deleted id=2 head=1 up=NULL best=9
dept 3 deleted id=3 head=NULL up=2 best=1
dept 4 deleted id=4 head=3 up=NULL best=NULL
staff 1 deleted id=1 dept=1
staff 3 deleted id=3 dept=3
staff 4 deleted id=4 dept=4`
		if g := show(deleted); g != want {
			t.Errorf("got\n%s\nwant\n%s", g, want)
		}
		if !slices.ContainsFunc(got, func(r capture.Row) bool {
			return !r.Delete && r.Table == "dept" && string(r.Key) != "" && show([]capture.Row{r}) == "dept 9 best=NULL"
		}) {
			t.Errorf("no SET NULL at the end of it:\n%s", show(got))
		}
		s.Must(t, "UPDATE out_key SET staff = 9 WHERE id = 9", "UPDATE dept SET head = 9 WHERE id = 9", "DELETE FROM staff WHERE id = 9")
		deleted = slices.DeleteFunc(s.read(), func(r capture.Row) bool { return !r.Delete })
		if g := show(deleted); g != "dept 9 deleted id=9 head=9 up=NULL best=NULL\nstaff 9 deleted id=9 dept=9" {
			t.Errorf("rows that refer to each other: %s", g)
		}
		s.clean()
	})
}

// Rows of tables that are not replicated take replicated ones with them, also
// through other such tables, and so do replicated ones through such tables.
//
// Seen to fail with Outside's tables left without triggers.
func TestParentsOutside(t *testing.T) {
	everyCascade(t, func(t *testing.T, pre string) {
		s := newSite(t, schema.Options{Exclude: []string{"out_*"}},
			"CREATE TABLE out_top (id INT PRIMARY KEY, t TEXT)",
			"CREATE TABLE out_mid (code VARCHAR(9) PRIMARY KEY, top INT, FOREIGN KEY (top) REFERENCES out_top (id) ON DELETE CASCADE)",
			"CREATE TABLE item (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, code VARCHAR(9), FOREIGN KEY (code) REFERENCES out_mid (code) ON DELETE CASCADE ON UPDATE CASCADE)",
			"CREATE TABLE owner (id INT PRIMARY KEY)",
			"CREATE TABLE out_link (id INT PRIMARY KEY, owner INT, FOREIGN KEY (owner) REFERENCES owner (id) ON DELETE CASCADE)",
			"CREATE TABLE pet (id INT PRIMARY KEY, link INT, FOREIGN KEY (link) REFERENCES out_link (id) ON DELETE SET NULL)",
			"CREATE TABLE out_alone (id INT PRIMARY KEY)")
		want := map[string][]string{"out_top": {"item"}, "out_mid": {"item"}, "out_link": {"pet"}}
		if got := Outside(s.model); !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("tables outside: %v, want %v", got, want)
		}
		s.Must(t, "INSERT INTO out_top VALUES (1, 'x'), (2, 'x')", "INSERT INTO out_mid VALUES ('a', 1), ('b', 1), ('c', 2)",
			"INSERT INTO item (uuid, code) VALUES ('i1', 'a'), ('i2', 'b'), ('i3', 'c')",
			"INSERT INTO owner VALUES (1), (2)", "INSERT INTO out_link VALUES (1, 1), (2, 2)", "INSERT INTO pet VALUES (1, 1), (2, 2)")
		s.read()
		s.Must(t, pre+"UPDATE out_mid SET code = 'z' WHERE code = 'a'")
		s.expect("another key", `item i1 code=z`)
		s.Must(t, pre+"DELETE FROM out_top WHERE id = 1")
		s.expect("two levels", `item i1 deleted uuid="i1" code=z`, `item i2 deleted uuid="i2" code=b`)
		s.Must(t, pre+"DELETE FROM owner WHERE id = 1")
		s.expect("through a table outside", `owner 1 deleted id=1`, `pet 1 link=NULL`)
		s.Must(t, pre+"DELETE FROM out_link WHERE id = 2", "UPDATE out_top SET t = 'y'", "DELETE FROM out_alone")
		s.expect("straight", `pet 2 link=NULL`)
		s.clean()
		if got := s.state(); got != "" {
			t.Errorf("just installed: %s", got)
		}
		s.opts.Exclude = []string{"out_*", "item"}
		s.install()
		if n := s.count("SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE IN ('out_top', 'out_mid')"); n != 0 {
			t.Errorf("%d triggers are left on tables above one that is not replicated any more", n)
		}
		if err := Uninstall(ctx, s.own); err != nil {
			t.Fatal(err)
		}
		if n := s.count("SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"); n != 0 {
			t.Errorf("%d triggers are left", n)
		}
	})
}

// What one row of the log stands for is read in parts, each as large as was asked
// for, and none twice.
//
// Seen to fail with all the rows of a log row in one part, and with where() that
// begins anew in every part (it never ends).
func TestDeleteInParts(t *testing.T) {
	const children, limit = 1300, 100
	s := newSite(t, schema.Options{},
		"CREATE TABLE parent (id INT PRIMARY KEY)", "CREATE TABLE child (id INT PRIMARY KEY, parent INT, v INT, FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE)",
		"INSERT INTO parent VALUES (1), (2), (3)")
	s.Must(t, fmt.Sprintf("INSERT INTO child (id, parent, v) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT i, 1, i FROM n", children-400), "INSERT INTO child SELECT id + 5000, 2, v FROM child WHERE id <= 400")
	s.read()
	s.Must(t, "UPDATE child SET v = -1 WHERE id = 77", "DELETE FROM parent WHERE id = 1", "DELETE FROM parent WHERE id = 2", "UPDATE parent SET id = 4 WHERE id = 3", "INSERT INTO child VALUES (5, 4, 0)")
	r, err := s.src.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	deleted, parts := map[string]int{}, 0
	var ids capture.IDs
	times := map[int64]bool{}
	for {
		part, err := r.Next(ctx, limit)
		if err != nil {
			t.Fatal(err)
		}
		if part == nil {
			break
		}
		parts++
		ids = append(ids, part.IDs...)
		if len(part.Rows) > 2*limit {
			t.Errorf("part %d has %d rows", parts, len(part.Rows))
		}
		var timed uint64
		for _, at := range part.Times {
			times[at.At] = true
			timed += at.Last - at.First + 1
		}
		if timed != part.IDs.Len() {
			t.Errorf("part %d has %d log rows, and says of %d when they were made", parts, part.IDs.Len(), timed)
		}
		for _, row := range part.Rows {
			if row.Delete {
				deleted[row.Table+" "+string(row.Key)]++
				if !times[row.At] {
					t.Errorf("%s: no log row read by then was made at %d", row.Key, row.At)
				}
			}
		}
	}
	if want := children - 1 + 3; len(deleted) != want || parts < children/limit { // child 5 is there again
		t.Errorf("%d rows deleted in %d parts, want %d", len(deleted), parts, want)
	}
	for key, n := range deleted {
		if n != 1 {
			t.Errorf("%q was deleted %d times", key, n)
		}
	}
	if err := s.src.Release(ctx, ids); err != nil {
		t.Fatal(err)
	}
	s.clean()
}
