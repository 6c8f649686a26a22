package replica_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
)

func patient(s *site, n int) memdb.Write {
	return memdb.Write{Kind: memdb.Insert, Table: "patient", Row: merge.Row{
		Key: patientKey(n), Columns: []string{"patient_id", "allergy"}, Values: []crdt.Value{refTo(n), s.fresh()},
	}}
}

// waitingPatient makes two sites; the first has a patient of the second that
// waits for its person, whom the first deleted.
func waitingPatient(t *testing.T) (a, b *site) {
	t.Helper()
	w, err := newWorld(2, clashes, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b = w.sites[0], w.sites[1]
	a.do(t, insert("person", a, 1))
	w.settle(t)
	a.do(t, remove("person", a, 1))
	a.capture(t)
	b.do(t, patient(b, 1))
	b.capture(t)
	if err := a.take(b, b.id, 1<<20, rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	a.apply(t)
	if c, err := a.r.Counts(); err != nil || c.Waiting != 1 || a.db.Len("patient") != 0 {
		t.Skipf("the patient does not wait: %+v, %v", c, err) // rule R4 may bring the person back
	}
	return a, b
}

func (s *site) apply(t *testing.T) {
	t.Helper()
	for range 3 {
		if _, err := s.r.Apply(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// A row that an application writes wakes the rows that wait for it.
func TestLocalRowWakes(t *testing.T) {
	a, _ := waitingPatient(t)
	a.do(t, insert("person", a, 1))
	a.capture(t)
	a.apply(t)
	if n := a.db.Len("patient"); n != 1 {
		t.Errorf("%d patients in the table, want the one that waited", n)
	}
}

// An application that writes a row which waits unseen has not seen it: what the
// row had is lost with a record.
func TestWaitingRowIsUnseen(t *testing.T) {
	a, _ := waitingPatient(t)
	a.do(t, insert("person", a, 1), patient(a, 1))
	a.w.settle(t)
	if err := a.w.checkLedger(); err != nil {
		t.Error(err)
	}
}

// Retry finds what a crash made the replica forget, and does not stick to the
// first rows of a long list.
func TestRetryFindsAll(t *testing.T) {
	a, _ := waitingPatient(t)
	a.do(t, insert("person", a, 1))
	a.capture(t)
	if err := a.crash(0); err != nil {
		t.Fatal(err)
	}
	if err := a.r.Retry(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := a.db.Len("patient"); n != 1 {
		t.Errorf("%d patients in the table, want the one that waited", n)
	}
}
