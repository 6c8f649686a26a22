package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// R6: three sites that are cut off from each other add to one number, which had a
// value before it was a counter.
//
// Seen to fail when increments are shipped as values: "all sites show it"; and
// when rows are not looked at after the declaration.
func testCounter(t *testing.T, a, b, c *site) {
	shown := "SELECT item, quantity, price, few FROM stock ORDER BY item"
	a.exec("INSERT INTO stock (item, quantity, price, few) VALUES ('gauze', 100, 2.50, 100)")
	showEverywhere(t, shown, "gauze\t100\t2.50\t100\n", a, b, c)
	b.must("tables", "set", "--data", b.dir, "stock", "counter=quantity,price", "counter=few")
	eventually(t, 20*time.Second, "all sites have looked at their rows", func() error {
		for _, s := range []*site{a, b, c} {
			if !strings.Contains(s.log.String(), "are counters now") {
				return fmt.Errorf("site %s has not", s.name)
			}
		}
		return nil
	})
	cut(t, []*site{a, b, c}, func() {
		for range 5 {
			a.exec("UPDATE stock SET quantity = quantity - 1 WHERE item = 'gauze'")
		}
		b.exec("UPDATE stock SET quantity = quantity + 50, price = price + 0.25, name = 'Gauze' WHERE item = 'gauze'")
		c.exec("UPDATE stock SET quantity = quantity - 20, price = price * 2 WHERE item = 'gauze'")
		// The same thing counted by two sites, each of which begins at 0.
		for _, s := range []*site{a, c} {
			s.exec("INSERT INTO stock (item, quantity) VALUES ('visits', 1) ON DUPLICATE KEY UPDATE quantity = quantity + 1")
			s.exec("INSERT INTO stock (item, quantity) VALUES ('visits', 1) ON DUPLICATE KEY UPDATE quantity = quantity + 1")
		}
	})
	gauze := "gauze\t125\t5.25\t100\n"
	showEverywhere(t, shown, gauze+"visits\t4\t0.00\t0\n", a, b, c)
	// Deleted and inserted again, it begins anew, and counts on.
	b.exec("DELETE FROM stock WHERE item = 'visits'")
	showEverywhere(t, shown, gauze, a, b, c)
	c.exec("INSERT INTO stock (item, quantity) VALUES ('visits', 7)")
	showEverywhere(t, shown, gauze+"visits\t7\t0.00\t0\n", a, b, c)
	a.exec("UPDATE stock SET quantity = quantity + 1 WHERE item = 'visits'")
	showEverywhere(t, shown, gauze+"visits\t8\t0.00\t0\n", a, b, c)
	// A sum that does not fit is set aside, and fits again when others take away.
	// Other rows may be set aside already, of a table that one site has renamed.
	before := map[*site]int{}
	for _, s := range []*site{a, b, c} {
		st, err := s.status()
		if err != nil {
			t.Fatal(err)
		}
		before[s] = st.SetAside
	}
	cut(t, []*site{a, b, c}, func() {
		a.exec("UPDATE stock SET few = few + 20 WHERE item = 'gauze'")
		b.exec("UPDATE stock SET few = few + 20 WHERE item = 'gauze'")
	})
	eventually(t, 30*time.Second, "what does not fit is set aside", func() error {
		for _, s := range []*site{a, b, c} {
			st, err := s.status()
			if err != nil {
				return err
			}
			if st.SetAside != before[s]+1 {
				return fmt.Errorf("site %s: %d rows are set aside, before %d", s.name, st.SetAside, before[s])
			}
		}
		return nil
	})
	c.exec("UPDATE stock SET few = few - 50 WHERE item = 'gauze'")
	showEverywhere(t, "SELECT few FROM stock WHERE item = 'gauze'", "90\n", a, b, c)
	if _, errs, code := baraza(t, "tables", "set", "--data", a.dir, "person", "counter=weight"); code != 1 || !strings.Contains(errs, "use an integer or a DECIMAL") {
		t.Errorf("a DOUBLE may be a counter: exit %d, %s", code, errs)
	}
	for _, s := range []*site{a, b, c} {
		if n := len(s.conflicts("--table", "stock").Conflicts); n > 0 {
			t.Errorf("site %s lists %d conflicts of what was added", s.name, n)
		}
	}
}
