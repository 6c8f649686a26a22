package sim

import (
	"math/rand/v2"
	"time"
)

// Families of plans, for what random plans hardly ever come to.

// checkPlan is the plan that `sim check` runs for a seed: mostly a random one,
// one in eight of each family.
func checkPlan(seed uint64, least, most int) Plan {
	rnd := rand.New(rand.NewPCG(seed, 13))
	switch {
	case seed%8 == 3:
		return gapsPlan(seed, rnd)
	case seed%8 == 7 && most >= 3:
		return soonPlan(seed, rnd, max(least, 3), max(min(most, 6), least, 3))
	}
	return NewPlan(seed, least, most)
}

// gapsPlan: storing fails while entries are under way for seconds. Those that
// come after the rest do not join up; they must not reach the log.
func gapsPlan(seed uint64, rnd *rand.Rand) Plan {
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
}

// soonPlan: some sites are cut off for a long time, while others write and have
// a way to each other, directly or through others.
func soonPlan(seed uint64, rnd *rand.Rand, least, most int) Plan {
	sites := least + rnd.IntN(most-least+1)
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
}
