package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/clock"
	"baraza/crdt"
)

// TestLawGone: batches may be lost with all who had them, and what others wrote who had
// seen them stays (docs/decisions/0005). Whatever of a history is lost, and in whatever
// causal order the rest comes, the row and its conflict records are what the oracle says
// of the rest: a value that was overwritten by those alone who had seen it, over a write
// that is lost, is in a record that names nobody.
func TestLawGone(t *testing.T) {
	gone := 0
	variants(t, func(h *history, rng *rand.Rand) error {
		for range ordersPerHistory {
			lost := clock.Entry{Site: clock.SiteID{byte(1 + rng.IntN(lawSites))}, Seq: uint64(rng.IntN(3))}
			row, o := h.start(), oracle{baseline: h.baseline}
			var order strings.Builder
			for _, d := range h.orderWithout(rng, lost) {
				apply(&row, d)
				o.add(d)
				fmt.Fprintf(&order, " %d.%d", d.origin[0], d.seq)
				if got, want := o.describe(&row), o.String(); got != want {
					return fmt.Errorf("lost after %d.%d, delivered%s, the row is\n  %s\nand should be\n  %s", lost.Site[0], lost.Seq, order.String(), got, want)
				}
			}
			if slices.ContainsFunc(row.Lost, func(l crdt.Loss) bool { return l.WinnerGone() }) {
				gone++
			}
		}
		return nil
	})
	if gone == 0 {
		t.Error("no value was overwritten by those alone who had seen it: the histories do not do what they are for")
	}
}

// orderWithout returns all batches in a random causal order, but for those of a site
// after one, which are lost.
func (h *history) orderWithout(rng *rand.Rand, lost clock.Entry) (order []*delivery) {
	var v clock.VersionVector
	for {
		var due []*delivery
		for i := range h.deliveries {
			d := &h.deliveries[i]
			had := clock.VersionVector(nil)
			for _, e := range d.context {
				if e.Site == lost.Site {
					e.Seq = min(e.Seq, lost.Seq)
				}
				had.Set(e)
			}
			if isLost := d.origin == lost.Site && d.seq > lost.Seq; !isLost && v.Seq(d.origin)+1 == d.seq && v.Includes(had) {
				due = append(due, d)
			}
		}
		if len(due) == 0 {
			return order
		}
		d := due[rng.IntN(len(due))]
		v.Set(d.entry())
		order = append(order, d)
	}
}
