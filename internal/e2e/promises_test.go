package e2e

import (
	"errors"
	"fmt"
	"slices"
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
		{"references and unique keys hold at every moment", testReferences},
		{"what refers to a deleted row", testOnDelete},
		{"a site alone is whole", testAlone},
		{"a stamp is when it was written", testStampTime},
		{"one bad row stops nothing", testBadRow},
		{"one missing table stops nothing", testBadTable},
		{"a taken unique value holds one row", testUnique},
		{"what shows of it is set for all sites", testUniqueWays},
		{"a number that is taken is held everywhere", testHeldNumber},
		{"a counter adds up what everyone adds", testCounter},
		{"relaying: two sites that never meet", testRelay},
		{"a site that moves is found", testMoves},
		{"a cut heals by itself", testCutHeals},
		{"the application is told", testHooks},
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

// Promise 1.
//
// Seen to fail when crdt.Row.Apply compares a write with the row's greatest
// stamp instead of the column's: the phone stayed at one site only.
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

// Promises 1 and 2.
//
// Seen to fail when crdt.Row never adds a loss: "lists 0 conflicts, want 1".
// With the stamps ignored that a writer had seen (Prior), the subtest before
// this one fails: a conflict where there is none.
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

// Promise 1.
//
// Seen to fail when the state of a deleted row does not keep its values: the
// row that a later write brought back differed between the sites.
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

// Promise 6: also when a site comes back with a write older than the delete.
//
// Seen to fail when any write brings a row back, without a look at the
// delete's stamp: "1 deleted rows came back", at two of the sites only.
func testDeletedStays(t *testing.T, a, b, c *site) {
	a.person(uuidOf(4), "to go")
	a.person(uuidOf(15), "to go")
	quiet(t, 20*time.Second, a, b, c)
	c.stop()
	// Nobody hears of this write before the delete that is later.
	c.exec("UPDATE person SET notes = 'edited before' WHERE uuid = ?", uuidOf(15))
	time.Sleep(20 * time.Millisecond)
	a.exec("DELETE FROM person WHERE uuid IN (?, ?)", uuidOf(4), uuidOf(15))
	quiet(t, 20*time.Second, a, b)
	b.stop() // nor does it help to forget
	b.run()
	b.running()
	c.run()
	c.running()
	quiet(t, 40*time.Second, a, b, c)
	for _, s := range []*site{a, b, c} {
		if got := s.value("SELECT COUNT(*) FROM person WHERE uuid IN (?, ?)", uuidOf(4), uuidOf(15)); got != "0" {
			t.Errorf("%s deleted rows came back at site %s", got, s.name)
		}
		st, err := s.status()
		if err != nil || st.Waiting+st.SetAside != 0 {
			t.Errorf("site %s: %v, waiting %d, set aside %d", s.name, err, st.Waiting, st.SetAside)
		}
	}
}

// Promise 3.
//
// Seen to fail when the insert of each row is committed by itself: "shows half
// a transaction".
func testAtomic(t *testing.T, a, b, c *site) {
	a.person(uuidOf(5), "pairs")
	a.exec("INSERT INTO patient SELECT person_id, 'F5' FROM person WHERE uuid = ?", uuidOf(5))
	quiet(t, 20*time.Second, a, b, c)
	done := make(chan error, 1)
	go func() { done <- writePairs(a, 200) }()
	for looks := 0; ; looks++ {
		for _, s := range []*site{b, c} {
			if got := s.value("SELECT COALESCE(SUM(half = 0), 0) - COALESCE(SUM(half = 1), 0) FROM visit WHERE note = 'pair'"); got != "0" {
				<-done
				t.Fatalf("site %s shows half a transaction: %s", s.name, got)
			}
		}
		select {
		case err := <-done:
			if err != nil || looks < 20 {
				t.Errorf("looked only %d times; %v", looks, err)
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

// writePairs writes two rows a transaction.
func writePairs(s *site, pairs int) error {
	for i := range pairs {
		tx, err := s.db.Begin()
		if err != nil {
			return err
		}
		for half := range 2 {
			if _, err := tx.Exec(`INSERT INTO visit (uuid, patient_id, half, note) SELECT ?, person_id, ?, 'pair' FROM person WHERE uuid = ?`,
				fmt.Sprintf("20000000-0000-4000-800%d-%012d", half, i), half, uuidOf(5)); err != nil {
				_ = tx.Rollback() // the first error says more
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// Promise 9: a row.
//
// Seen to fail when a row that the server refuses is an error of its
// transaction: the other row did not arrive.
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
		if alarms := strings.Join(st.Alarms, "\n"); err == nil && !strings.Contains(alarms, "the first: table person, key "+uuidOf(6)) {
			err = fmt.Errorf("the row is not named: %q", alarms)
		}
		return err
	})
	b.exec("ALTER TABLE person MODIFY phone VARCHAR(40)")
}

// Promise 9: a table. What comes for one that a site has lost, or renamed, is
// kept until it is back.
//
// Seen to fail when the engine takes the server's "no such table" for a
// failing database and does not read the tables again: nothing arrived any more.
func testBadTable(t *testing.T, a, b, c *site) {
	b.exec("RENAME TABLE badge TO badge_away")
	a.exec("INSERT INTO badge (uuid, number) VALUES (?, 'B0')", uuidOf(16))
	a.person(uuidOf(17), "in another table")
	b.person(uuidOf(18), "from the site that lacks a table")
	eventually(t, 20*time.Second, "the other tables' rows arrive", func() error {
		if got := b.value("SELECT COUNT(*) FROM person WHERE uuid = ?", uuidOf(17)); got != "1" {
			st, err := b.status()
			return errors.Join(fmt.Errorf("not at %s: %v", b.name, st.Alarms), err)
		}
		if got := c.value("SELECT COUNT(*) FROM person WHERE uuid = ?", uuidOf(18)); got != "1" {
			return fmt.Errorf("not at %s", c.name)
		}
		return nil
	})
	b.exec("RENAME TABLE badge_away TO badge")
	b.stop() // a table that is back is noticed at the next start
	b.run()
	b.running()
	eventually(t, 20*time.Second, "the row comes in with its table", func() error {
		if got := b.value("SELECT COUNT(*) FROM badge WHERE uuid = ?", uuidOf(16)); got != "1" {
			return fmt.Errorf("not at %s", b.name)
		}
		return nil
	})
}

// Promises 5 and 9.
//
// Seen to fail when held rows are tried again neither when a value gets free nor
// later: "no row is held: site south: held 1".
func testUnique(t *testing.T, a, b, c *site) {
	shown := fmt.Sprintf("SELECT uuid, IFNULL(number, '-') FROM badge WHERE uuid IN ('%s', '%s', '%s') ORDER BY uuid", uuidOf(8), uuidOf(9), uuidOf(10))
	cut(t, []*site{a, b, c}, func() {
		a.exec("INSERT INTO badge (uuid, number) VALUES (?, 'B1')", uuidOf(8))
		time.Sleep(20 * time.Millisecond)
		b.exec("INSERT INTO badge (uuid, number) VALUES (?, 'B1')", uuidOf(9))
		b.exec("INSERT INTO badge (uuid, number) VALUES (?, 'B2')", uuidOf(10))
	})
	eventually(t, 40*time.Second, "the rest flows", func() error {
		for _, s := range []*site{a, c} {
			if got := s.value("SELECT COUNT(*) FROM badge WHERE number = 'B2'"); got != "1" {
				return fmt.Errorf("site %s lacks it", s.name)
			}
		}
		for _, s := range []*site{a, b, c} {
			st, err := s.status()
			if err != nil {
				return fmt.Errorf("site %s: %w", s.name, err)
			}
			if st.Held != 1 {
				return fmt.Errorf("site %s: held %d", s.name, st.Held)
			}
		}
		return nil
	})
	want := uuidOf(8) + "\tB1\n" + uuidOf(9) + "\t-\n" + uuidOf(10) + "\tB2\n"
	if got := same(t, 20*time.Second, shown, a, b, c); got != want {
		t.Errorf("the sites show\n%s, want\n%s", got, want)
	}
	for _, s := range []*site{a, b, c} {
		var held []string
		for _, k := range s.conflicts("--table", "badge").Conflicts {
			if k.Rule == "R5" {
				held = append(held, k.Key+" "+k.Column+" "+k.Lost.Value)
			}
		}
		if len(held) != 1 || !strings.HasSuffix(held[0], `number "B1"`) {
			t.Errorf("site %s lists %q", s.name, held)
		}
	}
	// The one gives the number up: the other has it back by itself.
	a.exec("UPDATE badge SET number = 'B3' WHERE uuid = ?", uuidOf(8))
	eventually(t, 40*time.Second, "no row is held", func() error {
		for _, s := range []*site{a, b, c} {
			st, err := s.status()
			if err != nil {
				return fmt.Errorf("site %s: %w", s.name, err)
			}
			if st.Held != 0 {
				return fmt.Errorf("site %s: held %d", s.name, st.Held)
			}
		}
		return nil
	})
	want = uuidOf(8) + "\tB3\n" + uuidOf(9) + "\tB1\n" + uuidOf(10) + "\tB2\n"
	if got := same(t, 20*time.Second, shown, a, b, c); got != want {
		t.Errorf("the sites show\n%s, want\n%s", got, want)
	}
}

// testRelay: nobody can dial a or c; both dial b. What they write passes by way
// of b even when b's own database is dead.
//
// Promise 9: a site.
//
// Seen to fail when a site sends on only its own entries: "south has 1 of
// 98871f29, site north has 0".
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
	b.server.Kill()
	a.person(uuidOf(19), "past a dead database")
	c.person(uuidOf(20), "past a dead database")
	eventually(t, 15*time.Second, "the others go on", func() error {
		for s, uuid := range map[*site]string{a: uuidOf(20), c: uuidOf(19)} {
			if got := s.value("SELECT COUNT(*) FROM person WHERE uuid = ?", uuid); got != "1" {
				return fmt.Errorf("site %s lacks %s", s.name, uuid)
			}
		}
		return nil
	})
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
	if err := b.server.Restart(); err != nil {
		t.Fatal(err)
	}
	quiet(t, 40*time.Second, a, b, c)
	a.relay.Heal()
	c.relay.Heal()
}

// testMoves: a site that starts at another address is found there by those that
// were up, and by one that was down; and back.
//
// Seen to fail when sites do not announce where they are (node's announce):
// "the others know where it is: not within 40s: site east knows it at …".
func testMoves(t *testing.T, a, b, c *site) {
	moved := freeAddress(t)
	a.stop()
	b.stop()
	b.relay.Cut() // there is nobody at the old address
	knownAt := func(where string, sites ...*site) {
		t.Helper()
		eventually(t, 40*time.Second, "the others know where it is", func() error {
			for _, s := range sites {
				st, err := s.status()
				if err != nil {
					return err
				}
				for _, p := range st.Peers {
					if p.Site == b.name && !slices.Equal(p.Addresses, []string{where}) {
						return fmt.Errorf("site %s knows it at %q", s.name, p.Addresses)
					}
				}
			}
			return nil
		})
	}
	b.run("--listen", moved, "--advertise", moved)
	b.running()
	knownAt(moved, c)
	a.run()
	a.running()
	knownAt(moved, a, c)
	a.person(uuidOf(21), "to the new address")
	b.person(uuidOf(22), "from the new address")
	quiet(t, 40*time.Second, a, b, c)
	b.stop()
	b.relay.Heal()
	b.run()
	b.running()
	knownAt(b.relay.Addr(), a, c)
	quiet(t, 40*time.Second, a, b, c)
}

// testCutHeals: longer than the failure detector's patience, then back within
// 30 s of the line.
//
// Two mechanisms heal a cut: the dialler goes on by itself, and the membership
// makes it try when it finds a site again (node/hints.go). Seen to fail when
// neither does (node.broken, both set): "it heals by itself: not within 30s: site
// south lacks the row". With one of the two it passes; node's
// TestEachMechanismHeals holds each of them to it alone.
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
	soon(t, 30*time.Second, "it heals by itself", func() error {
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
//
// Seen to fail when the triggers do not test @baraza_apply: "origin 802ad8c3
// went from 3 to 4 entries, want 3".
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
