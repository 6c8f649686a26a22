package dialer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"baraza/clock"
)

func site(n int) clock.SiteID { return clock.SiteID{byte(n * 37), byte(n), 9} }

func everyone(n int) (all []clock.SiteID) {
	for i := range n {
		all = append(all, site(i+1))
	}
	return all
}

func TestTargetsSmallIsMesh(t *testing.T) {
	all := everyone(MeshSites)
	if got := Targets(all[0], all, func(clock.SiteID) bool { return false }); len(got) != MeshSites-1 {
		t.Errorf("%d targets, want all %d others", len(got), MeshSites-1)
	}
}

// settle dials among the sites that are up until nothing changes, and returns
// who has a session with whom.
func settle(all []clock.SiteID, up func(clock.SiteID) bool) map[clock.SiteID]map[clock.SiteID]bool {
	sessions := map[clock.SiteID]map[clock.SiteID]bool{}
	failed := map[[2]clock.SiteID]bool{}
	for _, id := range all {
		sessions[id] = map[clock.SiteID]bool{}
	}
	for changed := true; changed; {
		changed = false
		for _, id := range all {
			if !up(id) {
				continue
			}
			for _, peer := range Targets(id, all, func(p clock.SiteID) bool { return failed[[2]clock.SiteID{id, p}] }) {
				if !up(peer) {
					changed = changed || !failed[[2]clock.SiteID{id, peer}]
					failed[[2]clock.SiteID{id, peer}] = true
				} else if !sessions[id][peer] {
					sessions[id][peer], sessions[peer][id] = true, true
					changed = true
				}
			}
		}
	}
	return sessions
}

// Whoever is away, those that are up are one network, of few sessions.
//
// Mutation: let choose count unreachable peers, and the network falls apart.
func TestTargetsConnectWhoeverIsUp(t *testing.T) {
	for _, n := range []int{10, 30, 60} {
		for seed := range uint64(10) {
			rng := rand.New(rand.NewPCG(seed, 1))
			all := everyone(n)
			away := map[clock.SiteID]bool{}
			for _, id := range all {
				away[id] = rng.IntN(10) < int(seed)
			}
			up := func(id clock.SiteID) bool { return !away[id] }
			sessions := settle(all, up)
			alive := slices.DeleteFunc(slices.Clone(all), func(id clock.SiteID) bool { return away[id] })
			if len(alive) < 2 {
				continue
			}
			reached := map[clock.SiteID]bool{alive[0]: true}
			for queue := alive[:1]; len(queue) > 0; {
				id := queue[0]
				queue = queue[1:]
				for peer := range sessions[id] {
					if !reached[peer] {
						reached[peer] = true
						queue = append(queue, peer)
					}
				}
			}
			total := 0
			for _, id := range alive {
				total += len(sessions[id])
			}
			if len(reached) != len(alive) {
				t.Errorf("%d sites, seed %d: %d of the %d that are up reach each other", n, seed, len(reached), len(alive))
			}
			if each := float64(total) / float64(len(alive)); each > 13 {
				t.Errorf("%d sites, seed %d: %.1f sessions each", n, seed, each)
			}
		}
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 15000, 15000} {
		want *= time.Millisecond
		if lo, hi := Backoff(failures, 1), Backoff(failures, 0); lo != want/2 || hi != want {
			t.Errorf("after %d failures: %v to %v, want %v to %v", failures, lo, hi, want/2, want)
		}
	}
	if d := Backoff(1<<40, 0); d != BackoffMax {
		t.Errorf("after very many failures: %v", d)
	}
}

// wire is a network of two sites as one of them sees it.
type wire struct {
	mu       sync.Mutex
	cut      bool
	hang     bool // dials time out instead of failing at once
	up       map[clock.SiteID]bool
	attempts int
}

func (w *wire) config(self clock.SiteID, book ...Peer) Config {
	return Config{
		Self: self,
		Book: func() []Peer { return book },
		Dial: func(ctx context.Context, p Peer, address string) (net.Conn, error) {
			w.mu.Lock()
			w.attempts++
			cut, hang := w.cut, w.hang
			w.mu.Unlock()
			if cut && hang {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if cut || address == "wrong" {
				return nil, errors.New("no route")
			}
			return nil, nil
		},
		Connected: func(id clock.SiteID) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.up[id]
		},
		Add: func(_ net.Conn, id clock.SiteID) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.up[id] = true
			return nil
		},
		Rand: rand.New(rand.NewPCG(1, 1)),
	}
}

func (w *wire) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *wire) tries() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.attempts
}

// After a cut of any length, with dials that fail at once or hang, the session
// is back within 30 s.
func TestHealsAfterAnyCut(t *testing.T) {
	for _, cut := range []time.Duration{time.Second, time.Minute, 2 * time.Hour} {
		for _, hang := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v hang=%v", cut, hang), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &wire{up: map[clock.SiteID]bool{}, hang: hang}
					peer := Peer{ID: site(2), Name: "two", Addresses: []string{"wrong", "right"}}
					d := New(w.config(site(1), peer))
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					go d.Run(ctx)
					time.Sleep(10 * time.Second)
					if !d.cfg.Connected(peer.ID) {
						t.Fatal("no session in 10 s")
					}
					w.set(func() { w.cut, w.up[peer.ID], w.attempts = true, false, 0 })
					time.Sleep(cut)
					w.set(func() {
						if most := int(cut/(BackoffMax/2))*2 + 20; w.attempts > most {
							t.Errorf("%d attempts in %v", w.attempts, cut)
						}
						w.cut = false
					})
					healed := time.Now()
					for !d.cfg.Connected(peer.ID) {
						time.Sleep(100 * time.Millisecond)
						if time.Since(healed) > 30*time.Second {
							t.Fatal("not back within 30 s")
						}
					}
				})
			})
		}
	}
}

// A peer that takes the connection and drops it at once is not dialled without
// end; a session that lasts clears the record.
func TestSessionsThatDoNotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{up: map[clock.SiteID]bool{}}
		peer := Peer{ID: site(2), Addresses: []string{"right"}}
		d := New(w.config(site(1), peer))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go d.Run(ctx)
		for range 60 {
			time.Sleep(time.Second)
			w.set(func() { w.up[peer.ID] = false })
		}
		w.set(func() {
			if w.attempts > 15 {
				t.Errorf("%d sessions in a minute that none of them lasted", w.attempts)
			}
		})
		time.Sleep(30 * time.Second)
		if s := d.State(peer.ID); s.Failures != 0 {
			t.Errorf("after a session that lasts: %+v", s)
		}
	})
}

// Mutation: drop firstWait, and both dial.
func TestTheGreaterWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small, great := site(1), site(2)
		if small.Compare(great) > 0 {
			small, great = great, small
		}
		w := &wire{up: map[clock.SiteID]bool{}}
		d := New(w.config(great, Peer{ID: small, Addresses: []string{"right"}}))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go d.Run(ctx)
		time.Sleep(firstWait / 2)
		if n := w.tries(); n != 0 {
			t.Error("the greater id dialled at once")
		}
		d.Kick()
		time.Sleep(time.Millisecond)
		if n := w.tries(); n != 1 {
			t.Errorf("%d attempts after a kick", n)
		}
	})
}
