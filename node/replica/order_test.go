package replica_test

import (
	"slices"
	"testing"

	"baraza/merge/memdb"
)

// Local changes are read when the rows are locked and before any is written:
// what an application commits between the locks and the read is then among
// them, and nothing can be committed after it.
func TestLocalChangesAreTakenBetweenLocksAndWrites(t *testing.T) {
	for _, tiny := range []bool{false, true} {
		w := crashScenario(t, tiny)
		a, b := w.sites[0], w.sites[1]
		if err := b.take(a, a.id, 1<<20, seeded(1)); err != nil {
			t.Fatal(err)
		}
		b.faults.seen = nil
		b.apply(t)
		steps := b.faults.seen
		read := slices.Index(steps, memdb.StepRead)
		write := slices.IndexFunc(steps, func(s memdb.Step) bool {
			return s == memdb.StepInsert || s == memdb.StepUpdate || s == memdb.StepDelete
		})
		commit := slices.Index(steps, memdb.StepCommit)
		if read < 0 || write < read || commit < write || slices.Contains(steps[read+1:commit], memdb.StepRead) {
			t.Fatalf("tiny %v: steps %v", tiny, steps)
		}
		if !slices.Contains(steps[:read], memdb.StepLock) {
			t.Errorf("tiny %v: local changes are read before rows are locked: %v", tiny, steps)
		}
		// A small group is locked once; of a large batch every piece is locked
		// before the read, and once more when its turn comes.
		before, after := 0, 0
		for i, s := range steps[:commit] {
			if s == memdb.StepLock && i < read {
				before++
			} else if s == memdb.StepLock {
				after++
			}
		}
		if tiny && before != after || !tiny && after > 0 {
			t.Errorf("tiny %v: %d locks before the read and %d after it: %v", tiny, before, after, steps)
		}
	}
}
