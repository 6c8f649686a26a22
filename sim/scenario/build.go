package scenario

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"baraza/sim"
)

// random is the random source of one concern of a run.
func random(seed uint64, concern string, n int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "scenario %s %d", concern, n) // a hash takes everything
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// options are what the world of a scenario is made of.
func (s *Scenario) options(seed uint64) sim.Options {
	joined := s.Topology.joins(len(s.Sites), seed)
	return sim.Options{
		Joins: s.joins(), Seed: seed, Sites: len(s.Sites), Rows: s.Rows, Mix: s.Mix, Checks: s.Checks, MaxDrift: s.MaxDrift, Publish: s.Publish, Couriers: s.Couriers, Administrator: s.Administrator, Adds: s.Adds, Exchange: s.Exchange,
		Clock: func(site int) sim.ClockStart { return s.Sites[site].Clock },
		Wire: func(a, b int) (sim.Line, bool) {
			line, is := s.Line, joined(a, b)
			for i := range s.Rules {
				if s.Rules[i].names(a, b) {
					line, is = s.Rules[i].Line, is || s.Topology.Kind == "lines"
				}
			}
			return line, is
		},
	}
}

// joins are the sites that join later.
func (s *Scenario) joins() (list []sim.Join) {
	for i := range s.Sites {
		if at := s.Sites[i].Joins; at > 0 {
			list = append(list, sim.Join{Site: i, At: at})
		}
	}
	return list
}

// loses reports whether sites leave, or what they had is lost.
func (s *Scenario) loses() bool {
	for _, kind := range sim.FaultKinds() {
		if kind >= sim.Restored && kind != sim.Left && slices.ContainsFunc(s.Faults, func(f Fault) bool { return slices.Contains(f.Kinds, kind.String()) }) {
			return true
		}
	}
	return false
}

// joins returns which sites i < j of n have a line.
func (t *Topology) joins(n int, seed uint64) func(i, j int) bool {
	switch t.Kind {
	case "lines":
		return func(_, _ int) bool { return false }
	case "ring":
		return func(i, j int) bool { return j == i+1 || i == 0 && j == n-1 }
	case "chain":
		return func(i, j int) bool { return j == i+1 }
	case "star":
		return func(i, _ int) bool { return i == 0 }
	case "tree":
		return func(i, j int) bool { return i == (j-1)/t.Degree }
	case "random":
		return t.chords(n, seed)
	}
	return func(_, _ int) bool { return true }
}

// chords is a ring, so that all are connected, with random lines across it,
// until each site has Degree lines on average.
func (t *Topology) chords(n int, seed uint64) func(i, j int) bool {
	rnd := random(seed, "topology", 0)
	have := map[[2]int]bool{}
	for i := range n {
		have[[2]int{min(i, (i+1)%n), max(i, (i+1)%n)}] = true
	}
	want := min(n*t.Degree/2, n*(n-1)/2)
	for len(have) < want {
		i, j := rnd.IntN(n), rnd.IntN(n)
		if i != j {
			have[[2]int{min(i, j), max(i, j)}] = true
		}
	}
	return func(i, j int) bool { return have[[2]int{i, j}] }
}

// schedule puts all that is to happen into a world. Its order is that of
// sim.Plan.Run, so that a plan written as a scenario is the same run.
func (s *Scenario) schedule(w *sim.World, seed uint64) {
	for _, x := range s.Settings {
		w.At(x.At, func() { w.Set(x) })
	}
	for _, op := range s.Transactions {
		w.At(op.At, func() { w.Do(op) })
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		rnd := random(seed, "fault", i)
		if f.Every > 0 {
			s.again(w, f, rnd, f.At)
		} else {
			w.At(f.At, func() { f.strike(w, rnd) })
		}
	}
	for k := range s.Load {
		for _, site := range s.Load[k].Sites {
			s.write(w, &s.Load[k], site, random(seed, fmt.Sprintf("load %d", k), site), s.Load[k].From)
		}
	}
}

// again lets a fault happen again and again.
func (s *Scenario) again(w *sim.World, f *Fault, rnd *rand.Rand, after time.Duration) {
	at := after + time.Duration(rnd.ExpFloat64()*float64(f.Every))
	if at >= min(f.Until, s.Duration) {
		return
	}
	w.At(at, func() {
		f.strike(w, rnd)
		s.again(w, f, rnd, at)
	})
}

// write lets a site's applications write, now and again: transactions come one
// by one, at random (a Poisson process), in the hours that they work.
func (s *Scenario) write(w *sim.World, load *Load, site int, rnd *rand.Rand, after time.Duration) {
	end := s.Duration
	if load.Until > 0 {
		end = min(end, load.Until)
	}
	at := after + time.Duration(rnd.ExpFloat64()/load.PerSecond*float64(time.Second))
	for !sim.Within(load.Hours, at) && at < end {
		at = sim.NextEdge(load.Hours, at) + time.Duration(rnd.ExpFloat64()/load.PerSecond*float64(time.Second))
	}
	if at >= end || at < after { // the latter: a rate so low that it overflows
		return
	}
	seed := rnd.Uint64()
	w.At(at, func() {
		w.Do(sim.Op{Site: site, Seed: seed})
		s.write(w, load, site, rnd, at)
	})
}

// strike makes a fault happen now.
func (f *Fault) strike(w *sim.World, rnd *rand.Rand) {
	if w.Repaired() {
		return
	}
	name := f.Kinds[0]
	if len(f.Kinds) > 1 {
		name = f.Kinds[rnd.IntN(len(f.Kinds))]
	}
	seed := f.Seed
	if !f.Seeded {
		seed = rnd.Uint64()
	}
	var kind sim.FaultKind
	for _, k := range sim.FaultKinds() {
		if k.String() == name {
			kind = k
		}
	}
	switch {
	case len(f.Sites) == 0:
		w.Apply(sim.Fault{At: w.Now(), For: f.For, Kind: kind, Seed: seed})
	case name == cutKind || kind <= sim.OneWay:
		heal := w.Cut(name, f.ways(name == sim.OneWay.String()))
		w.At(w.Now()+f.For, heal)
	case kind == sim.Flapping:
		f.flap(w, rnd, w.Now()+f.For)
	default:
		for _, i := range f.Sites {
			f.hit(w, w.Sites[i], kind, rnd)
		}
	}
}

// ways are the directions that a cut takes.
func (f *Fault) ways(oneWay bool) func(from, to int) bool {
	in, others := set(f.Sites), set(f.Others)
	return func(from, to int) bool {
		forth, back := in[from] && !in[to], in[to] && !in[from]
		if f.Others != nil {
			forth, back = in[from] && others[to], in[to] && others[from]
		}
		return forth || back && !oneWay
	}
}

func set(list []int) map[int]bool {
	m := map[int]bool{}
	for _, i := range list {
		m[i] = true
	}
	return m
}

// flapMax is the longest time that a flapping line stays as it is.
const flapMax = 10 * time.Second

// flap cuts the sites off and lets them back, again and again.
func (f *Fault) flap(w *sim.World, rnd *rand.Rand, end time.Duration) {
	if w.Repaired() || w.Now() >= end {
		return
	}
	heal := w.Cut("flapping", f.ways(false))
	off := time.Duration(rnd.Int64N(int64(flapMax)))
	w.At(w.Now()+off, heal)
	w.At(w.Now()+off+time.Duration(rnd.Int64N(int64(flapMax))), func() { f.flap(w, rnd, end) })
}

// hit strikes one site.
func (f *Fault) hit(w *sim.World, s *sim.Site, kind sim.FaultKind, rnd *rand.Rand) {
	switch kind {
	case sim.Crash:
		s.Crash(f.For)
		return
	case sim.Restored:
		s.RestoreIn(f.For, rnd.IntN(2) == 0)
		return
	case sim.PastDeletes:
		s.RestorePastDeletes(f.For, rnd)
		return
	case sim.StepBack:
		s.StepBack(f.For, rnd)
		return
	case sim.BothLost:
		s.LoseBoth(f.For)
		return
	case sim.DiskLost:
		s.LoseDisk(f.For)
		return
	case sim.Left:
		s.Leave()
		return
	case sim.ClockStrobe:
		w.Strobe(s, rnd, f.For)
		return
	case sim.ClockBump:
		s.BumpClock(f.By)
	case sim.ClockStuck:
		s.StickClock(true)
	case sim.ClockDrift:
		s.DriftClock(f.PPM)
	default: // not a fault of one site
	}
	if f.For == 0 {
		return // until the end
	}
	w.At(w.Now()+f.For, func() {
		if !w.Repaired() {
			s.SetClockRight()
		}
	})
}
