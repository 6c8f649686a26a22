package replica

import (
	"fmt"
	"slices"
	"testing"

	"baraza/crdt"
)

// TestFoldedDigests: digests with buckets to spare, folded, are those that fewer buckets
// give from the start.
func TestFoldedDigests(t *testing.T) {
	columns := []string{"name", "note"}
	for _, rows := range []int{1, 31, 32, 100, 5000} {
		spare := newDigesterFor(int64(rows))
		add := func(d *digester) {
			for i := range rows {
				key := crdt.MakeKey(crdt.Text(fmt.Sprint(i)))
				d.add(key, columns, []crdt.Value{crdt.Int(int64(i)), crdt.Text("n")})
			}
		}
		add(spare)
		folded := spare.sums.folded(int64(rows))
		if !folded.valid() || len(folded)*bucketRows >= 2*rows && len(folded) > 1 || 2*len(folded)*bucketRows < 2*rows {
			t.Errorf("%d rows are in %d buckets", rows, len(folded))
		}
		direct := newDigester(len(folded))
		add(direct)
		if !slices.Equal(folded, direct.sums) {
			t.Errorf("%d rows: the %d folded digests are others than those made at once", rows, len(folded))
		}
	}
	if folded := newDigesterFor(0).sums.folded(0); folded != nil {
		t.Errorf("no rows have %d digests", len(folded))
	}
}
