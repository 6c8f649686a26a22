package e2e

import (
	"testing"
	"time"
)

// TestTablesAdd adds a table that has rows, at sites that are up, one after the
// other: its rows go both ways, also those written in between.
//
// Seen to fail when the rows that were there before are not published.
func TestTablesAdd(t *testing.T) {
	a, b := newSite(t, "first"), newSite(t, "second")
	for i, s := range []*site{a, b} {
		s.exec(testSchema)
		s.exec("INSERT INTO badge (uuid, number) VALUES (?, ?)", uuidOf(20+i), "own "+s.name)
		s.exec("INSERT INTO badge (uuid, number) VALUES (?, ?)", uuidOf(30), "both, by "+s.name)
	}
	a.init("--tables", "person")
	a.run()
	a.running()
	b.join(a)
	b.run()
	b.running()
	a.must("tables", "add", "--data", a.dir, "badge")
	a.exec("INSERT INTO badge (uuid, number) VALUES (?, 'in between')", uuidOf(23))
	time.Sleep(500 * time.Millisecond)
	b.exec("UPDATE badge SET number = 'edited' WHERE uuid = ?", uuidOf(21))
	b.must("tables", "add", "--data", b.dir, "badge")
	quiet(t, 30*time.Second, a, b)
	same(t, 10*time.Second, "SELECT uuid, number FROM badge ORDER BY uuid", a, b)
	if got := a.value("SELECT COUNT(*) FROM badge"); got != "4" {
		t.Errorf("%s badges, want 4:\n%s", got, a.rows("SELECT * FROM badge"))
	}
	for _, s := range []*site{a, b} {
		if list := s.conflicts(); len(list.Conflicts) != 1 || list.Conflicts[0].Column != "number" {
			t.Errorf("site %s: %+v, want one conflict about the number that both had", s.name, list)
		}
		if st, err := s.status(); err != nil || st.SetAside+st.Held+st.Waiting != 0 {
			t.Errorf("site %s: %v, set aside %d, held %d", s.name, err, st.SetAside, st.Held)
		}
	}
	b.must("tables", "remove", "--data", b.dir, "badge")
	b.exec("UPDATE badge SET number = 'only here' WHERE uuid = ?", uuidOf(21))
	time.Sleep(time.Second)
	if got := a.value("SELECT number FROM badge WHERE uuid = ?", uuidOf(21)); got == "only here" {
		t.Error("a removed table is still captured")
	}
}
