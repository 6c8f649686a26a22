package bringup_test

import (
	"fmt"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/merge/dbtest"
)

// datedSite is a site whose persons tell in their note when they were last
// written.
func datedSite(t *testing.T, n byte) *site {
	model := dbtest.Model()
	model.Tables["person"].Dates = []string{"note"}
	return newSiteOf(t, n, model)
}

func on(date string) crdt.Value { return crdt.Tagged(crdt.TagTime, date+" 10:00:00") }

// Where rows tell when they were written, the later one wins, whole, at every
// site and whoever joins whom; the other is a conflict everywhere. Between equal
// dates the member's wins. Deliberate breaks seen to fail here: the dates of the
// member's row not asked for; the loser's second change left out.
func TestDatedRows(t *testing.T) {
	for _, c := range []struct{ mine, theirs, want string }{
		{"2021-05-01", "2020-05-01", "N"},
		{"2020-05-01", "2021-05-01", "P"},
		{"2020-05-01", "2020-05-01", "P"},
		{"2100-01-01", "2020-05-01", "N"}, // a date in the future is a date of today
	} {
		for _, ids := range [][3]byte{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}} {
			name := fmt.Sprintf("%v %v", c, ids)
			n, p, q := datedSite(t, ids[0]), datedSite(t, ids[1]), datedSite(t, ids[2])
			n.app(insert("person", person(1, "N", "note", on(c.mine))))
			p.app(insert("person", person(1, "P", "note", on(c.theirs))))
			p.open(false)
			q.open(true)
			n.open(true)
			mustJoin(t, q, p)
			mustJoin(t, n, p)
			if got := n.show("person", keyOf(1), "name"); got != c.want {
				t.Errorf("%s: the joining site shows %s", name, got)
			}
			exchange(n, p, q)
			agree(t, n, p, q)
			lost := map[string]string{"N": `name="P"`, "P": `name="N"`}[c.want]
			if got := p.show("person", keyOf(1), "name"); got != c.want || !strings.Contains(p.conflicts(), lost) {
				t.Errorf("%s: the member shows %s, conflicts:\n%s", name, got, p.conflicts())
			}
			// What is written from now on wins over all that was there.
			p.app(update("person", keyOf(1), "name", "new"))
			p.capture()
			exchange(n, p, q)
			agree(t, n, p, q)
			if got := n.show("person", keyOf(1), "name"); got != "new" {
				t.Errorf("%s: after a write there is %s", name, got)
			}
		}
	}
}

// A write since the beginning beats an older date, and loses to a later one.
func TestDatesAgainstStamps(t *testing.T) {
	for date, want := range map[string]string{"2020-05-01": "written", "2023-11-14": "N"} {
		n, p := datedSite(t, 1), datedSite(t, 2)
		n.app(insert("person", person(1, "N", "note", on(date))))
		p.app(insert("person", person(1, "P", "note", on("2019-01-01"))))
		p.open(false)
		n.open(true)
		was := now
		if want == "N" {
			now -= 2 * 24 * 3600 * 1e6 // long before the date
		}
		p.app(update("person", keyOf(1), "name", "written"))
		p.capture()
		now = max(now, was)
		mustJoin(t, n, p)
		exchange(n, p)
		agree(t, n, p)
		if got := p.show("person", keyOf(1), "name"); got != want {
			t.Errorf("%s: the name is %s, want %s\n%s", date, got, want, p.conflicts())
		}
	}
}

// Rows that only the joining site has are as old as they say, so of two sites
// that bring the same row at the same time the later wins.
func TestDatedRowsOfTwoJoiners(t *testing.T) {
	for _, ids := range [][2]byte{{1, 2}, {2, 1}} {
		p, n, m := datedSite(t, 9), datedSite(t, ids[0]), datedSite(t, ids[1])
		n.app(insert("person", person(1, "N", "note", on("2022-01-01"))))
		m.app(insert("person", person(1, "M", "note", on("2021-01-01"))))
		p.open(false)
		n.open(true)
		m.open(true)
		mustJoin(t, n, p)
		mustJoin(t, m, p)
		exchange(p, n, m)
		agree(t, p, n, m)
		if got := p.show("person", keyOf(1), "name"); got != "N" || !strings.Contains(p.conflicts(), `name="M"`) {
			t.Errorf("%v: %s, conflicts:\n%s", ids, got, p.conflicts())
		}
	}
}
