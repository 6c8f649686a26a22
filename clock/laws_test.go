package clock_test

import (
	"cmp"
	"flag"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"baraza/clock"
)

var (
	lawSeed  = flag.Int64("law.seed", 1, "seed of the laws' random cases")
	lawTests = flag.Int("law.tests", 2000, "random cases for each law")
)

// holds checks a property, a function of random arguments to bool.
func holds(t *testing.T, law any, gens ...gopter.Gen) {
	t.Helper()
	params := gopter.DefaultTestParametersWithSeed(*lawSeed)
	params.MinSuccessfulTests = *lawTests
	params.Workers = 1
	if result := prop.ForAll(law, gens...).Check(params); !result.Passed() {
		for _, arg := range result.Args {
			t.Logf("with %v (from %v)", arg.ArgFormatted, arg.OrigArgFormatted)
		}
		t.Errorf("%s: %v\nreplay: go test ./clock -run '^%s$' -law.seed=%d", result.Status, result.Error, t.Name(), *lawSeed)
	}
}

// millis are times that meet: before 1970, close together, at the far end.
func millis() gopter.Gen {
	return gen.OneGenOf(gen.Int64Range(-5, 20), gen.Int64Range(1<<48-3, 1<<48+3), gen.Int64())
}

func timestamps() gopter.Gen {
	return gen.OneGenOf(gen.UInt64Range(0, 5), gen.UInt64Range(0, 20<<16), gen.UInt64Range(0, 1<<63)).
		Map(func(n uint64) clock.Timestamp { return clock.Timestamp(n) })
}

func sites() gopter.Gen {
	return gen.UInt8Range(0, 3).Map(func(n uint8) clock.SiteID { return clock.SiteID{n / 2, 14: n % 2} })
}

func stamps() gopter.Gen {
	return gopter.CombineGens(timestamps(), sites()).Map(func(v []any) clock.Stamp {
		return clock.Stamp{Time: v[0].(clock.Timestamp), Site: v[1].(clock.SiteID)}
	})
}

// entries have a Seq and a Through that do not grow together, which asks more
// of the laws than logs do.
func entries() gopter.Gen {
	return gopter.CombineGens(sites(), gen.UInt64Range(1, 5), gen.UInt64Range(0, 5)).Map(func(v []any) clock.Entry {
		return clock.Entry{Site: v[0].(clock.SiteID), Seq: v[1].(uint64), Through: clock.Timestamp(v[2].(uint64))}
	})
}

func vectors() gopter.Gen {
	return gen.SliceOf(entries()).Map(func(list []clock.Entry) clock.VersionVector {
		var v clock.VersionVector
		for _, e := range list {
			v.Set(e)
		}
		return v
	})
}

// TestClockGoesUp: whatever the system clock says and whatever is seen, each
// timestamp given is greater than all given and seen before, and not behind the
// system clock.
func TestClockGoesUp(t *testing.T) {
	holds(t, func(times []int64, seen []clock.Timestamp) bool {
		c := clock.NewClock(0)
		last := clock.Timestamp(0)
		for i, m := range times {
			if i < len(seen) && seen[i] < 1<<62 {
				c.Observe(seen[i])
				last = max(last, seen[i])
			}
			got := c.Give(m)
			if got <= last || got < clock.At(m, 0) || c.Last() != got {
				return false
			}
			last = got
		}
		return true
	}, gen.SliceOf(millis()), gen.SliceOf(timestamps()))
}

// TestClockStaysNear: a clock that has seen nothing later gives the system's
// time itself, not a time made up.
func TestClockStaysNear(t *testing.T) {
	holds(t, func(last clock.Timestamp, m int64) bool {
		got := clock.NewClock(last).Give(m)
		return got == clock.At(m, 0) || got == last+1 && clock.At(m, 0) <= last
	}, timestamps(), millis())
}

// TestClockFollowsCauses: along every chain of messages timestamps grow, over
// restarts too.
func TestClockFollowsCauses(t *testing.T) {
	holds(t, func(hops []uint8, times []int64) bool {
		clocks := []*clock.Clock{clock.NewClock(0), clock.NewClock(0), clock.NewClock(0)}
		message := clock.Timestamp(0)
		for i, hop := range hops {
			at := int(hop) % len(clocks)
			c := clocks[at]
			if hop >= 128 { // restart with what was persisted
				c = clock.NewClock(c.Last())
				clocks[at] = c
			}
			c.Observe(message)
			m := int64(0)
			if i < len(times) {
				m = times[i]
			}
			sent := c.Give(m)
			if sent <= message {
				return false
			}
			message = sent
		}
		return true
	}, gen.SliceOf(gen.UInt8()), gen.SliceOf(millis()))
}

func TestObserveNeverLowers(t *testing.T) {
	holds(t, func(a, b clock.Timestamp) bool {
		c := clock.NewClock(a)
		c.Observe(b)
		return c.Last() == max(a, b)
	}, timestamps(), timestamps())
}

func TestTimestampOrder(t *testing.T) {
	holds(t, func(a, b int64, ca, cb uint16) bool {
		a, b = min(max(a, 0), 1<<48-1), min(max(b, 0), 1<<48-1)
		x, y := clock.At(a, ca), clock.At(b, cb)
		want := cmp.Or(cmp.Compare(a, b), cmp.Compare(ca, cb))
		return cmp.Compare(x, y) == want && x.Millis() == a && x.Counter() == ca
	}, millis(), millis(), gen.UInt16(), gen.UInt16())
}

// TestStampsAreATotalOrder, with the baseline's stamp as the least.
func TestStampsAreATotalOrder(t *testing.T) {
	holds(t, func(a, b, c clock.Stamp) bool {
		antisymmetric := a.Compare(b) == -b.Compare(a)
		equal := (a.Compare(b) == 0) == (a == b)
		transitive := !(a.Less(b) && b.Less(c)) || a.Less(c)
		byTime := a.Time >= b.Time || a.Less(b)
		least := a.IsZero() || clock.Stamp{}.Less(a)
		return antisymmetric && equal && transitive && byTime && least && a.Less(b) == (a.Compare(b) < 0)
	}, stamps(), stamps(), stamps())
}

// join is Merge as an operator.
func join(a, b clock.VersionVector) clock.VersionVector {
	c := a.Clone()
	c.Merge(b)
	return c
}

// TestVectorsAreASemilattice: Merge is commutative, associative, idempotent, and
// the least vector that includes both.
func TestVectorsAreASemilattice(t *testing.T) {
	holds(t, func(a, b, c clock.VersionVector) bool {
		ab := join(a, b)
		commutes := slices.Equal(ab, join(b, a))
		associates := slices.Equal(join(ab, c), join(a, join(b, c)))
		repeats := slices.Equal(join(a, a), a) && slices.Equal(join(ab, b), ab)
		above := ab.Includes(a) && ab.Includes(b)
		least := !(c.Includes(a) && c.Includes(b)) || c.Includes(ab)
		sorted := slices.IsSortedFunc(ab, func(x, y clock.Entry) int { return x.Site.Compare(y.Site) })
		return commutes && associates && repeats && above && least && sorted
	}, vectors(), vectors(), vectors())
}

// TestBehind counts exactly what Includes misses.
func TestBehind(t *testing.T) {
	holds(t, func(a, b clock.VersionVector) bool {
		return (a.Behind(b) == 0) == a.Includes(b) && a.Behind(b) == a.Behind(join(a, b)) && join(a, b).Behind(b) == 0
	}, vectors(), vectors())
}

// TestCovers: a vector covers exactly the stamps up to its origin's Through and
// the baseline, and never covers less by knowing more.
func TestCovers(t *testing.T) {
	holds(t, func(a, b clock.VersionVector, s clock.Stamp) bool {
		covers := a.Covers(s) == (s.IsZero() || s.Time <= a.Get(s.Site).Through)
		grows := join(a, b).Covers(s) == (a.Covers(s) || b.Covers(s))
		return covers && grows
	}, vectors(), vectors(), stamps())
}

// TestSetAndGet, against a map.
func TestSetAndGet(t *testing.T) {
	holds(t, func(list []clock.Entry) bool {
		var v clock.VersionVector
		m := map[clock.SiteID]clock.Entry{}
		for _, e := range list {
			before := v.Clone()
			copied := slices.Clone(before)
			v.Set(e)
			m[e.Site] = e
			if !slices.Equal(before, copied) {
				return false // a clone shares nothing
			}
		}
		for site, e := range m {
			if v.Get(site) != e || v.Seq(site) != e.Seq {
				return false
			}
		}
		absent := clock.SiteID{0xff}
		return len(v) == len(m) && v.Get(absent) == clock.Entry{Site: absent}
	}, gen.SliceOf(entries()))
}

func TestSiteIDRoundTrip(t *testing.T) {
	holds(t, func(b []byte) bool {
		var id clock.SiteID
		copy(id[:], b)
		got, err := clock.ParseSiteID(id.String())
		return err == nil && got == id && len(id.String()) == 32 && id.String()[:8] == id.Short()
	}, gen.SliceOfN(16, gen.UInt8()))
}
