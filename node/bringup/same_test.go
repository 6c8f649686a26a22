package bringup_test

import (
	"testing"

	"baraza/merge/dbtest"
	"baraza/schema"
)

// matchingSite knows some remarks by what they say, and badges by their number.
// (Rows that others refer to are tested with a real database.)
func matchingSite(t *testing.T, n byte) *site {
	model := dbtest.Model()
	model.Tables["remark"].Match = &schema.Match{Columns: []string{"body"}, Values: []string{"admin", "daemon"}}
	model.Tables["badge"].Match = &schema.Match{Columns: []string{"number"}}
	return newSiteOf(t, n, model)
}

func (s *site) remark(n int, body string) {
	s.t.Helper()
	s.app(insert("remark", row(keyOf(n), "uuid", uuid(n), "body", body)))
}

func (s *site) badge(n int, number, note string) {
	s.t.Helper()
	s.app(insert("badge", row(keyOf(n), "uuid", uuid(n), "number", number, "note", note)))
}

func (s *site) remarks() map[string]int {
	bodies := map[string]int{}
	for _, r := range s.db.Rows("remark") {
		bodies[s.show("remark", r.Key, "body")]++
	}
	return bodies
}

// Rows that mean the same under different identities are one row after a join:
// the joining site's takes the identity that the network has. Deliberate breaks
// seen to fail here: nothing renamed (R5 gives one of the badges another number);
// the list of values not looked at.
func TestSameRows(t *testing.T) {
	p, n, q := matchingSite(t, 2), matchingSite(t, 1), matchingSite(t, 3)
	for i, s := range []*site{p, n, q} {
		s.remark(10*i+1, "admin")
		s.remark(10*i+2, "clerk") // two people
		s.badge(10*i+3, "gate", "same")
		s.badge(10*i+4, []string{"one", "two", "three"}[i], "own")
	}
	p.open(false)
	n.open(true)
	q.open(true)
	mustJoin(t, n, p)
	mustJoin(t, q, n)
	exchange(p, n, q)
	agree(t, p, n, q)
	if got := p.remarks(); got["admin"] != 1 || got["clerk"] != 3 {
		t.Errorf("remarks: %v", got)
	}
	if got := q.show("badge", keyOf(3), "number"); got != "gate" || q.db.Len("badge") != 4 {
		t.Errorf("%d badges, the network's is %s: %s", q.db.Len("badge"), got, q.tables())
	}
	if c := p.conflicts(); c != "" {
		t.Errorf("conflicts: %s", c)
	}
	// It goes on as one row.
	q.app(update("remark", keyOf(1), "body", "root"))
	exchange(p, n, q)
	agree(t, p, n, q)
	if got := p.remarks(); got["root"] != 1 || got["admin"] != 0 {
		t.Errorf("after a write: %v", got)
	}
}

// A name that two rows have, at either site, tells nothing; nor is a row renamed
// whose identity, or the other's, is at the other site already.
func TestSameRowsLeftAlone(t *testing.T) {
	p, n := matchingSite(t, 2), matchingSite(t, 1)
	p.remark(1, "daemon")
	p.remark(2, "daemon")
	n.remark(11, "daemon")
	p.remark(3, "admin")
	n.remark(3, "clerk") // the same row, by its identity
	n.remark(13, "admin")
	p.open(false)
	n.open(true)
	mustJoin(t, n, p)
	exchange(p, n)
	agree(t, p, n)
	if got := p.remarks(); got["daemon"] != 3 || got["admin"] != 2 {
		t.Errorf("remarks: %v", got)
	}
}
