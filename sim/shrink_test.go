package sim

import (
	"errors"
	"testing"
	"time"
)

// TestShrink: of a plan that fails for one transaction during one fault, that is
// what is left: two sites, the shortest times, plain lines.
func TestShrink(t *testing.T) {
	for seed := uint64(1); seed < 200; seed++ {
		p := NewPlan(seed, 5, 8)
		if len(p.Faults) < 3 {
			continue
		}
		want, fault := p.Ops[len(p.Ops)/2], p.Faults[len(p.Faults)/2]
		runs := 0
		s := &shrinker{runs: 2000, best: p, play: func(q Plan) (res Result) {
			runs++
			for _, o := range q.Ops {
				for _, f := range q.Faults {
					if o.Seed == want.Seed && f.Seed == fault.Seed {
						res.Err = errors.New("it broke")
					}
				}
			}
			return res
		}}
		s.all()
		q := &s.best
		if len(q.Ops) != 1 || len(q.Faults) != 1 || q.Sites != 2 || len(q.Couriers) > 0 ||
			q.Length() > 3*shrinkShortest || q.BreakEvery+q.Publish > 0 || q.Topology != Mesh || q.Mishaps != (Mishaps{}) {
			t.Fatalf("seed %d, %d runs: %d sites, %s, %v, %v, in %v", seed, runs, q.Sites, q.Topology, q.Ops, q.Faults, q.Length())
		}
	}
}

// TestShrinkStops: it ends at once when it is told to, with what it has.
func TestShrinkStops(t *testing.T) {
	stop := make(chan struct{})
	p := NewPlan(7, 5, 8)
	runs := 0
	s := &shrinker{runs: 2000, stop: stop, best: p, play: func(Plan) Result {
		if runs++; runs == 10 {
			close(stop)
		}
		return Result{Err: errors.New("it broke")}
	}}
	s.all()
	if runs != 10 || len(s.best.Faults)+len(s.best.Ops) >= len(p.Faults)+len(p.Ops) {
		t.Errorf("%d runs, %d steps", runs, len(s.best.steps()))
	}
}

// TestRunStops: a run ends when it is told to, in the middle.
func TestRunStops(t *testing.T) {
	stop := make(chan struct{})
	time.AfterFunc(20*time.Millisecond, func() { close(stop) })
	p := NewPlan(1, 8, 8)
	for at := time.Duration(0); at < 10*time.Hour; at += time.Second {
		p.Ops = append(p.Ops, Op{At: at, Seed: uint64(at)})
	}
	began := time.Now()
	if res := p.run(stop, func(*World) {}); !errors.Is(res.Err, ErrStopped) || time.Since(began) > time.Minute {
		t.Errorf("%v after %v", res.Err, time.Since(began))
	}
}
