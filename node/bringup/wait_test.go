package bringup_test

import (
	"context"
	"errors"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

// A deleted row that is to come back for the rows that refer to it (R4) cannot where
// a row that it needs itself is not here: it waits, and they with it, and the
// transaction ends. When that row is here, all of them are.
//
// Seen to fail when a row that did not come back is tried for as long as others wait
// for it: the transaction never ends.
func TestWaitsForParentOfDeletedRow(t *testing.T) {
	const stepsMax = 2000 // of the database, many times what it takes
	concept := insert("concept", row(keyOf(5), "uuid", uuid(5), "name", "pulse"))
	of := func(n int, pairs ...any) merge.Row {
		return row(keyOf(n), append([]any{"uuid", uuid(n), "patient_id", crdt.Ref(patientKey(1))}, pairs...)...)
	}
	p, q, n := newSite(t, 2), newSite(t, 3), newSite(t, 1)
	p.open(false)
	for _, s := range []*site{q, n} {
		s.open(true)
		mustJoin(t, s, p)
	}
	p.app(concept) // the table is not replicated
	q.app(concept)
	p.app(insert("person", person(1, "a")), insert("patient", patient(1, "none")), insert("obs", of(1, "concept_id", refTo(5))))
	exchange(p, q, n)
	if p.db.Len("obs") != 1 || n.db.Len("obs") != 0 {
		t.Fatal("the row does not wait where the one to which it refers is not")
	}
	p.app(remove("obs", keyOf(1)))
	q.app(insert("obs", of(2, "obs_group_id", refTo(1))), insert("obs", of(3, "obs_group_id", refTo(2))))
	steps := 0
	n.fault = func(memdb.Step) error {
		if steps++; steps > stepsMax {
			return errors.New("it does not end")
		}
		return nil
	}
	exchange(p, q, n)
	n.fault = nil
	if p.db.Len("obs") != 3 || n.db.Len("obs") != 0 {
		t.Fatalf("%d and %d rows, want the deleted one with those that refer to it, and none where it waits", p.db.Len("obs"), n.db.Len("obs"))
	}
	n.app(concept)
	exchange(p, q, n)
	agree(t, p, q, n)
}

// Rows that refer to each other come in together, and bring back what any of them refers
// to and others deleted (R4); of the rows of a ring only one need do so. It makes no
// difference whether they come to a site where that is gone, or wait there already.
//
// Seen to fail when only a row that lacks nothing else brings back what it refers to:
// the ring is nowhere but where it was written, for good; and when what comes back is
// placed without the rest of the ring.
func TestRingBringsBack(t *testing.T) {
	for _, second := range []int{1, 2} { // the patient of the second row of the ring
		p, q, n := newSite(t, 2), newSite(t, 3), newSite(t, 1)
		p.app(insert("person", person(1, "a")), insert("patient", patient(1, "none")))
		p.app(insert("person", person(2, "b")), insert("patient", patient(2, "none")))
		p.open(false)
		q.open(true)
		mustJoin(t, q, p)
		n.app(insert("person", person(1, "a")), insert("patient", patient(1, "none")))
		n.open(true)
		n.app(remove("patient", patientKey(1))) // before n has heard of the ring
		q.app(insert("obs", obs(2, 1, "first")), insert("obs", obs(3, second, "second")))
		q.app(update("obs", keyOf(2), "obs_group_id", refTo(3)), update("obs", keyOf(3), "obs_group_id", refTo(2)))
		q.capture()
		p.app(remove("patient", patientKey(1)))
		p.capture()
		p.take(q)
		_, err := p.r.Apply(context.Background(), 0)
		p.ok(err)
		if rows := p.db.Len("obs"); rows != 2 {
			t.Errorf("second patient %d: %d rows of the ring are there when they have come", second, rows)
		}
		exchange(p, q)
		agree(t, p, q)
		mustJoin(t, n, p)
		exchange(p, q, n)
		agree(t, p, q, n)
		for _, s := range []*site{p, q, n} {
			if a, b, c := s.show("obs", keyOf(2), "value_text"), s.show("obs", keyOf(3), "value_text"), s.show("patient", patientKey(1), "allergy"); a != "first" || b != "second" || c != "none" {
				t.Errorf("second patient %d, site %d: the rows of the ring are %q and %q, the patient to whom they refer %q", second, s.id[0], a, b, c)
			}
		}
	}
}
