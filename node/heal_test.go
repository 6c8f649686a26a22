package node

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"baraza/internal/memnet"
	"baraza/node/session/dialer"
	"baraza/node/trust"
)

// memory is how long memberlist remembers the dead, see gossip/members: a cut
// that is longer never heals by memberlist alone.
const memory = 10 * time.Minute

// healsWithin is how long after a cut sites may be apart: the dialler's longest
// wait, a dial at an address, and the start of a session.
const healsWithin = dialer.BackoffMax + dialer.DialTimeout + 2*time.Second

// cutFor keeps two groups apart while both write, until each side has forgotten
// the other, and heals the cut.
func (w *world) cutFor(length time.Duration, left, right []*testSite) {
	w.t.Helper()
	shared := left[0].insert()
	sites := append(append([]*testSite(nil), left...), right...)
	w.settle(time.Minute, sites...)
	w.cut(left, right)
	w.work(shared, sites...)
	time.Sleep(length)
	w.work(shared, sites...)
	w.settle(time.Minute, left...)
	w.settle(time.Minute, right...)
	for _, s := range left {
		if n := len(s.node.net.members.List()); n != len(left) && length > memory {
			w.t.Errorf("%s shows %d members in a long cut: it is none", s.name, n)
		}
	}
	w.heal(left, right)
}

// oneMembership waits until every site shows all others as members.
func (w *world) oneMembership(limit time.Duration) time.Duration {
	w.t.Helper()
	return w.within(limit, "all are members again", func() bool {
		for _, s := range w.sites {
			if s.node != nil && len(s.node.net.members.List()) != len(w.sites) {
				return false
			}
		}
		return true
	})
}

// A cut that outlasts memberlist's memory, with writes on both sides.
func TestLongCutHeals(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		sites := w.network(5)
		w.cutFor(memory+5*time.Minute, sites[:2], sites[2:])
		t.Logf("in step %v after the cut", w.settle(healsWithin, sites...))
		t.Logf("one membership %v after that", w.oneMembership(time.Minute))
	})
}

// Two mechanisms heal a cut: the dialler goes on by itself, and the membership
// kicks it when it finds a site again. Each does it alone.
func TestEachMechanismHeals(t *testing.T) {
	for _, c := range []struct {
		name   string
		broken broken
		within time.Duration
	}{
		{"the dialler alone", broken{hints: true}, healsWithin},
		// The membership asks those that it does not show every rejoinInterval.
		{"the membership alone", broken{redial: true}, rejoinInterval + healsWithin},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, quick, func(w *world) {
				w.broken = c.broken
				sites := w.network(3)
				for _, length := range []time.Duration{time.Minute, memory + 5*time.Minute} {
					w.cutFor(length, sites[:1], sites[1:])
					t.Logf("in step %v after a cut of %v", w.settle(c.within, sites...), length)
				}
			})
		})
	}
}

// With both broken nothing heals: the tests above would see it.
func TestNoMechanismHealsNothing(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		w.broken = broken{hints: true, redial: true}
		sites := w.network(3)
		w.cutFor(time.Minute, sites[:1], sites[1:])
		time.Sleep(10 * time.Minute)
		if inStep(sites) {
			t.Error("the cut healed, by a third way that these tests do not know of")
		}
	})
}

// A site joins on one side of a cut; the other side hears of it when the cut
// heals, also where the one that invited it is gone by then.
func TestJoinDuringCut(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		sites := w.network(4)
		shared := sites[0].insert()
		w.settle(time.Minute, sites...)
		left, right := sites[:2], sites[2:]
		w.cut(left, right)
		w.work(shared, sites...)
		joined := w.join(left[1])
		w.cut([]*testSite{joined}, right)
		joined.ready(time.Minute)
		left = append(left[:2:2], joined)
		w.work(shared, w.sites...)
		w.settle(time.Minute, left...)
		w.settle(time.Minute, right...)
		// The inviter leaves; the new member and the founder must vouch.
		left[1].stop()
		w.heal(left, right)
		rest := append([]*testSite{sites[0], joined}, right...)
		t.Logf("in step %v after the cut", w.settle(healsWithin, rest...))
		left[1].run()
		w.settle(time.Minute, w.sites...)
		w.oneMembership(5 * time.Minute)
	})
}

// A site comes back from a crash in the middle of traffic, over and over.
func TestCrashAmidTraffic(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		sites := w.network(3)
		shared := sites[0].insert()
		for range 8 {
			for range 5 {
				w.work(shared, sites...)
				time.Sleep(time.Duration(w.rng.IntN(40)) * time.Millisecond)
			}
			s := sites[w.rng.IntN(len(sites))]
			s.crash()
			s.insert() // the application goes on meanwhile
			time.Sleep(time.Duration(w.rng.IntN(90)) * time.Second)
			s.run()
			s.ready(time.Minute)
		}
		w.settle(time.Minute, sites...)
	})
}

// stopsWithin is how long a stop may take: saying goodbye, in vain if need be.
const stopsWithin = 5 * time.Second

// A site stops soon, whatever its lines and its database are like, and leaves
// no goroutine behind (inWorld looks).
func TestStops(t *testing.T) {
	inWorld(t, quick, func(w *world) {
		sites := w.network(3)
		a, b := sites[0], sites[1]
		stop := func(what string) {
			t.Helper()
			start := time.Now()
			a.stop()
			if took := time.Since(start); took > stopsWithin {
				t.Errorf("stopping %s took %v", what, took)
			}
			a.run()
		}
		stop("in peace")
		a.ready(time.Minute)
		mute := a.silentDialler(b)
		defer mute.Close()
		stop("beside a dialler that does not say who it is")
		a.ready(time.Minute)
		a.isolate(true)
		time.Sleep(20 * time.Second)
		stop("in a cut, amid dials")
		stop("right after the start")
		a.isolate(false)
		a.ready(time.Minute)
		a.db.freeze()
		time.Sleep(20 * time.Second)
		stop("with the database away")
		stop("waiting for the database")
		a.db.thaw()
		a.ready(time.Minute)
		w.settle(time.Minute, sites...)

		// A joining site that nobody gives its rows.
		c := w.join(b)
		c.isolate(true)
		time.Sleep(time.Minute)
		if !strings.Contains(c.node.phase(), "joining") {
			t.Fatalf("the new site does %q, not join", c.node.phase())
		}
		c.stop()
		c.isolate(false)
		c.run()
		c.ready(time.Minute)
		w.settle(time.Minute, w.sites...)
	})
}

// silentDialler connects to the site as another one, and says nothing after the
// handshake.
func (s *testSite) silentDialler(from *testSite) net.Conn {
	s.w.t.Helper()
	raw, err := from.host.Dial(s.w.t.Context(), s.address())
	if err != nil {
		s.w.t.Fatal(err)
	}
	conn, err := trust.Client(s.w.t.Context(), raw, from.node.key, s.node.key.ID(), trust.ProtocolSession)
	if err != nil {
		s.w.t.Fatal(err)
	}
	time.Sleep(time.Second) // the other end is through with it, too
	return conn
}

// Fifty sites: founded, joined one by one, cut in two, healed; on a line that
// loses packets.
func TestFiftySites(t *testing.T) {
	if !*long {
		t.Skip("a minute: make tier2")
	}
	inWorld(t, quick, func(w *world) {
		sites := w.network(50)
		shared := sites[0].insert()
		w.work(shared, sites...)
		t.Logf("50 sites, in step after %v", w.settle(time.Minute, sites...))
		t.Logf("one membership after %v", w.oneMembership(5*time.Minute))
		w.cutFor(memory+5*time.Minute, sites[:20], sites[20:])
		t.Logf("in step %v after the cut", w.settle(time.Minute, sites...))
		t.Logf("one membership %v after that", w.oneMembership(5*time.Minute))
	})
}

// A random storm: cuts, one-way cuts, stops, crashes, moves, bad lines, databases
// that are away. The first site stays where it is: those that move find it.
func TestStorm(t *testing.T) {
	rounds := 12
	if *long {
		rounds = 150
	}
	inWorld(t, sloppy, func(w *world) {
		w.network(4)
		shared := w.sites[0].insert()
		for range rounds {
			w.fault()
			for range w.rng.IntN(5) {
				if s := w.sites[w.rng.IntN(len(w.sites))]; s.token == nil {
					w.work(shared, s)
				}
				time.Sleep(time.Duration(w.rng.IntN(2000)) * time.Millisecond)
			}
			time.Sleep(time.Duration(w.rng.IntN(120)) * time.Second)
		}
		w.net.HealAll()
		w.net.SetLine(sloppy)
		for _, s := range w.sites {
			s.db.thaw()
			if s.node != nil {
				continue
			}
			// A join that was cut off is tried again, as its administrator would.
			if err := s.start(); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		w.settle(5*time.Minute, w.sites...)
		w.oneMembership(10 * time.Minute)
		t.Logf("%d sites, %d rows, %+v", len(w.sites), len(w.sites[0].db.rows("person")), w.net.Counts())
	})
}

// fault does something bad, or mends something.
func (w *world) fault() {
	w.t.Helper()
	s := w.sites[w.rng.IntN(len(w.sites))]
	other := w.sites[w.rng.IntN(len(w.sites))]
	switch w.rng.IntN(14) {
	case 0:
		n := 1 + w.rng.IntN(len(w.sites)-1)
		w.cut(w.sites[:n], w.sites[n:])
	case 1:
		w.net.CutOneWay(s.host, other.host)
	case 2, 3:
		w.net.HealAll()
	case 4:
		if s.node != nil {
			s.crash()
		}
	case 5:
		s.stop()
	case 6, 7:
		for _, s := range w.sites {
			if s.node == nil {
				_ = s.start() // a join may fail; it is tried again
			}
		}
	case 13:
		if len(w.sites) < 9 && s.runs() {
			_ = w.invited(s).start()
		}
	case 8, 9:
		if s != w.sites[0] && s.token == nil {
			s.stop()
			w.rows++
			s.move(fmt.Sprintf("10.1.%d.%d", w.rows/250, 1+w.rows%250))
			s.run()
		}
	case 10:
		s.db.freeze()
	case 11:
		s.db.thaw()
	case 12:
		w.net.SetLine(memnet.Line{Latency: time.Duration(w.rng.IntN(800)) * time.Millisecond, Loss: w.rng.Float64() / 5})
	}
}
