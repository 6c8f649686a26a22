package bringup_test

import (
	"slices"
	"testing"

	"baraza/node/replica"
)

// What nobody has any more is not waited for: a batch whose writer had seen a write that
// went with its site is applied once both sites are forgotten and all who are left have
// said that they take nothing more from them.
//
// Seen to fail when a batch waits for all that its writer had seen: q and z never show it;
// when it is enough that both are forgotten; and, where the writer is forgotten last, when
// nobody says that he has heard of that: he cannot close that log before.
func TestWritesThatSawWhatIsLost(t *testing.T) {
	t.Run("writer first", func(t *testing.T) { testWhatIsLost(t, true) })
	t.Run("writer last", func(t *testing.T) { testWhatIsLost(t, false) })
}

func testWhatIsLost(t *testing.T, writerFirst bool) {
	s, p, q, z := newSite(t, 1).open(false), newSite(t, 2).open(false), newSite(t, 3).open(false), newSite(t, 4).open(false)
	s.app(insert("person", person(1, "s's")))
	exchange(s, p, q, z)
	s.app(insert("person", person(2, "lost")))
	s.capture()
	p.takeAll(s)
	p.app(insert("person", person(3, "p's")))
	p.capture()
	own := p.r.Log().Vector().Seq(p.id)
	first, entries, err := p.r.Log().Read(p.id, own-1, 1<<20)
	p.ok(err)
	q.ok(q.r.Log().Append(p.id, first, entries)) // and not what s wrote
	left := []*site{q, z}
	forget := func(gone ...*site) {
		for _, at := range left {
			m := replica.Membership{}
			for _, o := range left {
				m.Members = append(m.Members, o.id)
			}
			for _, o := range []*site{s, p} {
				if slices.Contains(gone, o) {
					m.Gone = append(m.Gone, o.id)
				} else {
					m.Members = append(m.Members, o.id)
				}
			}
			at.r.SetMembership(m)
		}
	}
	shows := func() (names []string) {
		exchange(left...)
		for _, at := range left {
			names = append(names, at.show("person", keyOf(3), "name"))
		}
		return names
	}
	gone := []*site{p, s}
	if !writerFirst {
		gone = []*site{s, p}
	}
	forget(gone[0])
	for range 3 {
		for _, at := range left {
			at.publish()
		}
		if got := shows(); got[0] != "no row" || got[1] != "no row" {
			t.Fatalf("s may still bring what p had seen, and they show %v", got)
		}
	}
	forget(gone...)
	if got := shows(); got[0] != "no row" || got[1] != "no row" {
		t.Fatalf("the other may have got from s what p had seen, and they show %v", got)
	}
	for range 3 {
		for _, at := range left {
			at.publish()
		}
		exchange(left...)
	}
	if got := shows(); got[0] != "p's" || got[1] != "p's" {
		t.Errorf("the row that p wrote is %v", got)
	}
	agreeVisibly(t, left...)
	if st, err := q.r.Stability(); err != nil || len(st.Holders) > 0 {
		t.Errorf("the logs are held by %v: %v", st.Holders, err)
	}
	if list := q.conflicts(); list != "" {
		t.Errorf("there are conflicts:\n%s", list)
	}
}
