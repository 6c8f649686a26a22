package crdt

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"baraza/clock"
)

func dec(s string) Value { return Tagged(TagDecimal, s) }

func TestAddAndSub(t *testing.T) {
	for _, c := range []struct{ a, b, sum, difference Value }{
		{Int(2), Int(3), Int(5), Int(-1)},
		{Null, Int(3), Int(3), Int(-3)},
		{Int(math.MaxInt64), Int(1), Uint(math.MaxInt64 + 1), Int(math.MaxInt64 - 1)},
		{Uint(math.MaxUint64), Int(1), dec("18446744073709551616"), Uint(math.MaxUint64 - 1)},
		{Int(math.MinInt64), Int(1), Int(math.MinInt64 + 1), dec("-9223372036854775809")},
		{dec("2.50"), dec("0.75"), dec("3.25"), dec("1.75")},
		{dec("0.05"), dec("0.10"), dec("0.15"), dec("-0.05")},
		{dec("-1.5"), dec("1.50"), dec("0.00"), dec("-3.00")},
		{Int(0), dec("7.00"), dec("7.00"), dec("-7.00")},
	} {
		if got := Add(c.a, c.b); got != c.sum {
			t.Errorf("%s + %s = %s, want %s", c.a, c.b, got, c.sum)
		}
		if got := Sub(c.a, c.b); got != c.difference {
			t.Errorf("%s - %s = %s, want %s", c.a, c.b, got, c.difference)
		}
	}
}

// TestCounterLaws: whatever the order and however often they come, as long as each
// site's own come in order, a row shows all that was added, once; and what is older
// than a delete that an insert had seen is gone.
//
// Seen to fail when old parts stay, and when the last Reset wins instead of
// the greatest.
func TestCounterLaws(t *testing.T) {
	properties := gopter.NewProperties(nil)
	properties.Property("the sum is the same in every order", prop.ForAll(func(seed uint64) string {
		rnd := rand.New(rand.NewPCG(seed, 1))
		want, changes := counterHistory(rnd)
		for range 4 {
			rnd.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
			row := &Row{}
			for range 2 { // each comes twice
				for i := range changes {
					row.Apply(&changes[i].ch, changes[i].site, nil)
				}
				if got, _ := row.Shows("n"); got != want {
					return fmt.Sprintf("shows %s, want %s, after %+v", got, want, changes)
				}
			}
		}
		return ""
	}, gen.UInt64()))
	properties.TestingRun(t)
}

type counterChange struct {
	site clock.SiteID
	ch   Change
}

// counterHistory makes what some sites add to a row, perhaps after two of them
// inserted it anew over deletes that they had seen.
func counterHistory(rnd *rand.Rand) (want Value, changes []counterChange) {
	want = Int(0)
	at := clock.Timestamp(10)
	add := func(site byte, columns []string, values ...Value) {
		at++
		changes = append(changes, counterChange{clock.SiteID{site}, Change{Table: "t", Key: "k", Time: at, Columns: columns, Values: values}})
	}
	var reset clock.Stamp
	for site := byte(1); site <= 4; site++ { // before the deletes, or between them
		part := Part("n", clock.SiteID{site})
		add(site, []string{"n", part}, Int(0), Int(int64(rnd.IntN(100))))
	}
	if rnd.IntN(2) == 0 {
		seen := []clock.Timestamp{at + 10, at + 5}
		at += 6
		add(5, []string{Part("n", clock.SiteID{5})}, Int(1000)) // older than one of the deletes
		at += 20
		for i, d := range seen {
			stamp := clock.Stamp{Time: d, Site: clock.SiteID{9}}
			add(byte(7+i), []string{"n", Reset}, Int(0), ResetAt(stamp))
			if reset.Less(stamp) {
				reset = stamp
			}
		}
	}
	latest := map[clock.SiteID]Value{}
	for range rnd.IntN(12) {
		site := clock.SiteID{byte(1 + rnd.IntN(4))}
		before, ok := latest[site]
		if !ok {
			before = Int(0)
		}
		latest[site] = Add(before, Int(int64(rnd.IntN(200)-100)))
		add(site[0], []string{Part("n", site)}, latest[site])
	}
	for site := byte(1); site <= 4; site++ {
		v, ok := latest[clock.SiteID{site}]
		if !ok && reset.IsZero() {
			v = changes[site-1].ch.Values[1]
		}
		want = Add(want, v)
	}
	return want, changes
}

// TestBeginAnew: what was added before a delete is gone for one who had seen the
// delete and inserts the row, and knows no more of it, also where one who had not
// seen it has brought the row back.
//
// Seen to fail without Row.EndParts.
func TestBeginAnew(t *testing.T) {
	a, b, c := clock.SiteID{1}, clock.SiteID{2}, clock.SiteID{3}
	row := &Row{}
	row.Apply(&Change{Whole: true, Time: 10, Columns: []string{"n", Part("n", a)}, Values: []Value{Int(0), Int(5)}}, a, nil)
	row.Apply(&Change{Delete: true, Time: 20, Prior: Stamps{Row: clock.Stamp{Time: 10, Site: a}}}, a, clock.VersionVector{{Site: a, Seq: 1, Through: 10}})
	row.Apply(&Change{Time: 30, Columns: []string{"n"}, Values: []Value{Int(1)}}, b, nil) // it had not seen the delete
	if got, _ := row.Shows("n"); got != Int(6) {
		t.Fatalf("a row that was brought back shows %s, want 6", got)
	}
	seen := clock.VersionVector{{Site: a, Seq: 2, Through: 20}}
	row.Apply(&Change{Whole: true, Time: 25, Columns: []string{"n", Part("n", c)}, Values: []Value{Int(0), Int(3)}}, c, seen)
	if got, _ := row.Shows("n"); got != Int(4) {
		t.Errorf("with what was inserted anew it shows %s, want 4", got)
	}
}

// TestBeginOver: so too, whichever comes first, where a later delete has taken the place
// of the one that he had seen: that of one who had not seen that either.
//
// Seen to fail without Row.EndSeen: the row that met the later delete shows 8.
func TestBeginOver(t *testing.T) {
	a, b, c := clock.SiteID{1}, clock.SiteID{2}, clock.SiteID{3}
	at := func(time clock.Timestamp, site clock.SiteID) clock.Stamp { return clock.Stamp{Time: time, Site: site} }
	deleted := &Row{}
	deleted.Apply(&Change{Whole: true, Time: 10, Columns: []string{"n", Part("n", a)}, Values: []Value{Int(0), Int(5)}}, a, nil)
	deleted.Apply(&Change{Delete: true, Time: 20, Prior: Stamps{Row: at(10, a)}}, a, clock.VersionVector{{Site: a, Seq: 1, Through: 10}})
	back := func(r *Row) { // it had the row of its own, and its applications deleted that
		r.Apply(&Change{Whole: true, Time: 30, Columns: []string{"n"}, Values: []Value{Int(1)}}, b, nil)
		r.Apply(&Change{Delete: true, Time: 31, Prior: Stamps{Row: at(30, b)}}, b, nil)
	}
	anew := func(r *Row) {
		ch := &Change{Whole: true, Time: 40, Columns: []string{"n", Part("n", c)}, Values: []Value{Int(0), Int(3)}}
		r.Apply(ch, c, clock.VersionVector{{Site: a, Seq: 2, Through: 20}})
	}
	back(deleted)
	anew(deleted)
	forgotten := &Row{}
	anew(forgotten)
	back(forgotten)
	for _, r := range []*Row{deleted, forgotten} {
		if got, _ := r.Shows("n"); got != Int(3) {
			t.Errorf("what was inserted anew shows %s, want 3", got)
		}
	}
}
