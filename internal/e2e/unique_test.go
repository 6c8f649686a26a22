package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// showEverywhere waits until all sites show the same, and that.
func showEverywhere(t *testing.T, query, want string, sites ...*site) {
	t.Helper()
	eventually(t, 30*time.Second, "all sites show it", func() error {
		for _, s := range sites {
			if got := s.rows(query); got != want {
				return fmt.Errorf("site %s shows\n%s, want\n%s", s.name, got, want)
			}
		}
		return nil
	})
}

// R5, as the administrator of any site sets it for all.
//
// The setting travels as data, and rows that are held are placed again after it.
func testUniqueWays(t *testing.T, a, b, c *site) {
	first, second := uuidOf(31), uuidOf(32)
	shown := fmt.Sprintf("SELECT uuid, IFNULL(IF(number LIKE 'W1~____', 'W1~', number), '-') FROM badge WHERE uuid IN ('%s', '%s') ORDER BY uuid", first, second)
	cut(t, []*site{a, b, c}, func() {
		a.exec("INSERT INTO badge (uuid, number) VALUES (?, 'W1')", first)
		time.Sleep(20 * time.Millisecond)
		b.exec("INSERT INTO badge (uuid, number) VALUES (?, 'w1')", second) // the same by the collation
	})
	row := func(uuid, number string) string { return uuid + "\t" + number + "\n" }
	showEverywhere(t, shown, row(first, "W1")+row(second, "-"), a, b, c)
	c.must("tables", "set", "--data", c.dir, "badge", "unique=mark")
	showEverywhere(t, shown, row(first, "W1")+row(second, "W1~"), a, b, c)
	b.must("tables", "set", "--data", b.dir, "badge", "unique=hold")
	showEverywhere(t, shown, row(first, "W1"), a, b, c)
	for _, s := range []*site{a, b, c} {
		if out := s.must("tables", "list", "--data", s.dir); !strings.Contains(out, "unique=hold") {
			t.Errorf("site %s lists\n%s", s.name, out)
		}
	}
	// A row that is held comes back by itself when the other goes.
	a.exec("DELETE FROM badge WHERE uuid = ?", first)
	showEverywhere(t, shown, row(second, "w1"), a, b, c)
	a.must("tables", "set", "--data", a.dir, "badge", "unique=null")
	if _, errs, code := baraza(t, "tables", "set", "--data", a.dir, "bill", "unique=hold"); code != 1 || !strings.Contains(errs, "refers to them") {
		t.Errorf("rows that others refer to may be held: exit %d, %s", code, errs)
	}
}

// A number that must be there can neither be NULL nor marked. Which row is held
// is the same at every site, whichever was there first.
//
// A row that is in its table when the earlier one comes leaves it.
func testHeldNumber(t *testing.T, a, b, c *site) {
	first, second := uuidOf(33), uuidOf(34)
	shown := fmt.Sprintf("SELECT uuid, number FROM locker WHERE uuid IN ('%s', '%s') ORDER BY uuid", first, second)
	cut(t, []*site{a, b, c}, func() {
		a.exec("INSERT INTO locker (uuid, number) VALUES (?, 7)", first)
		time.Sleep(20 * time.Millisecond)
		b.exec("INSERT INTO locker (uuid, number) VALUES (?, 7)", second)
	})
	showEverywhere(t, shown, first+"\t7\n", a, b, c)
	c.exec("UPDATE locker SET number = 8 WHERE uuid = ?", first)
	showEverywhere(t, shown, first+"\t8\n"+second+"\t7\n", a, b, c)
	// Two rows swap theirs in one transaction: that is no clash.
	tx, err := c.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		number int
		uuid   string
	}{{9, first}, {8, second}, {7, first}} {
		if _, err := tx.Exec("UPDATE locker SET number = ? WHERE uuid = ?", step.number, step.uuid); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	showEverywhere(t, shown, first+"\t7\n"+second+"\t8\n", a, b, c)
}
