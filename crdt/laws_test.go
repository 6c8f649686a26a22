package crdt_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"baraza/clock"
	"baraza/crdt"
)

var (
	lawSeed  = flag.Int64("law.seed", 1, "seed of the laws' random histories")
	lawTests = flag.Int("law.tests", 2000, "random histories for each law")
)

// ordersPerHistory is how many causal orders of delivery each history gets.
const ordersPerHistory = 4

// checkLaw tries a law on random scripts and prints the shortest that breaks
// it.
func checkLaw(t *testing.T, law func(script) error) {
	t.Helper()
	params := gopter.DefaultTestParametersWithSeed(*lawSeed)
	params.MinSuccessfulTests = *lawTests
	params.MaxSize = 14
	params.Workers = 1
	var shortest script
	var broken error
	ok := prop.ForAll(func(s []uint32) bool {
		err := law(s)
		if err != nil && (broken == nil || len(s) <= len(shortest)) {
			shortest, broken = s, err
		}
		return err == nil
	}, gen.SliceOf(gen.UInt32())).Check(params)
	if !ok.Passed() {
		t.Errorf("%v\nscript %v\nreplay: go test ./crdt -run '^%s$' -law.seed=%d -law.tests=%d", broken, shortest, t.Name(), *lawSeed, *lawTests)
	}
}

// variants are the circumstances that each law must hold in.
func variants(t *testing.T, law func(h *history, rng *rand.Rand) error) {
	for _, v := range []struct {
		name            string
		baseline, drift bool
	}{
		{"new row", false, false},
		{"row from before", true, false},
		{"new row, tables differ", false, true},
		{"row from before, tables differ", true, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			checkLaw(t, func(s script) error {
				h := play(s, v.baseline, v.drift)
				if err := law(h, rand.New(rand.NewPCG(uint64(len(s)), 0))); err != nil {
					return fmt.Errorf("%s\n%w", h, err)
				}
				return nil
			})
		})
	}
}

// TestLawFunctionOfTheSet: after every step of every causal order of delivery
// the row and its conflict records are what the oracle says of the changes
// delivered so far. So delivery commutes, and batches may be grouped at will.
func TestLawFunctionOfTheSet(t *testing.T) {
	variants(t, func(h *history, rng *rand.Rand) error {
		for range ordersPerHistory {
			row, o := h.start(), oracle{baseline: h.baseline}
			var order strings.Builder
			for _, d := range h.order(rng) {
				apply(&row, d)
				o.add(d)
				fmt.Fprintf(&order, " %d.%d", d.origin[0], d.seq)
				if got, want := o.describe(&row), o.String(); got != want {
					return fmt.Errorf("delivered%s, the row is\n  %s\nand should be\n  %s", order.String(), got, want)
				}
			}
		}
		return nil
	})
}

// TestLawNothingIsLost: every value that a site wrote is visible, or replaced by
// someone who names it, or in a conflict record with what beat it.
func TestLawNothingIsLost(t *testing.T) {
	variants(t, func(h *history, rng *rand.Rand) error {
		row, o := h.start(), oracle{baseline: h.baseline}
		for _, d := range h.order(rng) {
			apply(&row, d)
			o.add(d)
		}
		for i := range o.facts {
			f := &o.facts[i]
			for c, column := range f.Columns {
				visible := row.Exists && row.Of(column) == f.at
				value, _ := row.Value(column)
				if visible && value != f.Values[c] {
					return fmt.Errorf("%s has the stamp of %s, but the value %s", column, f.Values[c], value)
				}
				lost := false
				for _, l := range row.Lost {
					lost = lost || !l.Visible && l.Column == column && l.Stamp == f.at && l.Value == f.Values[c] && l.Stamp.Less(l.Winner)
				}
				if !visible && !lost && !o.knownValue(column, f.at) {
					return fmt.Errorf("%s=%s written at %s is gone without a record: %s", column, f.Values[c], showStamp(f.at), o.describe(&row))
				}
				if visible && lost {
					return fmt.Errorf("%s=%s written at %s is visible and has a record: %s", column, f.Values[c], showStamp(f.at), o.describe(&row))
				}
			}
		}
		return nil
	})
}

// TestLawDeletedStaysDeleted: what is older than the delete never brings the row
// back, in whatever order it comes; what is newer always does.
func TestLawDeletedStaysDeleted(t *testing.T) {
	variants(t, func(h *history, rng *rand.Rand) error {
		row := h.start()
		var deleted, written clock.Stamp
		for _, d := range h.order(rng) {
			apply(&row, d)
			for i := range d.changes {
				at := clock.Stamp{Time: d.changes[i].Time, Site: d.origin}
				if d.changes[i].Delete && deleted.Less(at) {
					deleted = at
				}
				if !d.changes[i].Delete && written.Less(at) {
					written = at
				}
			}
			if want := deleted.IsZero() || deleted.Less(written); row.Exists != want {
				return fmt.Errorf("exists is %v with a delete at %s and the last write at %s", row.Exists, showStamp(deleted), showStamp(written))
			}
		}
		return nil
	})
}

// TestLawRepetition: a change that comes again changes no value and no stamp,
// whenever it comes. (That its records stay too is the caller's to ensure: the
// log gives each entry once.)
func TestLawRepetition(t *testing.T) {
	variants(t, func(h *history, rng *rand.Rand) error {
		row, o := h.start(), oracle{baseline: h.baseline}
		var done []*delivery
		for _, d := range h.order(rng) {
			apply(&row, d)
			o.add(d)
			done = append(done, d)
			before := o.describeVisible(&row)
			again := done[rng.IntN(len(done))]
			copied := row
			copied.Lost, copied.Cells, copied.KnownCells = append([]crdt.Loss(nil), row.Lost...), append([]crdt.CellStamp(nil), row.Cells...), append([]string(nil), row.KnownCells...)
			apply(&copied, again)
			if after := o.describeVisible(&copied); after != before {
				return fmt.Errorf("batch %d.%d once more makes of\n  %s\nthis\n  %s", again.origin[0], again.seq, before, after)
			}
		}
		return nil
	})
}

// TestOracleSeesAll: the histories are rich enough to mean something.
func TestOracleSeesAll(t *testing.T) {
	seen := map[string]int{}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		s := make(script, rng.IntN(14))
		for i := range s {
			s[i] = rng.Uint32()
		}
		h := play(s, rng.IntN(2) == 0, false)
		o := oracle{baseline: h.baseline}
		for i := range h.deliveries {
			o.add(&h.deliveries[i])
		}
		if !o.exists() {
			seen["a row that is deleted"]++
		}
		for _, l := range o.losses() {
			switch {
			case l.Column == "":
				seen["a delete that lost"]++
			case l.WinnerDelete:
				seen["a value that a delete beat"]++
			default:
				seen["a value that a value beat"]++
			}
		}
	}
	for _, what := range []string{"a row that is deleted", "a delete that lost", "a value that a delete beat", "a value that a value beat"} {
		if seen[what] < 50 {
			t.Errorf("%s came up %d times in 3000 histories", what, seen[what])
		}
	}
	t.Log(seen)
}
