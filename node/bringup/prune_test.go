package bringup_test

import (
	"slices"
	"testing"

	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/memdb"
)

// Rows that were deleted since the backup go, also where every other site has
// forgotten that they were; what applications wrote to them since brings them
// back.
func TestSetBackForgottenDeletes(t *testing.T) {
	p, s, q := three(t, 12)
	backup := s.db.Backup()
	for n := 1; n <= 6; n++ {
		p.app(remove("obs", keyOf(n)), remove("patient", patientKey(n)), remove("person", keyOf(n)))
	}
	exchange(p, s, q)
	for _, at := range []*site{p, q} {
		at.forget("obs", "patient", "person")
	}
	s.db.Restore(backup)
	s.app(update("obs", keyOf(3), "value_text", "news"))
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(p, s, q)
	for _, at := range []*site{p, s, q} {
		if n := at.db.Len("obs"); n != 7 {
			t.Errorf("site %d has %d obs, want those of 6 patients and the one that was written to", at.id[0], n)
		}
		if got := at.show("obs", keyOf(3), "value_text"); got != "news" {
			t.Errorf("site %d: %q", at.id[0], got)
		}
		for n := 1; n <= 6; n++ {
			if got := at.show("person", keyOf(n), "name"); (n == 3) != (got != "no row") {
				t.Errorf("site %d: person %d: %s", at.id[0], n, got)
			}
		}
	}
}

// forget takes the states of tables' rows out of the store: nobody knows any more
// that rows of theirs were deleted.
func (s *site) forget(tables ...string) {
	s.t.Helper()
	for _, table := range tables {
		s.forgetAllBut(table)
	}
}

// forgetAllBut is forget for the rows of one table but some, by their last two digits:
// the store packs uuids.
func (s *site) forgetAllBut(table string, but ...byte) {
	s.t.Helper()
	prefix := append([]byte{'s', byte(len(table))}, table...)
	b := &kv.Batch{}
	s.ok(s.store.Scan(prefix, kv.After(prefix), func(k, _ []byte) bool {
		if !slices.Contains(but, k[len(k)-1]) {
			b.Delete(slices.Clone(k))
		}
		return true
	}))
	s.ok(s.store.Write(b, true))
	s.restart()
}

// Rows that refer to each other in a circle, and were deleted since the backup, are
// removed from the restored database together; where what refers to one of them is
// news they stay together.
//
// Seen to fail where a row stays for another that is to go: "node 3 is …".
func TestSetBackCircle(t *testing.T) {
	p, s, q := three(t, 1)
	ring := func(n int) []memdb.Write {
		node := func(parent int) merge.Row { return row(keyOf(n), "uuid", uuid(n), "parent_id", refTo(parent)) }
		return []memdb.Write{
			insert("node", node(n)),
			insert("node", row(keyOf(n+1), "uuid", uuid(n+1), "parent_id", refTo(n))),
			update("node", keyOf(n), "parent_id", refTo(n+1)),
		}
	}
	p.app(append(ring(3), ring(5)...)...)
	exchange(p, s, q)
	backup := s.db.Backup()
	for n := 3; n <= 5; n += 2 {
		p.app(update("node", keyOf(n), "parent_id", refTo(n)), remove("node", keyOf(n+1)), remove("node", keyOf(n)))
	}
	exchange(p, s, q)
	for _, at := range []*site{p, q} {
		at.forget("node")
	}
	s.db.Restore(backup)
	s.app(insert("node", row(keyOf(7), "uuid", uuid(7), "parent_id", refTo(5))))
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(p, s, q)
	agree(t, p, s, q)
	for n := 3; n <= 7; n++ {
		if got := q.show("node", keyOf(n), "uuid"); (n < 5) != (got == "no row") {
			t.Errorf("node %d is %q", n, got)
		}
	}
}

// Rows that were deleted since the backup go, also where one that a member remembers as
// deleted stands between two that it has forgotten: what refers to it keeps it when it
// is taken over (R4), and it keeps what it refers to.
//
// Seen to fail when only rows that the member does not have are tried to be removed:
// the first node is back at every site, as news.
func TestSetBackPastARememberedDelete(t *testing.T) {
	p, s, q := three(t, 1)
	node := func(n, parent int) memdb.Write {
		return insert("node", row(keyOf(n), "uuid", uuid(n), "parent_id", refTo(parent)))
	}
	p.app(node(3, 3), node(4, 3), node(5, 4), node(6, 6), node(7, 6), node(8, 7))
	exchange(p, s, q)
	backup := s.db.Backup()
	for n := 8; n > 2; n-- {
		p.app(remove("node", keyOf(n)))
	}
	exchange(p, s, q)
	for _, at := range []*site{p, q} {
		at.forgetAllBut("node", 4, 7)
	}
	s.db.Restore(backup)
	s.app(insert("node", row(keyOf(9), "uuid", uuid(9), "parent_id", refTo(8))))
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(p, s, q)
	agree(t, p, s, q)
	for n := 3; n <= 9; n++ {
		if got := q.show("node", keyOf(n), "uuid"); (n < 6) != (got == "no row") {
			t.Errorf("node %d is %q", n, got)
		}
	}
}

// A row that went with one which was deleted since the backup (R4) does not keep that
// one, and so what it refers to, in the restored database. One that an application has
// written to there does, until that is read.
//
// Seen to fail when whatever refers to such a row keeps it: the person is back at every
// site, as news. And when what was written to goes before that is read: it is nowhere.
func TestSetBackWithARowThatWent(t *testing.T) {
	p, s, q := three(t, 3)
	visit := func(n, person int, parent crdt.Value) memdb.Write {
		return insert("visit", row(keyOf(n), "uuid", uuid(n), "person_id", refTo(person), "parent_id", parent, "reason", "of "+uuid(n)[35:]))
	}
	p.app(insert("person", person(41, "old")), visit(6, 41, crdt.Null), visit(7, 41, crdt.Null), visit(9, 1, crdt.Null), visit(8, 1, refTo(9)))
	exchange(p, s, q)
	backup := s.db.Backup()
	q.app(visit(2, 1, refTo(6)), visit(3, 1, refTo(7)))
	p.app(remove("visit", keyOf(6)), remove("visit", keyOf(7)), remove("person", keyOf(41)), remove("visit", keyOf(8)), remove("visit", keyOf(9)))
	exchange(p, s, q)
	for _, at := range []*site{p, q} {
		at.forget("person")
	}
	s.db.Restore(backup)
	s.app(insert("visit", row(keyOf(4), "uuid", uuid(4), "person_id", refTo(1), "parent_id", crdt.Null, "reason", "news")), update("visit", keyOf(8), "reason", "news of 8"))
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(p, s, q)
	agree(t, p, s, q)
	if got := q.show("person", keyOf(41), "name"); got != "no row" {
		t.Errorf("the person is %q", got)
	}
	if n := q.db.Len("visit"); n != 1 {
		t.Errorf("there are %d visits, want what was written since", n)
	}
	p.app(visit(6, 1, crdt.Null), visit(9, 1, crdt.Null))
	exchange(p, s, q)
	agree(t, p, s, q)
	if went, written := s.show("visit", keyOf(2), "reason"), s.show("visit", keyOf(8), "reason"); went != "of 2" || written != "news of 8" {
		t.Errorf("the visits are %q and %q when those with which they went are back", went, written)
	}
}

// Rows that are the same in the restored database and refer to a deleted one that stays
// (R4) are as they were, though that one is tried to be removed with others.
//
// Seen to fail when what was not taken over is taken for what the member does not have:
// the visit is gone from the restored database.
func TestSetBackBesideARowThatStays(t *testing.T) {
	p, s, q := three(t, 3)
	p.app(insert("person", person(41, "stays")), insert("person", person(42, "goes")), insert("patient", patient(41, "refers")),
		insert("visit", row(keyOf(5), "uuid", uuid(5), "person_id", refTo(41), "parent_id", crdt.Null, "reason", "old")))
	exchange(p, s, q)
	backup := s.db.Backup()
	p.app(remove("visit", keyOf(5)), remove("patient", patientKey(41)), remove("person", keyOf(41)), remove("person", keyOf(42)))
	p.capture()
	for _, again := range []string{"x", "old"} {
		q.app(update("visit", keyOf(5), "reason", again), update("patient", patientKey(41), "allergy", again))
	}
	q.app(update("patient", patientKey(41), "allergy", "refers"))
	exchange(p, s, q)
	for _, at := range []*site{p, q} {
		at.forgetAllBut("person", 1, 2, 3, 0x41)
	}
	s.db.Restore(backup)
	s.app(insert("person", person(43, "news")))
	s.restart()
	s.noticed()
	s.recover(p)
	if got := s.show("visit", keyOf(5), "reason"); got != "old" {
		t.Errorf("the visit is %q", got)
	}
	exchange(p, s, q)
	agree(t, p, s, q)
	for n, want := range map[int]string{41: "stays", 42: "no row", 43: "news"} {
		if got := q.show("person", keyOf(n), "name"); got != want {
			t.Errorf("person %d is %q", n, got)
		}
	}
}
