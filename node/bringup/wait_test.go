package bringup_test

import (
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
