package bringup_test

import (
	"context"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/merge/memdb"
	"baraza/node/bringup"
	"baraza/node/replica"
)

func (s *site) knows(sites ...*site) {
	var m replica.Membership
	for _, o := range sites {
		m.Members = append(m.Members, o.id)
	}
	s.r.SetMembership(m)
}

func (s *site) publish() {
	s.t.Helper()
	_, err := s.r.PublishApplied(context.Background())
	s.ok(err)
}

func (s *site) truncate() {
	s.t.Helper()
	for more := true; more; {
		var err error
		more, err = s.r.Truncate(context.Background())
		s.ok(err)
	}
}

// settle lets members say what they have applied, and what they know to be settled,
// until each has heard from all that all is.
func settle(all ...*site) {
	for range 4 {
		for _, at := range all {
			at.knows(all...)
			at.publish()
		}
		exchange(all...)
	}
}

// settleAt lets the second of two members, which have each other's entries, know that all
// have them, and the first not.
func settleAt(first, second *site) {
	first.knows(first, second)
	second.knows(first, second)
	first.publish()
	second.publish()
	second.takeAll(first)
	for range 3 {
		second.publish()
	}
}

// deleted makes two members with a person that one of them deleted.
func deleted(t *testing.T) (p, z *site) {
	p, z = newSite(t, 1).open(false), newSite(t, 2).open(false)
	p.app(insert("person", person(1, "a")), insert("person", person(2, "b")))
	exchange(p, z)
	p.app(remove("person", keyOf(1)))
	exchange(p, z)
	for _, s := range []*site{p, z} {
		s.knows(p, z)
	}
	return p, z
}

// A site that joins with a row that was deleted long ago, so that nobody has to
// remember it, brings it as a new one: to those who have forgotten the tombstone
// and to those who happen to have it still.
func TestJoinAfterTheTombstone(t *testing.T) {
	p, z := deleted(t)
	for range 3 {
		p.publish()
		z.publish()
		exchange(p, z)
	}
	p.truncate() // and z does not
	n := newSite(t, 3)
	n.app(insert("person", person(1, "c")))
	n.open(true)
	for _, s := range []*site{p, z} {
		s.knows(p, z, n)
	}
	if _, err := join(n, p); err != nil {
		t.Fatal(err)
	}
	n.knows(p, z, n)
	exchange(p, z, n)
	if got := z.show("person", keyOf(1), "name"); got != "c" {
		t.Errorf("the row that the new site brought is %q", got)
	}
	agreeVisibly(t, p, z, n)
	z.truncate()
	agree(t, p, z, n)
	if first := p.r.Log().First(p.id); first == 1 {
		t.Error("nothing was dropped from the log")
	}
}

// So too where the join was cut when the site's row had been taken out of its table,
// since the delete was not settled yet: it is whole when it comes back.
//
// Seen to fail when only what differed from the deleted row is remembered: z shows no
// row.
func TestJoinCutBeforeTheTombstoneIsSettled(t *testing.T) {
	p, z := deleted(t)
	p.publish()
	z.publish()
	exchange(p, z)
	n := newSite(t, 3)
	n.app(insert("person", person(1, "c")), insert("person", person(4, "d")))
	n.open(true)
	cutJoin(t, n, p, func() bool { return n.show("person", keyOf(1), "name") == "no row" })
	for range 3 {
		p.publish()
		z.publish()
		exchange(p, z)
	}
	p.truncate() // and z does not
	for _, s := range []*site{p, z} {
		s.knows(p, z, n)
	}
	n.restart()
	mustJoin(t, n, p)
	n.knows(p, z, n)
	exchange(p, z, n)
	for _, s := range []*site{p, z, n} {
		if got := s.show("person", keyOf(1), "name"); got != "c" {
			t.Errorf("at site %d the row that the new site brought is %q", s.id[0], got)
		}
	}
	agreeVisibly(t, p, z, n)
}

// So too where an application has changed that row and deleted it before the member's
// rows came: what it wrote does not bring the row back that was deleted long ago, to those
// who happen to know of that still.
//
// Seen to fail when the writes go out alone: n counts 8, with what the deleted row had.
func TestDeletedWhileJoiningAfterTheTombstone(t *testing.T) {
	stock := func(n int64, note string) memdb.Write {
		key := crdt.MakeKey(crdt.Text("gauze"))
		return insert("stock", row(key, "item", "gauze", "quantity", crdt.Int(n), "price", crdt.Tagged(crdt.TagDecimal, "0.50"), "note", note))
	}
	for _, again := range []bool{false, true} {
		p, z := deleted(t)
		p.ok(p.r.SetCounter(context.Background(), "stock", "quantity"))
		exchange(p, z)
		p.count()
		z.count()
		p.app(stock(3, "p's"))
		exchange(p, z)
		gauze := stock(3, "").Row.Key
		p.app(remove("stock", gauze))
		exchange(p, z)
		settle(p, z)
		z.truncate() // and p does not
		n := newSite(t, 3)
		n.app(stock(7, "n's"), insert("person", person(4, "d")))
		n.open(true)
		n.app(update("stock", gauze, "note", "news"))
		n.app(remove("stock", gauze))
		if again {
			n.app(stock(1, "anew"))
		}
		p.knows(p, z, n)
		mustJoin(t, n, p)
		z.app(stock(5, "z's"))
		z.capture()
		all := []*site{p, z, n}
		for _, s := range all {
			s.knows(all...)
		}
		n.count()
		exchange(all...)
		for _, s := range all {
			if r, there := s.db.Row("stock", gauze); !there || r.Values[1] != crdt.Int(5) { // n did not know yet that it counts
				t.Errorf("again %v: site %d has %v, want 5", again, s.id[0], r)
			}
		}
		agreeVisibly(t, all...)
	}
}

// As long as not every site has said that a delete is settled, the row of a
// site that joins loses to it, everywhere, and is a conflict, everywhere; also
// where one site was sure that it is settled before the member was that
// the new site joins with.
func TestJoinBeforeTheTombstoneIsSettled(t *testing.T) {
	p, z := deleted(t)
	p.publish()
	z.publish()
	z.takeAll(p)
	for range 3 {
		z.publish() // z knows that the delete is everywhere, p has not heard from z
		z.truncate()
	}
	n := newSite(t, 3)
	n.app(insert("person", person(1, "c")))
	n.open(true)
	p.knows(p, z, n)
	if _, err := join(n, p); err != nil {
		t.Fatal(err)
	}
	z.knows(p, z, n)
	n.knows(p, z, n)
	exchange(p, z, n)
	if got := z.show("person", keyOf(1), "name"); got != "no row" {
		t.Errorf("a deleted row is back, with %q", got)
	}
	agree(t, p, z, n)
	if p.conflicts() == "" {
		t.Error("the new site's row is gone without a conflict")
	}
	for range 4 {
		for _, s := range []*site{p, z, n} {
			s.publish()
		}
		exchange(p, z, n)
	}
	for _, s := range []*site{p, z, n} {
		s.truncate()
	}
	agree(t, p, z, n)
}

// takeAll takes what another site has and applies it.
func (s *site) takeAll(from *site) {
	s.t.Helper()
	s.take(from)
	for {
		res, err := s.r.Apply(context.Background(), 0)
		s.ok(err)
		if res.Batches == 0 {
			return
		}
	}
}

// A row that was deleted since the backup comes back with all that it had when an
// application writes one column of it in the restored database: also to a site that
// has forgotten the delete, though the member still knows of it.
//
// Seen to fail when the write goes out as one of a single column: the site that has
// forgotten the delete shows no row.
func TestSetBackAfterTheTombstone(t *testing.T) {
	p, s, q := three(t, 6)
	backup := s.db.Backup()
	p.app(remove("obs", keyOf(3)))
	exchange(p, s, q)
	all := []*site{p, s, q}
	settle(all...)
	q.truncate() // and p does not
	row := "obs " + keyOf(3).String() + " "
	if strings.Contains(q.states(), row) || !strings.Contains(p.states(), row) {
		t.Fatal("the delete is to be forgotten at one site only")
	}
	s.db.Restore(backup)
	s.app(update("obs", keyOf(3), "value_text", "news"))
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(all...)
	for _, at := range all {
		if got := at.show("obs", keyOf(3), "value_text"); got != "news" {
			t.Errorf("site %d shows %q", at.id[0], got)
		}
	}
	agreeVisibly(t, all...)
}

// Who inserts a row in a restored database to whom a delete was settled that was undone by
// one who had not seen it, has answered that conflict, also where the insert comes in
// pieces since the row was changed right after.
//
// Seen to fail when only an insert in one piece answers: the restored site lists the delete.
func TestInsertedInPiecesAfterSetBack(t *testing.T) {
	p, s, q := three(t, 3)
	all := []*site{p, s, q}
	backup := s.db.Backup()
	p.app(insert("person", person(60, "first")))
	exchange(all...)
	s.app(remove("person", keyOf(60)))
	s.capture()
	p.app(update("person", keyOf(60), "note", "p's"))
	exchange(all...)
	settle(all...)
	if p.conflicts() == "" {
		t.Fatal("the delete is to be a conflict")
	}
	s.db.Restore(backup)
	s.app(insert("person", person(60, "anew")))
	s.app(update("person", keyOf(60), "name", "news"))
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(all...)
	if got := p.show("person", keyOf(60), "name"); got != "news" {
		t.Errorf("the name is %q", got)
	}
	if strings.Contains(s.conflicts(), "=NULL") {
		t.Errorf("the restored site lists\n%s", s.conflicts())
	}
	agreeVisibly(t, all...)
}

// Whoever inserts a row in a restored database may have seen nothing of what lost in an
// earlier row of that name: then what it wrote is later than what beat that, at every
// site, whenever in the recovery it is inserted, once the row has left the table.
//
// Seen to fail when the conflicts stay as they were at the restored site: it lists the
// first winner.
func TestInsertedInRecoveryBeatsWhatLost(t *testing.T) {
	beat := 0
	for n, done := 1, false; !done; n++ {
		p, s, q := three(t, 3)
		all := []*site{p, s, q}
		p.app(insert("person", person(60, "p's")))
		q.app(insert("person", person(60, "q's")))
		exchange(all...)
		backup := s.db.Backup()
		s.app(remove("person", keyOf(60)))
		s.capture()
		exchange(all...)
		settle(all...)
		s.db.Restore(backup)
		s.restart()
		s.noticed()
		left, inserted := n, false
		_, err := joinWith(s, p, func(bringup.Progress) {
			if left--; left <= 0 && s.show("person", keyOf(60), "name") == "no row" {
				s.app(insert("person", person(60, "anew")))
				inserted = true
			}
		})
		s.ok(err)
		exchange(all...)
		for _, at := range all {
			if got := at.conflicts(); got == "" || got != p.conflicts() {
				t.Errorf("moment %d: site %d lists\n%s", n, at.id[0], got)
			}
		}
		agreeVisibly(t, all...)
		if strings.Contains(p.conflicts(), "anew") {
			beat++
		}
		done = !inserted
	}
	if beat == 0 {
		t.Error("no insert had seen nothing")
	}
}

// So does one to which such a row refers, and with which it would go, whether a site has
// forgotten its delete or not.
//
// Seen to fail when the delete is taken over as one that others still know of: no site
// shows a visit, and q lists no conflict.
func TestSetBackBringsBackWhatItRefersTo(t *testing.T) {
	p, s, q := three(t, 3)
	visit := func(n int, parent crdt.Value) memdb.Write {
		return insert("visit", row(keyOf(n), "uuid", uuid(n), "person_id", refTo(1), "parent_id", parent, "reason", "old"))
	}
	p.app(visit(9, crdt.Null), visit(8, refTo(9)), visit(7, crdt.Null), visit(6, refTo(7)))
	exchange(p, s, q)
	backup := s.db.Backup()
	for n := 6; n <= 9; n++ {
		p.app(remove("visit", keyOf(n)))
	}
	all := []*site{p, s, q}
	exchange(all...)
	settle(all...)
	q.truncate() // and p does not
	s.db.Restore(backup)
	s.app(update("visit", keyOf(8), "reason", "news"))
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(all...)
	for _, at := range all {
		if n := at.db.Len("visit"); n != 2 {
			t.Errorf("site %d has %d visits, want the one that was written to and its parent", at.id[0], n)
		}
		if got := at.show("visit", keyOf(8), "reason"); got != "news" {
			t.Errorf("site %d shows %q", at.id[0], got)
		}
	}
	agreeVisibly(t, all...)
}

// A new site that has not said anything yet keeps all members from dropping
// what it may need.
func TestNewMemberHolds(t *testing.T) {
	p, z := deleted(t)
	n := newSite(t, 3).open(true)
	for range 3 {
		p.publish()
		z.publish()
		exchange(p, z)
	}
	p.truncate()
	dropped := p.r.Log().First(p.id)
	if dropped < 2 {
		t.Fatal("nothing was dropped from the log")
	}
	p.knows(p, z, n) // it was admitted
	if _, err := join(n, p); err != nil {
		t.Fatal(err)
	}
	p.app(insert("person", person(5, "later")))
	exchange(p, z)
	for range 3 {
		p.publish()
		z.publish()
		exchange(p, z)
	}
	p.truncate()
	st, err := p.r.Stability()
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Holders) != 1 || st.Holders[0].Site != n.id || st.Holders[0].SinceMillis != 0 {
		t.Errorf("held by %v, want the new site, which has never said anything", st.Holders)
	}
	n.knows(p, z, n)
	exchange(p, z, n) // finds every entry it asks for
	agreeVisibly(t, p, z, n)
	if behind := n.r.Applied().Behind(p.r.Log().Vector()); behind > 0 {
		t.Errorf("the new site lacks %d entries", behind)
	}
	n.publish()
	exchange(p, z, n)
	for range 3 {
		for _, s := range []*site{p, z, n} {
			s.publish()
		}
		exchange(p, z, n)
	}
	p.truncate()
	if now := p.r.Log().First(p.id); now <= dropped {
		t.Errorf("the log still begins at %d when the new site has everything", now)
	}
}

func agreeVisibly(t *testing.T, sites ...*site) {
	t.Helper()
	for _, s := range sites[1:] {
		for _, show := range []func(*site) string{(*site).tables, (*site).conflicts} {
			if d := difference(show(sites[0]), show(s)); d != "" {
				t.Errorf("sites %d (-) and %d (+):\n%s", sites[0].id[0], s.id[0], d)
			}
		}
	}
}
