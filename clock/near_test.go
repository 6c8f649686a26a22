package clock_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"baraza/clock"
)

// TestShortWays: what looks for a place by a guess, or goes through two vectors
// side by side, does what a look at each site does.
func TestShortWays(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	vector := func() (v clock.VersionVector) {
		for range rnd.IntN(12) {
			v.Set(clock.Entry{Site: clock.SiteID{byte(rnd.IntN(6)), 8: byte(rnd.IntN(4))}, Seq: uint64(rnd.IntN(4)), Through: clock.Timestamp(rnd.IntN(4))})
		}
		return v
	}
	for range 20_000 {
		a, b := vector(), vector()
		merged, includes, behind := a.Clone(), true, uint64(0)
		for _, e := range b {
			mine := a.Get(e.Site)
			if e.Seq > mine.Seq || e.Through > mine.Through {
				merged.Set(clock.Entry{Site: e.Site, Seq: max(e.Seq, mine.Seq), Through: max(e.Through, mine.Through)})
			}
			if e.Seq > mine.Seq {
				includes = false
				behind += e.Seq - mine.Seq
			}
			if got := a.SeqAt(rnd.IntN(14), e.Site); got != mine.Seq {
				t.Fatalf("%v has %d of %s, not %d", a, mine.Seq, e.Site, got)
			}
			before := a.Clone()
			if with := a.With(e); with.Get(e.Site) != e || !slices.Equal(a, before) {
				t.Fatalf("%v with %v is %v", before, e, with)
			}
		}
		got := append(make(clock.VersionVector, 0, len(a)+rnd.IntN(16)), a...) // with room, or too little
		got.Merge(b)
		if !slices.Equal(got, merged) || a.Includes(b) != includes || a.Behind(b) != behind {
			t.Fatalf("%v and %v: merged %v, included %v, behind %d; want %v, %v, %d", a, b, got, a.Includes(b), a.Behind(b), merged, includes, behind)
		}
	}
}
