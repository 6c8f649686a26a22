package crdt_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"baraza/clock"
	"baraza/crdt"
)

// endedRuns is how many random histories the laws of ended rows are tried on.
const endedRuns = 3000

// endedFact is a change of a site that had seen nothing.
type endedFact struct {
	crdt.Change
	origin clock.SiteID
}

// someFacts makes n changes of sites from the first one on, stamped after a time.
func someFacts(rnd *rand.Rand, n int, first byte, after clock.Timestamp) (facts []endedFact) {
	for i := range n {
		f := endedFact{origin: clock.SiteID{first + byte(rnd.IntN(3))}}
		f.Table, f.Key, f.Time = "t", "k", after+clock.Timestamp(10*i+rnd.IntN(10)+1)
		switch rnd.IntN(4) {
		case 0:
			f.Delete = true
		case 1:
			f.Columns, f.Whole = []string{"a", "b", "c"}, true
		default:
			f.Columns = []string{[]string{"a", "b", "c"}[rnd.IntN(3)]}
		}
		for _, c := range f.Columns {
			f.Values = append(f.Values, crdt.Text(c+string(rune('A'+i))+string(rune('0'+first))))
		}
		facts = append(facts, f)
	}
	rnd.Shuffle(n, func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	return facts
}

func applyAll(r *crdt.Row, facts []endedFact) {
	for i := range facts {
		r.Apply(&facts[i].Change, facts[i].origin, nil)
	}
}

// outcome is what a row shows and has lost, but for what the sites below first wrote.
func outcome(r *crdt.Row, first byte) map[string]any {
	o := map[string]any{"exists": r.Exists, "deleted": r.Deleted}
	for i, c := range r.Columns {
		o[c], o["at "+c] = r.Values[i], r.Of(c)
	}
	lost := []crdt.Loss{}
	for _, l := range r.Lost {
		if l.Stamp.Site[0] >= first {
			lost = append(lost, l)
		}
	}
	o["lost"] = lost
	return o
}

// What a site had of a row of which it got the delete is a loss to that delete, and nothing
// else, wherever it comes among the other changes.
//
// Seen to fail when it is merged like any other write, and when later writes or deletes
// take the place of the delete.
func TestLostToDeleteCommutes(t *testing.T) {
	for seed := range uint64(endedRuns) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		facts := someFacts(rnd, 1+rnd.IntN(7), 1, 100)
		lost := endedFact{origin: clock.SiteID{byte(5 * rnd.IntN(2))}} // before or behind the others
		lost.Table, lost.Key, lost.Time = "t", "k", clock.Timestamp(1+rnd.IntN(200))
		lost.Columns, lost.Values = []string{"b", "c"}, []crdt.Value{crdt.Text("own"), crdt.Text("own too")}
		lost.Prior.Deleted = clock.Stamp{Time: lost.Time + clock.Timestamp(1+rnd.IntN(60)), Site: clock.SiteID{9}}
		without := crdt.Row{}
		applyAll(&without, facts)
		for i, c := range lost.Columns {
			without.Lost = append(without.Lost, crdt.Loss{
				Column: c, Value: lost.Values[i], Stamp: clock.Stamp{Time: lost.Time, Site: lost.origin},
				Winner: lost.Prior.Deleted, WinnerDelete: true, Apart: true,
			})
		}
		crdt.SortLosses(without.Lost)
		at := 1 + rnd.IntN(len(facts))
		with := crdt.Row{}
		applyAll(&with, slices.Insert(slices.Clone(facts), at, lost))
		if got, want := outcome(&with, 0), outcome(&without, 0); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, at %d:\n%v\nwant\n%v", seed, at, got, want)
		}
	}
}

// An insert that puts an end to a row gives the same with what others wrote since the
// delete, wherever it comes among that, and whether the row that ended was there at all.
//
// Seen to fail when End leaves all as it is, when it takes everything, and when it leaves
// the delete.
func TestEndCommutes(t *testing.T) {
	const deleted = 200
	for seed := range uint64(endedRuns) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		before := someFacts(rnd, rnd.IntN(6), 1, 100)
		gone := endedFact{origin: clock.SiteID{1}}
		gone.Table, gone.Key, gone.Delete, gone.Time = "t", "k", true, deleted
		before = append(before, gone)
		covered := clock.VersionVector{}
		for site := byte(1); site <= 3; site++ {
			covered.Set(clock.Entry{Site: clock.SiteID{site}, Seq: 1, Through: deleted})
		}
		since := someFacts(rnd, rnd.IntN(6), 5, deleted)
		insert := endedFact{origin: clock.SiteID{8}}
		insert.Table, insert.Key, insert.Time, insert.Whole = "t", "k", clock.Timestamp(1+rnd.IntN(150)), true
		insert.Columns, insert.Values = []string{"a", "b", "c"}, []crdt.Value{crdt.Text("x"), crdt.Text("y"), crdt.Text("z")}

		first := crdt.Row{} // the insert comes before all that is since, and the old row is forgotten
		applyAll(&first, []endedFact{insert})
		applyAll(&first, since)

		at, later := rnd.IntN(len(since)+1), crdt.Row{}
		applyAll(&later, before)
		applyAll(&later, since[:at])
		later.End(covered)
		applyAll(&later, []endedFact{insert})
		applyAll(&later, since[at:])
		if got, want := outcome(&later, 5), outcome(&first, 5); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d, at %d of %d:\n%v\nwant\n%v", seed, at, len(since), got, want)
		}
	}
}
