package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// FaultKind names a fault.
type FaultKind int

// The faults. Cuts last for Fault.For, as do clocks that are wrong.
const (
	One FaultKind = iota
	Halves
	MajorityMinority
	RingOfMajorities
	Bridge
	OneWay
	Flapping
	ClockBump
	ClockStrobe
	ClockStuck
	ClockDrift
	Crash
	CrashAtStep
	Failure // of one step of the disk or the database
	OneLine
	Restored    // the database is restored: the backup is of Fault.At
	DiskLost    // the data directory is lost, and the site joins again over its database
	Left        // the site leaves for good
	BothLost    // the database is set back to the backup of Fault.At, and the data directory is lost
	PastDeletes // Restored, where rows are deleted meanwhile
	StepBack    // the database is restored to just before the last group that was applied
	BrokenOff   // the next bring-up breaks off, and applications write
	TwoLost     // a site, and another that had seen more of it than all others, are lost
	faultKinds
)

// drawnKinds are those that any plan may have; the others are drawn apart.
const drawnKinds = OneLine + 1

func (k FaultKind) String() string {
	return [...]string{
		"one", "halves", "majority/minority", "ring of majorities", "bridge", "one-way", "flapping",
		"clock bump", "clock strobe", "clock stuck", "clock drift", "crash", "crash at a step", "failure", "one line",
		"database restored", "disk lost", "site leaves", "disk and database lost",
		"database restored past deletes", "database a step back", "bring-up broken off", "two sites lost",
	}[k]
}

// Fault is something that goes wrong for a while.
type Fault struct {
	At, For time.Duration
	Kind    FaultKind
	Seed    uint64
}

func (f Fault) String() string {
	return fmt.Sprintf("%8.3f s for %v: %s", f.At.Seconds(), f.For.Round(time.Millisecond), f.Kind)
}

// Plan is a whole run: what is written, and what goes wrong.
type Plan struct {
	Options
	Ops      []Op
	Faults   []Fault
	Settings []Setting
}

// NewPlan makes the random plan of a seed, with least to most sites. Small
// seeds are short runs.
func NewPlan(seed uint64, least, most int) Plan {
	rnd := rand.New(rand.NewPCG(seed, 7))
	p := Plan{Options: Options{
		Seed: seed, Administrator: true, Publish: publishOf(seed), Sites: least + rnd.IntN(most-least+1),
		Topology: []Topology{Mesh, Mesh, Mesh, Ring, Chain, Star}[rnd.IntN(6)],
		Latency: Latency{
			Kind: LatencyKind(rnd.IntN(int(latencyKinds))), Base: time.Duration(1+rnd.IntN(400)) * time.Millisecond,
			Spread: time.Duration(rnd.IntN(400)) * time.Millisecond, Sigma: rnd.Float64(),
		},
		Rows: []int{2, 4, 6, 12, 40}[rnd.IntN(5)], Mix: Mix{Rules: rulesOf(seed)},
	}}
	p.carry()
	if rnd.IntN(2) == 0 {
		p.BreakEvery = time.Duration(5+rnd.IntN(120)) * time.Second
	}
	if rnd.IntN(4) == 0 {
		p.BytesPerSecond = int64(1200 << rnd.IntN(6))
	}
	p.mishap()
	length := time.Duration(20+rnd.IntN(200)) * time.Second
	for range 10 + rnd.IntN(int(min(20+seed, 150))) {
		p.Ops = append(p.Ops, Op{within(rnd, length), rnd.IntN(p.Sites), rnd.Uint64(), rnd.IntN(4) == 0})
	}
	for range rnd.IntN(10) {
		f := Fault{At: within(rnd, length), For: within(rnd, length/2), Kind: FaultKind(rnd.IntN(int(drawnKinds))), Seed: rnd.Uint64()}
		p.Faults = append(p.Faults, f)
	}
	p.Faults = append(p.Faults, losing(seed, length)...)
	p.move(length)
	p.govern(length)
	p.strain(length)
	p.number()
	p.loseTwo(length)
	p.cascade()
	p.adding(length)
	slices.SortStableFunc(p.Ops, func(a, b Op) int { return int(a.At - b.At) })
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return int(a.At - b.At) })
	return p
}

// carry gives one in eight plans couriers, so that some sites have no line to
// the others.
func (p *Plan) carry() {
	rnd := rand.New(rand.NewPCG(p.Seed, 12))
	if rnd.IntN(8) != 0 {
		return
	}
	p.Topology = []Topology{Chain, Star}[rnd.IntN(2)]
	for range 1 + rnd.IntN(2) {
		j := 1 + rnd.IntN(p.Sites-1)
		i := j - 1
		if p.Topology == Star {
			i = 0
		}
		if p.carried(i, j) {
			continue
		}
		every := time.Duration(15+rnd.IntN(60)) * time.Second
		p.Couriers = append(p.Couriers, Courier{
			A: i, B: j, Every: every, Trip: time.Duration(rnd.Int64N(int64(every))).Round(time.Millisecond), Loss: float64(rnd.IntN(6)) / 10,
		})
	}
}

// mishapsStream is the random stream of mishap.
const mishapsStream = 119

// mishap gives the lines of one plan in four packets that do not come as they were
// sent.
func (p *Plan) mishap() {
	rnd := rand.New(rand.NewPCG(p.Seed, mishapsStream))
	if rnd.IntN(4) == 0 {
		p.Mishaps = Mishaps{Loss: float64(rnd.IntN(6)) / 100, Duplicate: float64(rnd.IntN(6)) / 100, Reorder: float64(rnd.IntN(21)) / 100}
	}
}

// rulesOf draws what the applications of a plan write: two thirds are plain.
func rulesOf(seed uint64) Rules {
	rnd := rand.New(rand.NewPCG(seed, 9))
	return []Rules{Plain, Plain, Plain, Plain, References, Clashes}[rnd.IntN(6)]
}

// number lets one plan in five have rows that a number alone names. Applications
// choose numbers themselves in half of those where all sites keep their disks and
// are members from the beginning: where sites meet later, a number means one row.
func (p *Plan) number() {
	rnd := rand.New(rand.NewPCG(p.Seed, numbersStream))
	if rnd.IntN(5) > 0 {
		return
	}
	p.Mix.Numbers = Given
	meet := slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == DiskLost || f.Kind == BothLost })
	if rnd.IntN(2) == 0 && !meet && len(p.Joins) == 0 {
		p.Mix.Numbers = Chosen
	}
}

// cascade lets half of the plans that are not plain change keys and write tables that
// refer to each other in a circle, half of these with RESTRICT besides.
func (p *Plan) cascade() {
	rnd := rand.New(rand.NewPCG(p.Seed, cascadesStream))
	p.Mix.Cascades = p.Mix.Rules != Plain && rnd.IntN(2) == 0
	p.Mix.Restrict = p.Mix.Cascades && rnd.IntN(2) == 0
}

// cascadesStream is the random stream of cascade.
const cascadesStream = 111

// numbersStream is the random stream of number.
const numbersStream = 80

// losing draws what of a plan's sites is lost: in one plan of four.
func losing(seed uint64, length time.Duration) (list []Fault) {
	rnd := rand.New(rand.NewPCG(seed, 15))
	if rnd.IntN(4) > 0 {
		return nil
	}
	for range 1 + rnd.IntN(3) {
		list = append(list, Fault{At: within(rnd, length), For: within(rnd, length/2), Kind: Restored, Seed: rnd.Uint64()})
	}
	return list
}

// move lets sites come and go, in one of three plans in which they may.
func (p *Plan) move(length time.Duration) {
	rnd := rand.New(rand.NewPCG(p.Seed, 16))
	if !p.mayMove() || rnd.IntN(3) > 0 {
		return
	}
	for site := 1; site < p.Sites; site++ {
		if rnd.IntN(3) == 0 {
			p.Joins = append(p.Joins, Join{Site: site, At: max(within(rnd, length), time.Second)})
		}
	}
	for range rnd.IntN(3) {
		f := Fault{At: within(rnd, length), Kind: []FaultKind{DiskLost, DiskLost, Left}[rnd.IntN(3)], Seed: rnd.Uint64()}
		if f.Kind == DiskLost {
			f.For = within(rnd, length/2)
		}
		p.Faults = append(p.Faults, f)
	}
	if both := rand.New(rand.NewPCG(p.Seed, 18)); both.IntN(3) == 0 {
		p.Faults = append(p.Faults, Fault{At: within(both, length), For: within(both, length/2), Kind: BothLost, Seed: both.Uint64()})
	}
}

// mayMove reports whether sites may come and go: where logs are shortened, in half of
// the plans, and so where there are couriers.
func (p *Plan) mayMove() bool {
	short := p.Publish > 0 && rand.New(rand.NewPCG(p.Seed, shortMovesStream)).IntN(2) > 0
	return !short && (len(p.Couriers) == 0 || rand.New(rand.NewPCG(p.Seed, carriedMovesStream)).IntN(2) > 0)
}

// carriedMovesStream is that of mayMove where there are couriers.
const carriedMovesStream = 131

// shortMovesStream is the random stream of mayMove.
const shortMovesStream = 130

// within draws a moment; now and then several fall into one burst.
func within(rnd *rand.Rand, length time.Duration) time.Duration {
	d := time.Duration(rnd.Int64N(int64(length)))
	if rnd.IntN(3) == 0 {
		d = d.Truncate(10*time.Second) + d%(20*time.Millisecond)
	}
	return d
}

// do runs an operation.
func (w *World) do(o Op) {
	s := w.Sites[o.Site%len(w.Sites)]
	if s.left {
		return
	}
	if o.AtBegin {
		s.waiting = append(s.waiting, o.Seed)
		return
	}
	s.Write(o.Seed)
}

// apply makes a fault happen.
func (w *World) apply(f Fault) {
	if w.repaired {
		return
	}
	rnd := rand.New(rand.NewPCG(f.Seed, 11))
	s := w.Sites[rnd.IntN(len(w.Sites))]
	for _, c := range []struct {
		kind FaultKind
		cut  func(*rand.Rand) func()
	}{
		{One, w.CutOne},
		{Halves, w.CutHalves},
		{MajorityMinority, w.CutMajority},
		{RingOfMajorities, w.CutRing},
		{Bridge, w.CutBridge},
		{OneWay, w.CutOneWay},
		{OneLine, w.CutLine},
	} {
		if c.kind == f.Kind {
			w.after(f.For, c.cut(rnd))
		}
	}
	right := func() {
		if !w.repaired {
			s.SetClockRight()
		}
	}
	switch f.Kind {
	case Flapping:
		w.Flap(rnd, f.For)
	case ClockBump:
		s.BumpClock(time.Duration(rnd.IntN(1_200_000)-600_000) * time.Millisecond)
		w.after(f.For, right)
	case ClockStrobe:
		w.Strobe(s, rnd, f.For)
	case ClockStuck:
		s.StickClock(true)
		w.after(f.For, right)
	case ClockDrift:
		s.DriftClock(int64(rnd.IntN(200_000) - 100_000))
		w.after(f.For, right)
	case Restored:
		s.RestoreIn(f.For, rnd.IntN(2) == 0)
	case PastDeletes:
		s.RestorePastDeletes(f.For, rnd)
	case StepBack:
		s.StepBack(f.For, rnd)
	case BrokenOff:
		w.BreakOff(rnd)
	case TwoLost:
		w.LoseTwo(f.For, rnd)
	case DiskLost:
		s.LoseDisk(f.For)
	case BothLost:
		s.LoseBoth(f.For)
	case Left:
		s.Leave()
	case Crash:
		s.Crash(f.For)
	case CrashAtStep:
		s.CrashAt(1+rnd.IntN(15), breakKind(rnd.IntN(2)))
	case Failure:
		s.CrashAt(1+rnd.IntN(15), failOnce+breakKind(rnd.IntN(int(breakKinds-failOnce))))
	default: // a cut of the network, made above
	}
}

// Patience is how long the sites of a plan may take to come to rest.
const Patience = 30 * time.Minute

// Length is how long things happen in a plan.
func (p *Plan) Length() (end time.Duration) {
	for _, o := range p.Ops {
		end = max(end, o.At)
	}
	for _, f := range p.Faults {
		end = max(end, f.At+f.For)
	}
	for _, j := range p.Joins {
		end = max(end, j.At)
	}
	for _, x := range p.Settings {
		end = max(end, x.At)
	}
	for _, a := range p.Adds {
		end = max(end, a.At+2*a.Stopped)
	}
	return end
}

// Result is what came of a run.
type Result struct {
	Err       error
	Hash      uint64
	Events    uint64
	Simulated time.Duration
	Tail      []string // the last events
}

// ErrStopped is the error of a run that was stopped before its end.
var ErrStopped = errors.New("the run was stopped")

// Run runs a plan to its end, or to the first broken promise.
func (p Plan) Run() Result { return p.run(nil, func(*World) {}) }

// run is Run that ends with ErrStopped when stop is closed, and shows the world
// at its end.
func (p Plan) run(stop <-chan struct{}, show func(*World)) Result {
	w, err := New(p.Options)
	if err != nil {
		return Result{Err: err}
	}
	w.stop = stop
	for _, s := range p.steps() {
		w.schedule(s)
	}
	return w.finish(p.Length(), show)
}

// step is something that happens in a plan.
type step interface {
	when() time.Duration
	do(w *World)
}

func (o Op) when() time.Duration    { return o.At }
func (o Op) do(w *World)            { w.do(o) }
func (f Fault) when() time.Duration { return f.At }
func (f Fault) do(w *World)         { w.apply(f) }

func (w *World) schedule(s step) { w.At(s.when(), func() { s.do(w) }) }

// finish runs what was scheduled for a time, and lets the sites settle.
func (w *World) finish(length time.Duration, show func(*World)) (res Result) {
	defer func() {
		if r := recover(); r != nil {
			res.Err = fmt.Errorf("at %v: panic: %v", w.now, r)
		}
		show(w)
		res.Hash, res.Events, res.Simulated, res.Tail = w.Hash(), w.events, w.now, w.Tail()
	}()
	if err := w.Run(length); err != nil {
		return Result{Err: err}
	}
	return Result{Err: w.Settle(Patience)}
}
