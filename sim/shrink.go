package sim

import (
	"errors"
	"slices"
	"time"
)

// shrinker makes a plan smaller as long as it fails: it leaves out faults,
// transactions and sites, shortens faults and the times between, and makes lines
// plain. It goes on where it was after each step that went well, and not from the
// beginning, as gopter does (docs/decisions/0011-gopter.md).
type shrinker struct {
	stop <-chan struct{}
	play func(Plan) Result
	runs int // that are left
	best Plan
	res  Result // of best
	// found is called for each smaller plan; nil for none.
	found func(Plan, Result)
}

// shrinkShortest is how short a fault, or a time between two steps, is worth
// being made.
const shrinkShortest = time.Second

// shrink makes a plan that fails with a result smaller, in at most so many runs.
func (p Plan) shrink(res Result, runs int, stop <-chan struct{}, found func(Plan, Result)) (Plan, Result) {
	s := &shrinker{stop: stop, runs: runs, best: p, res: res, found: found}
	s.play = func(q Plan) Result { return q.run(stop, func(*World) {}) }
	s.all()
	return s.best, s.res
}

// all makes the plan as small as it gets.
func (s *shrinker) all() {
	for again := true; again && s.more(); {
		again = s.leaveOut(len(s.best.Faults), func(p *Plan) int { return len(p.Faults) }, func(p *Plan, i, n int) {
			p.Faults = slices.Delete(slices.Clone(p.Faults), i, i+n)
		})
		again = s.leaveOut(1, func(p *Plan) int { return len(p.Joins) }, func(p *Plan, i, n int) {
			p.Joins = slices.Delete(slices.Clone(p.Joins), i, i+n)
		}) || again
		again = s.leaveOut(1, func(p *Plan) int { return len(p.Adds) }, func(p *Plan, i, n int) {
			p.Adds = slices.Delete(slices.Clone(p.Adds), i, i+n)
		}) || again
		again = s.leaveOut(1, func(p *Plan) int { return len(p.Settings) }, func(p *Plan, i, n int) {
			p.Settings = slices.Delete(slices.Clone(p.Settings), i, i+n)
		}) || again
		again = s.sites() || again
		again = s.plainer() || again
		again = s.leaveOut(len(s.best.Ops)/2, func(p *Plan) int { return len(p.Ops) }, func(p *Plan, i, n int) {
			p.Ops = slices.Delete(slices.Clone(p.Ops), i, i+n)
		}) || again
		again = s.leaveOut(1, func(p *Plan) int { return len(p.Couriers) }, func(p *Plan, i, n int) {
			p.Couriers = slices.Delete(slices.Clone(p.Couriers), i, i+n)
		}) || again
		again = s.shorter() || again
	}
}

func (s *shrinker) more() bool {
	select {
	case <-s.stop:
		return false
	default:
		return s.runs > 0
	}
}

// try keeps a plan if it fails.
func (s *shrinker) try(q Plan) bool {
	if !s.more() {
		return false
	}
	s.runs--
	res := s.play(q)
	if res.Err == nil || errors.Is(res.Err, ErrStopped) {
		return false
	}
	s.best, s.res = q, res
	if s.found != nil {
		s.found(q, res)
	}
	return true
}

// leaveOut takes elements away, size of them at a time, then half as many.
func (s *shrinker) leaveOut(size int, count func(*Plan) int, without func(p *Plan, i, n int)) (any bool) {
	for size = max(size, 1); size > 0; size /= 2 {
		for i := 0; i+size <= count(&s.best) && s.more(); {
			q := s.best
			without(&q, i, size)
			if s.try(q) {
				any = true
			} else {
				i += size
			}
		}
	}
	return any
}

// sites takes sites away, with what is written there.
func (s *shrinker) sites() (any bool) {
	for i := s.best.Sites - 1; i >= 0 && s.best.Sites > 2; i-- {
		if s.try(s.best.withoutSite(i)) {
			any = true
		}
	}
	return any
}

func (p Plan) withoutSite(gone int) Plan {
	lower := func(n int) int {
		if n > gone {
			return n - 1
		}
		return n
	}
	q := p
	q.Sites--
	q.Ops = nil
	for _, o := range p.Ops {
		if at := o.Site % p.Sites; at != gone {
			o.Site = lower(at)
			q.Ops = append(q.Ops, o)
		}
	}
	q.Settings = nil
	for _, x := range p.Settings {
		if x.Site != gone {
			x.Site = lower(x.Site)
			q.Settings = append(q.Settings, x)
		}
	}
	q.Joins = nil
	for _, j := range p.Joins {
		if j.Site != gone {
			j.Site = lower(j.Site)
			q.Joins = append(q.Joins, j)
		}
	}
	q.Adds = nil
	for _, a := range p.Adds {
		if a.Site != gone {
			a.Site = lower(a.Site)
			q.Adds = append(q.Adds, a)
		}
	}
	q.Couriers = nil
	for _, c := range p.Couriers {
		if c.A != gone && c.B != gone {
			c.A, c.B = lower(c.A), lower(c.B)
			q.Couriers = append(q.Couriers, c)
		}
	}
	return q
}

// plainer takes away what makes lines and sites special.
func (s *shrinker) plainer() (any bool) {
	for _, plain := range []func(*Plan){
		func(p *Plan) { p.BreakEvery = 0 },
		func(p *Plan) { p.BytesPerSecond = 0 },
		func(p *Plan) { p.Mishaps = Mishaps{} },
		func(p *Plan) { p.Publish = 0 },
		func(p *Plan) { p.Topology = Mesh },
		func(p *Plan) { p.Latency = Latency{Base: p.Latency.Base} },
		func(p *Plan) {
			p.Ops = slices.Clone(p.Ops)
			for i := range p.Ops {
				p.Ops[i].AtBegin = false
			}
		},
	} {
		q := s.best
		plain(&q)
		if !q.like(&s.best) && s.try(q) {
			any = true
		}
	}
	return any
}

// like reports whether two plans differ in nothing that plainer changes.
func (p *Plan) like(q *Plan) bool {
	return p.BreakEvery == q.BreakEvery && p.BytesPerSecond == q.BytesPerSecond && p.Publish == q.Publish &&
		p.Topology == q.Topology && p.Latency == q.Latency && p.Mishaps == q.Mishaps && slices.Equal(p.Ops, q.Ops)
}

// shorter halves how long faults last, and the times in which nothing happens.
func (s *shrinker) shorter() (any bool) {
	for i := range s.best.Faults {
		for s.best.Faults[i].For > shrinkShortest {
			q := s.best
			q.Faults = slices.Clone(q.Faults)
			q.Faults[i].For /= 2
			if !s.try(q) {
				break
			}
			any = true
		}
	}
	last := time.Duration(0)
	for n := 0; n < len(s.best.moments()); n++ {
		at := s.best.moments()[n]
		for at-last > shrinkShortest && s.try(s.best.sooner(at, (at-last)/2)) {
			at -= (at - last) / 2
			any = true
		}
		last = at
	}
	return any
}

// moments are when steps happen, in order.
func (p *Plan) moments() (list []time.Duration) {
	for _, s := range p.steps() {
		list = append(list, s.when())
	}
	for _, a := range p.Adds {
		list = append(list, a.At)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// sooner is the plan in which all from a moment on happens earlier.
func (p Plan) sooner(from, by time.Duration) Plan {
	p.Ops, p.Faults, p.Joins = slices.Clone(p.Ops), slices.Clone(p.Faults), slices.Clone(p.Joins)
	for i := range p.Joins {
		if p.Joins[i].At >= from {
			p.Joins[i].At -= by
		}
	}
	p.Adds = slices.Clone(p.Adds)
	for i := range p.Adds {
		if p.Adds[i].At >= from {
			p.Adds[i].At = max(p.Adds[i].At-by, time.Millisecond)
		}
	}
	p.Settings = slices.Clone(p.Settings)
	for i := range p.Settings {
		if p.Settings[i].At >= from {
			p.Settings[i].At = max(p.Settings[i].At-by, time.Millisecond)
		}
	}
	for i := range p.Ops {
		if p.Ops[i].At >= from {
			p.Ops[i].At -= by
		}
	}
	for i := range p.Faults {
		if p.Faults[i].At >= from {
			p.Faults[i].At -= by
		}
	}
	return p
}
