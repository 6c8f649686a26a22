package gossip

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "run the random tests with this seed only")

// seeds calls f for each seed, and prints how to run a failing one again.
func seeds(t *testing.T, n uint64, f func(t *testing.T, seed uint64)) {
	first, last := uint64(1), n
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last && !t.Failed(); seed++ {
		f(t, seed)
		if t.Failed() {
			t.Logf("replay: go test ./gossip -run '%s$' -seed=%d", t.Name(), seed)
		}
	}
}

// topologies are the ways in which n sites are connected.
var topologies = []struct {
	name  string
	sites int
	links func(w *network, n int) [][2]int
}{
	{"chain", 6, func(_ *network, n int) (l [][2]int) {
		for i := 1; i < n; i++ {
			l = append(l, [2]int{i - 1, i})
		}
		return l
	}},
	{"ring", 7, func(_ *network, n int) (l [][2]int) {
		for i := range n {
			l = append(l, [2]int{i, (i + 1) % n})
		}
		return l
	}},
	{"star", 8, func(_ *network, n int) (l [][2]int) {
		for i := 1; i < n; i++ {
			l = append(l, [2]int{0, i})
		}
		return l
	}},
	{"mesh", 8, func(_ *network, n int) (l [][2]int) {
		for i := range n {
			for j := range i {
				l = append(l, [2]int{i, j})
			}
		}
		return l
	}},
	{"random", 20, func(w *network, n int) (l [][2]int) {
		seen := map[[2]int]bool{}
		add := func(i, j int) {
			if i > j {
				i, j = j, i
			}
			if i != j && !seen[[2]int{i, j}] {
				seen[[2]int{i, j}] = true
				l = append(l, [2]int{i, j})
			}
		}
		for i := 1; i < n; i++ {
			add(i, w.rng.IntN(i)) // connected
		}
		for range 2 * n {
			add(w.rng.IntN(n), w.rng.IntN(n))
		}
		return l
	}},
}

func build(seed uint64, topology int) *network {
	w := newNetwork(seed)
	w.storeDelay = time.Duration(w.rng.IntN(3)) * 4 * time.Millisecond
	top := topologies[topology]
	for i := range top.sites {
		w.addNode(fmt.Sprintf("s%d", i), Config{})
	}
	for _, l := range top.links(w, top.sites) {
		w.connect(w.nodes[l[0]], w.nodes[l[1]], time.Duration(1+w.rng.IntN(80))*time.Millisecond)
	}
	return w
}

// Whatever is cut and healed while sites write, in the end all have everything
// and get it soon: nothing is lost, nothing arrives out of order.
//
// Mutation: in greet, announce nothing of what came since our own hello, and
// "star" fails.
func TestConverge(t *testing.T) {
	for i, top := range topologies {
		t.Run(top.name, func(t *testing.T) {
			seeds(t, 30, func(t *testing.T, seed uint64) {
				w := build(seed, i)
				for range 60 {
					switch l := w.links[w.rng.IntN(len(w.links))]; w.rng.IntN(4) {
					case 0:
						w.cut(l)
					case 1:
						w.heal(l)
					default:
						w.nodes[w.rng.IntN(top.sites)].write(1 + w.rng.IntN(100))
					}
					w.run(time.Duration(w.rng.IntN(400))*time.Millisecond, nil)
				}
				for _, l := range w.links {
					w.heal(l)
				}
				if !w.run(20*time.Second, w.converged) || w.err != nil {
					t.Errorf("seed %d: not converged 20 s after all was healed: %v\n%s", seed, w.err, w.state())
				}
			})
		})
	}
}

// Once the providers are chosen, an entry enters each site about once.
func TestSteadyStateSendsOnce(t *testing.T) {
	for i, top := range topologies {
		t.Run(top.name, func(t *testing.T) {
			seeds(t, 3, func(t *testing.T, seed uint64) {
				w := build(seed, i)
				for _, n := range w.nodes {
					n.write(1)
				}
				w.run(20*time.Second, nil)
				before := w.metrics()
				for range 400 {
					w.nodes[w.rng.IntN(top.sites)].write(1 + w.rng.IntN(3))
					w.run(time.Duration(w.rng.IntN(100))*time.Millisecond, nil)
				}
				if !w.run(20*time.Second, w.converged) || w.err != nil {
					t.Fatalf("seed %d: not converged: %v\n%s", seed, w.err, w.state())
				}
				after := w.metrics()
				received, duplicates := after.Received-before.Received, after.Duplicates-before.Duplicates
				if copies := float64(received+duplicates) / float64(received); copies > 1.1 {
					t.Errorf("seed %d: %.2f copies of each entry entered a site (%d duplicates, %d switches); at most 1.1 should",
						seed, copies, duplicates, after.Switches-before.Switches)
				}
			})
		})
	}
}

// A backlog enters once as well, though the lines are busy and all peers have it.
func TestBacklogSendsOnce(t *testing.T) {
	for i, top := range topologies {
		t.Run(top.name, func(t *testing.T) {
			seeds(t, 3, func(t *testing.T, seed uint64) {
				w := build(seed, i)
				for _, n := range w.nodes {
					n.write(2000)
				}
				if !w.run(600*time.Second, w.converged) || w.err != nil {
					t.Fatalf("seed %d: not converged: %v\n%s", seed, w.err, w.state())
				}
				m := w.metrics()
				if copies := float64(m.Received+m.Duplicates) / float64(m.Received); copies > 1.25 {
					t.Errorf("seed %d: %.2f copies (%d switches)", seed, copies, m.Switches)
				}
			})
		})
	}
}

// The same seed gives the same messages at the same times.
func TestDeterministic(t *testing.T) {
	trace := func() (all string) {
		w := build(42, len(topologies)-1)
		w.trace = func(f string, a ...any) { all += fmt.Sprintf(f, a...) + "\n" }
		for _, n := range w.nodes {
			n.write(5)
		}
		w.run(2*time.Second, nil)
		return all
	}
	if a, b := trace(), trace(); a != b {
		t.Error("two runs with one seed differ")
	}
}

// A clock that is wrong is measured within half the round trip.
func TestOffset(t *testing.T) {
	w := newNetwork(1)
	a, b := w.addNode("a", Config{}), w.addNode("b", Config{})
	b.skew = -90 * time.Second
	w.connect(a, b, 40*time.Millisecond)
	w.run(12*time.Second, nil)
	for _, c := range []struct {
		of, peer *node
		want     time.Duration
	}{{a, b, -90 * time.Second}, {b, a, 90 * time.Second}} {
		got, rtt, ok := c.of.p.Offset(c.peer.id)
		if diff := (got - c.want).Abs(); !ok || diff > rtt/2+time.Millisecond || rtt < 80*time.Millisecond || rtt > 110*time.Millisecond {
			t.Errorf("%s: offset %v with round trip %v, %v; want %v", c.of.name, got, rtt, ok, c.want)
		}
	}
}
