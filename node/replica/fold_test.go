package replica_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"baraza/merge"
	"baraza/merge/memdb"
)

// TestManyUpdatesAreFolded: batches that change the same rows over and over are
// written as one update of each row; states and conflicts are those of a site
// that applied the batches one by one.
func TestManyUpdatesAreFolded(t *testing.T) {
	const rounds = 40 // three changes each, of two rows, more than rows*foldMax
	w, err := newWorld(4, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b, folded, single := w.sites[0], w.sites[1], w.sites[2], w.sites[3]
	a.do(t, insert("person", a, 2), insert("person", a, 4))
	w.settle(t)
	for range rounds {
		for _, writes := range [][]memdb.Write{
			{update("person", a, 2, "name")}, {update("person", a, 4, "name", "note")}, {update("person", a, 2, "note")},
		} {
			a.do(t, writes...)
			a.capture(t)
		}
		b.do(t, update("person", b, 2, "name", "note")) // unseen by a, and a's by it
		b.capture(t)
	}
	for _, from := range []*site{a, b} {
		if err := folded.take(from, from.id, 1<<20, seeded(1)); err != nil {
			t.Fatal(err)
		}
		_, entries, err := from.r.Log().Read(from.id, 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i := int(single.r.Log().Vector().Seq(from.id)); i < len(entries); i++ {
			if err := single.r.Log().Append(from.id, uint64(i+1), entries[i:i+1]); err != nil {
				t.Fatal(err)
			}
			single.apply(t)
		}
	}
	folded.faults.seen = nil
	res, err := folded.r.Apply(context.Background(), 0)
	if err != nil || res.Batches != 4*rounds || res.Changes != 4*rounds {
		t.Fatalf("applied %+v, %v; want %d batches in one transaction", res, err, 4*rounds)
	}
	updates := 0
	for _, s := range folded.faults.seen {
		if s == memdb.StepUpdate {
			updates++
		}
	}
	if updates != 1 {
		t.Errorf("%d updates of the one table for %d changes of two rows", updates, res.Changes)
	}
	if got, want := folded.lines(), single.lines(); !slices.Equal(got, want) {
		t.Errorf("folded, the tables are %q, one by one %q", got, want)
	}
	if got, want := statesOf(t, folded), statesOf(t, single); !slices.Equal(got, want) || len(got) < 2 {
		t.Errorf("folded, the states are\n%q, one by one\n%q", got, want)
	}
	w.settle(t)
	if err := w.check(); err != nil {
		t.Error(err)
	}
}

// statesOf prints a site's row states and its conflicts.
func statesOf(t *testing.T, s *site) []string {
	t.Helper()
	list, err := s.conflicts()
	if err != nil {
		t.Fatal(err)
	}
	err = s.r.EachState(func(id merge.RowID, st *merge.State) { list = append(list, fmt.Sprintf("%v %+v", id, *st)) })
	if err != nil {
		t.Fatal(err)
	}
	return list
}
