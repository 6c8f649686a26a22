package sim

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Families of plans, for what random plans hardly ever come to.

// runFamily runs plans of a family and returns the worlds' sums of what count
// counts.
func runFamily(t *testing.T, runs uint64, plan func(seed uint64, rnd *rand.Rand) Plan, count func(w *World) uint64) (sum uint64) {
	t.Helper()
	first, last := uint64(1), runs
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	for seed := first; seed <= last; seed++ {
		p := plan(seed, rand.New(rand.NewPCG(seed, 13)))
		if *flagSeed != 0 && *flagTrace {
			p.Trace = func(line string) { t.Log(line) }
		}
		res := p.run(func(w *World) { sum += count(w) })
		if res.Err != nil {
			t.Fatalf("%v\n  %s\nreplay: go test ./sim -run '^%s$' -seed %d", res.Err, strings.Join(res.Tail, "\n  "), t.Name(), seed)
		}
	}
	return sum
}

// TestGaps: where storing fails while entries are under way for seconds, those
// that come after the rest do not join up; they must not reach the log.
func TestGaps(t *testing.T) {
	gaps := runFamily(t, 25, func(seed uint64, rnd *rand.Rand) Plan {
		p := Plan{Options: Options{
			Seed: seed, Sites: 2 + rnd.IntN(2), Rows: 6,
			Latency: Latency{Kind: Uniform, Base: time.Duration(1500+rnd.IntN(2500)) * time.Millisecond, Spread: time.Second},
		}}
		for at := 20 * time.Second; at < 80*time.Second; at += time.Duration(100+rnd.IntN(300)) * time.Millisecond {
			p.Ops = append(p.Ops, Op{At: at, Site: 0, Seed: rnd.Uint64()})
		}
		for at := 25 * time.Second; at < 80*time.Second; at += time.Duration(2+rnd.IntN(6)) * time.Second {
			p.Faults = append(p.Faults, Fault{At: at, Kind: Failure, Seed: rnd.Uint64()})
		}
		return p
	}, func(w *World) (n uint64) {
		for _, s := range w.Sites {
			n += s.p.Metrics().Gaps
		}
		return n
	})
	if gaps == 0 && *flagSeed == 0 {
		t.Fatal("no run had a gap: the family does not do what it is for")
	}
	t.Logf("%d gaps", gaps)
}

// TestSoon: some sites are cut off for a long time, while others write and have
// a way to each other, directly or through others.
func TestSoon(t *testing.T) {
	runFamily(t, 25, func(seed uint64, rnd *rand.Rand) Plan {
		sites := 3 + rnd.IntN(4)
		p := Plan{Options: Options{
			Seed: seed, Sites: sites, Rows: 12, Topology: []Topology{Mesh, Ring}[rnd.IntN(2)],
			Latency: Latency{Base: time.Duration(5+rnd.IntN(200)) * time.Millisecond},
			Mix:     Mix{LargeOneIn: -1},
		}}
		const length = 25 * time.Minute
		for at := time.Minute; at < length; at += time.Duration(10+rnd.IntN(40)) * time.Second {
			p.Ops = append(p.Ops, Op{At: at, Site: rnd.IntN(sites), Seed: rnd.Uint64()})
		}
		for range 3 {
			kind := []FaultKind{One, OneLine, Halves, MajorityMinority, Bridge, Crash}[rnd.IntN(6)]
			p.Faults = append(p.Faults, Fault{
				At: within(rnd, length/2), For: 5*time.Minute + within(rnd, length/2), Kind: kind, Seed: rnd.Uint64(),
			})
		}
		return p
	}, func(*World) uint64 { return 0 })
}
