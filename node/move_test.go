package node

import (
	"slices"
	"testing"
	"time"
)

// knows tells whether sites know each other at their addresses of now.
func (w *world) knows(sites ...*testSite) bool {
	for _, s := range sites {
		for _, peer := range sites {
			if !slices.Equal(s.node.book.Addresses(peer.node.key.ID()), addresses(&peer.node.cfg)) {
				return false
			}
		}
	}
	return true
}

// Sites restart at other addresses, one after the other until nobody is where it
// was when it joined. Each reaches those that are up, which learn where it is,
// and those that were down or cut off learn it later.
func TestMove(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		sites := w.network(4)
		shared := sites[0].insert()
		w.settle(time.Minute, sites...)
		all := func() bool { return w.knows(sites...) }
		for i, s := range sites {
			away := sites[(i+2)%len(sites)]
			away.isolate(true)
			if i%2 == 0 {
				s.stop()
			} else {
				s.crash()
				away.isolate(true)
			}
			s.move("10.0.1." + string(rune('1'+i)))
			w.work(shared, sites...)
			s.run()
			s.ready(time.Minute)
			w.work(shared, sites...)
			time.Sleep(time.Minute)
			away.isolate(false)
			t.Logf("site %d: in step %v after the cut", i+1, w.settle(healsWithin, sites...))
			w.within(time.Second, "all know where it is", all)
			t.Logf("one membership %v after that", w.oneMembership(10*time.Minute))
		}
		// Who was away during a move is dialled by those who moved, and may
		// restart: what it learned is in its store.
		for _, s := range sites {
			s.crash()
			s.run()
			s.ready(time.Minute)
		}
		w.settle(healsWithin, sites...)
		if !all() {
			t.Error("an address was forgotten over a restart")
		}
		w.oneMembership(10 * time.Minute)

		// A new site is told where all are now, and is brought up from them.
		w.join(sites[1]).ready(time.Minute)
		w.settle(time.Minute, w.sites...)
		if !w.knows(w.sites...) {
			t.Error("a new site does not know where the others are")
		}
	})
}

// Two sites change places while they are cut off from each other: a third tells
// them. Both alone could not find each other, nor could anyone.
func TestTwoMoveAtOnce(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		sites := w.network(3)
		a, b := sites[0], sites[1]
		shared := a.insert()
		w.settle(time.Minute, sites...)
		w.cut(sites[:1], sites[1:2])
		a.stop()
		b.stop()
		a.move("10.0.1.1")
		b.move("10.0.0.1") // where the other was
		a.move("10.0.0.2")
		a.run()
		b.run()
		w.work(shared, sites...)
		w.settle(time.Minute, sites...)
		w.heal(sites[:1], sites[1:2])
		w.within(time.Minute, "the two have a session", func() bool { return a.node.hub().Connected(b.node.key.ID()) })
		w.work(shared, sites...)
		w.settle(time.Minute, sites...)
		w.oneMembership(10 * time.Minute)
	})
}

// A site that listens on all its addresses and advertises none only dials, and
// takes full part. It may begin to advertise, and stop.
func TestOnlyDials(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		sites := w.network(3)
		s := sites[2]
		shared := s.insert()
		w.settle(time.Minute, sites...)
		for _, step := range []struct{ listen, want string }{{"0.0.0.0:7946", ""}, {s.address(), s.address()}, {"0.0.0.0:7946", ""}} {
			s.stop()
			s.listen = step.listen
			s.run()
			s.ready(time.Minute)
			w.work(shared, sites...)
			w.settle(time.Minute, sites...)
			var want []string
			if step.want != "" {
				want = []string{step.want}
			}
			if got := sites[0].node.book.Addresses(s.node.key.ID()); !slices.Equal(got, want) {
				t.Errorf("listening on %s it is known at %q, want %q", step.listen, got, want)
			}
		}
		w.cut(sites[2:], sites[:2])
		time.Sleep(time.Minute)
		w.work(shared, sites...)
		w.heal(sites[2:], sites[:2])
		w.settle(healsWithin, sites...)
	})
}
