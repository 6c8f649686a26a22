package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestPromises runs the promises on one network of three sites, because
// starting servers is what takes the time.
func TestPromises(t *testing.T) {
	sites := threeSites(t)
	a, b, c := sites[0], sites[1], sites[2]
	for _, step := range []struct {
		name string
		run  func(t *testing.T, a, b, c *site)
	}{
		{"different columns both stay", testColumns},
		{"same column: one wins, the other is recorded", testConflict},
		{"delete against edit", testDeleteAgainstEdit},
		{"deleted stays deleted", testDeletedStays},
		{"a transaction is never half visible", testAtomic},
		{"a site alone is whole", testAlone},
		{"one bad row stops nothing", testBadRow},
		{"a row waits for its parent, alone", testUnique},
		{"relaying: two sites that never meet", testRelay},
		{"a cut heals by itself", testCutHeals},
		{"nothing echoes", testNoEcho},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			for _, s := range sites {
				s.t = t
			}
			step.run(t, a, b, c)
			for _, view := range testViews {
				same(t, 30*time.Second, view, sites...)
			}
		})
		for _, s := range sites {
			s.t = t
		}
		if !ok {
			break
		}
	}
}

func (s *site) person(uuid, name string) {
	s.t.Helper()
	s.exec("INSERT INTO person (uuid, name) VALUES (?, ?)", uuid, name)
}

func uuidOf(n int) string { return fmt.Sprintf("10000000-0000-4000-8000-%012d", n) }

// cut takes the line between all sites away and runs f; then it gives it back.
func cut(t *testing.T, sites []*site, f func()) {
	t.Helper()
	for _, s := range sites {
		s.relay.Cut()
	}
	f()
	for _, s := range sites {
		s.relay.Heal()
	}
}

// Seen to fail when the merge takes whole rows instead of columns.
func testColumns(t *testing.T, a, b, c *site) {
	a.person(uuidOf(1), "Amina")
	quiet(t, 20*time.Second, a, b, c)
	cut(t, []*site{a, b, c}, func() {
		a.exec("UPDATE person SET phone = '111' WHERE uuid = ?", uuidOf(1))
		b.exec("UPDATE person SET weight = 61.5 WHERE uuid = ?", uuidOf(1))
	})
	quiet(t, 40*time.Second, a, b, c)
	if got := same(t, time.Second, "SELECT phone, weight FROM person WHERE uuid = '"+uuidOf(1)+"'", a, b, c); got != "111\t61.5\n" {
		t.Errorf("merged to %q", got)
	}
	if n := a.conflicts().Total; n != 0 {
		t.Errorf("%d conflicts where there is none", n)
	}
}

// Seen to fail when losses are not recorded, and when Prior is ignored.
func testConflict(t *testing.T, a, b, c *site) {
	cut(t, []*site{a, b, c}, func() {
		a.exec("UPDATE person SET phone = 'from a' WHERE uuid = ?", uuidOf(1))
		time.Sleep(20 * time.Millisecond)
		b.exec("UPDATE person SET phone = 'from b' WHERE uuid = ?", uuidOf(1))
	})
	quiet(t, 40*time.Second, a, b, c)
	if got := c.value("SELECT phone FROM person WHERE uuid = ?", uuidOf(1)); got != "from b" {
		t.Errorf("phone is %q, want the later write", got)
	}
	want := ""
	for _, s := range []*site{a, b, c} {
		list := s.conflicts()
		if len(list.Conflicts) != 1 {
			t.Fatalf("site %s lists %d conflicts, want 1: %+v", s.name, len(list.Conflicts), list)
		}
		k := list.Conflicts[0]
		if k.Table != "person" || k.Column != "phone" || !strings.Contains(k.Lost.Value, "from a") || !strings.Contains(k.Won.Value, "from b") || k.Lost.Site != a.name || k.Won.Site != b.name {
			t.Errorf("site %s: %+v", s.name, k)
		}
		if got := fmt.Sprintf("%+v", k); want == "" {
			want = got
		} else if got != want {
			t.Errorf("conflicts differ:\n%s\n%s", want, got)
		}
		s.must("conflicts", "show", "--data", s.dir, k.ID)
	}
	// Whoever has seen both and writes knows what he overwrites.
	c.exec("UPDATE person SET phone = 'settled' WHERE uuid = ?", uuidOf(1))
	quiet(t, 20*time.Second, a, b, c)
	if list := a.conflicts(); len(list.Conflicts) != 1 {
		t.Errorf("a knowing write made a conflict: %+v", list.Conflicts)
	}
}

// Seen to fail when the tombstone does not keep the values.
func testDeleteAgainstEdit(t *testing.T, a, b, c *site) {
	a.person(uuidOf(2), "edited later")
	a.person(uuidOf(3), "edited earlier")
	a.exec("UPDATE person SET notes = 'kept with the row' WHERE uuid = ?", uuidOf(2))
	quiet(t, 20*time.Second, a, b, c)
	cut(t, []*site{a, b, c}, func() {
		b.exec("UPDATE person SET phone = '3' WHERE uuid = ?", uuidOf(3))
		time.Sleep(20 * time.Millisecond)
		a.exec("DELETE FROM person WHERE uuid IN (?, ?)", uuidOf(2), uuidOf(3))
		time.Sleep(20 * time.Millisecond)
		b.exec("UPDATE person SET phone = '2' WHERE uuid = ?", uuidOf(2))
	})
	quiet(t, 40*time.Second, a, b, c)
	got := same(t, time.Second, "SELECT uuid, name, phone, notes FROM person WHERE uuid IN ('"+uuidOf(2)+"', '"+uuidOf(3)+"')", a, b, c)
	if want := uuidOf(2) + "\tedited later\t2\tkept with the row\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if list := c.conflicts(); len(list.Conflicts) != 3 {
		t.Errorf("want the conflict from before, the lost delete and the lost edit, got %+v", list.Conflicts)
	}
}

func testDeletedStays(t *testing.T, a, b, c *site) {
	a.person(uuidOf(4), "to go")
	quiet(t, 20*time.Second, a, b, c)
	c.stop()
	a.exec("DELETE FROM person WHERE uuid = ?", uuidOf(4))
	quiet(t, 20*time.Second, a, b)
	c.run()
	c.running()
	quiet(t, 40*time.Second, a, b, c)
	if got := c.value("SELECT COUNT(*) FROM person WHERE uuid = ?", uuidOf(4)); got != "0" {
		t.Error("a deleted row came back")
	}
}

// Seen to fail when a batch is applied in several transactions.
func testAtomic(t *testing.T, a, b, c *site) {
	a.person(uuidOf(5), "pairs")
	a.exec("INSERT INTO patient SELECT person_id, 'F5' FROM person WHERE uuid = ?", uuidOf(5))
	quiet(t, 20*time.Second, a, b, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			tx, err := a.db.Begin()
			if err != nil {
				t.Error(err)
				return
			}
			for half := range 2 {
				if _, err := tx.Exec(`INSERT INTO visit (uuid, patient_id, half, note) SELECT ?, person_id, ?, 'pair' FROM person WHERE uuid = ?`,
					fmt.Sprintf("20000000-0000-4000-800%d-%012d", half, i), half, uuidOf(5)); err != nil {
					t.Error(err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		}
	}()
	for looks := 0; ; looks++ {
		for _, s := range []*site{b, c} {
			if got := s.value("SELECT COALESCE(SUM(half = 0), 0) - COALESCE(SUM(half = 1), 0) FROM visit WHERE note = 'pair'"); got != "0" {
				t.Fatalf("site %s shows half a transaction: %s", s.name, got)
			}
		}
		select {
		case <-done:
			if looks < 20 {
				t.Errorf("looked only %d times", looks)
			}
			quiet(t, 20*time.Second, a, b, c)
			if got := c.value("SELECT COUNT(*) FROM visit WHERE note = 'pair'"); got != "400" {
				t.Errorf("%s rows, want 400", got)
			}
			return
		default:
		}
	}
}

func testAlone(t *testing.T, a, b, c *site) {
	b.kill()
	c.kill()
	a.kill()
	at := time.Now().UTC()
	a.exec("UPDATE person SET notes = 'written while baraza was down' WHERE uuid = ?", uuidOf(1))
	time.Sleep(1500 * time.Millisecond)
	for _, s := range []*site{a, b, c} {
		s.run()
	}
	for _, s := range []*site{a, b, c} {
		s.running()
	}
	quiet(t, 40*time.Second, a, b, c)
	if got := c.value("SELECT notes FROM person WHERE uuid = ?", uuidOf(1)); !strings.HasPrefix(got, "written while") {
		t.Errorf("notes are %q", got)
	}
	// The stamp is when it was written, not when it was noticed.
	cut(t, []*site{a, b, c}, func() {
		c.kill()
		c.exec("UPDATE person SET born = '2001-01-01' WHERE uuid = ?", uuidOf(1))
		time.Sleep(50 * time.Millisecond)
		a.exec("UPDATE person SET born = '2002-02-02' WHERE uuid = ?", uuidOf(1))
		time.Sleep(50 * time.Millisecond)
		c.run()
		c.running()
	})
	quiet(t, 40*time.Second, a, b, c)
	if got := c.value("SELECT born FROM person WHERE uuid = ?", uuidOf(1)); got != "2002-02-02" {
		t.Errorf("born is %s: the earlier write won (%s)", got, at)
	}
}

// Seen to fail when a refused row fails its transaction.
func testBadRow(t *testing.T, a, b, c *site) {
	b.exec("ALTER TABLE person MODIFY phone VARCHAR(10)")
	a.exec("INSERT INTO person (uuid, phone) VALUES (?, 'too long for the narrower column')", uuidOf(6))
	a.person(uuidOf(7), "short")
	eventually(t, 20*time.Second, "the other row arrives", func() error {
		if got := b.value("SELECT COUNT(*) FROM person WHERE uuid = ?", uuidOf(7)); got != "1" {
			return fmt.Errorf("not there")
		}
		st, err := b.status()
		if err == nil && st.SetAside != 1 {
			err = fmt.Errorf("%d rows set aside, want 1", st.SetAside)
		}
		return err
	})
	b.exec("ALTER TABLE person MODIFY phone VARCHAR(40)")
}

func testUnique(t *testing.T, a, b, c *site) {
	cut(t, []*site{a, b, c}, func() {
		a.exec("INSERT INTO badge (uuid, number) VALUES (?, 'B1')", uuidOf(8))
		b.exec("INSERT INTO badge (uuid, number) VALUES (?, 'B1')", uuidOf(9))
		b.exec("INSERT INTO badge (uuid, number) VALUES (?, 'B2')", uuidOf(10))
	})
	eventually(t, 40*time.Second, "the rest flows", func() error {
		for _, s := range []*site{a, c} {
			if got := s.value("SELECT COUNT(*) FROM badge WHERE number = 'B2'"); got != "1" {
				return fmt.Errorf("site %s lacks it", s.name)
			}
		}
		for _, s := range []*site{a, b} {
			if st, err := s.status(); err != nil || st.Held == 0 {
				return fmt.Errorf("site %s: held %d, %v", s.name, st.Held, err)
			}
		}
		return nil
	})
	// One of the two gives the number up: the other comes in by itself.
	b.exec("UPDATE badge SET number = 'B3' WHERE uuid = ?", uuidOf(9))
	eventually(t, 40*time.Second, "no row is held", func() error {
		for _, s := range []*site{a, b, c} {
			if st, err := s.status(); err != nil || st.Held != 0 {
				return fmt.Errorf("site %s: held %d, %v", s.name, st.Held, err)
			}
		}
		return nil
	})
}

// testRelay: nobody can dial a or c; both dial b.
func testRelay(t *testing.T, a, b, c *site) {
	a.relay.Cut()
	c.relay.Cut()
	for _, s := range []*site{a, c} { // connections that others dialled are gone now
		s.stop()
		s.run()
		s.running()
	}
	a.person(uuidOf(11), "by way of b")
	c.person(uuidOf(12), "by way of b")
	quiet(t, 40*time.Second, a, b, c)
	for _, s := range []*site{a, c} {
		st, err := s.status()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range st.Peers {
			if p.State == "connected" && p.Site != b.name {
				t.Errorf("site %s is connected to %s, so this tests nothing", s.name, p.Site)
			}
		}
	}
	a.relay.Heal()
	c.relay.Heal()
}

// testCutHeals: longer than the failure detector's patience, then back within
// 30 s of the line.
func testCutHeals(t *testing.T, a, b, c *site) {
	cut(t, []*site{a, b, c}, func() {
		a.person(uuidOf(13), "during the cut")
		eventually(t, 60*time.Second, "the cut is noticed", func() error {
			st, err := a.status()
			if err != nil {
				return err
			}
			for _, p := range st.Peers {
				if p.State == "connected" {
					return fmt.Errorf("%s still counts as connected", p.Site)
				}
			}
			return nil
		})
		time.Sleep(20 * time.Second)
	})
	start := time.Now()
	eventually(t, 30*time.Second, "it heals by itself", func() error {
		for _, s := range []*site{b, c} {
			if got := s.value("SELECT COUNT(*) FROM person WHERE uuid = ?", uuidOf(13)); got != "1" {
				return fmt.Errorf("site %s lacks the row", s.name)
			}
		}
		return nil
	})
	t.Logf("healed %s after the line came back", time.Since(start).Round(100*time.Millisecond))
}

// testNoEcho: what was applied is not captured again.
func testNoEcho(t *testing.T, a, b, c *site) {
	quiet(t, 20*time.Second, a, b, c)
	before, err := a.status()
	if err != nil {
		t.Fatal(err)
	}
	a.person(uuidOf(14), "once")
	quiet(t, 20*time.Second, a, b, c)
	time.Sleep(time.Second)
	after, err := a.status()
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range after.Vector {
		want := before.Vector[id]
		if id == after.ID {
			want++
		}
		if n != want {
			t.Errorf("origin %s went from %d to %d entries, want %d", id[:8], before.Vector[id], n, want)
		}
	}
}
