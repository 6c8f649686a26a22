package dialer_test

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"baraza/clock"
	"baraza/gossip"
	"baraza/node/session"
	"baraza/node/session/dialer"
)

// counter is a log that knows only how much there is.
type counter struct {
	mu   sync.Mutex
	have clock.VersionVector
}

func (c *counter) Vector() clock.VersionVector {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.have.Clone()
}

func (c *counter) Read(origin clock.SiteID, after uint64, _ int) (uint64, [][]byte, error) {
	n := c.Vector().Seq(origin) - after
	return after + 1, make([][]byte, min(n, 100)), nil
}

func (c *counter) Append(origin clock.SiteID, first uint64, payloads [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.have.Set(clock.Entry{Site: origin, Seq: first + uint64(len(payloads)) - 1})
	return nil
}

// blackhole is a line that, while it is cut, swallows what is sent.
type blackhole struct {
	mu  sync.Mutex
	cut bool
}

type swallow struct {
	net.Conn
	hole *blackhole
	lost bool
}

// Write loses everything from the first cut on, as a connection does whose
// other end has given it up.
func (s *swallow) Write(p []byte) (int, error) {
	s.hole.mu.Lock()
	s.lost = s.lost || s.hole.cut
	lost := s.lost
	s.hole.mu.Unlock()
	if lost {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func (b *blackhole) wrap(c net.Conn) net.Conn { return &swallow{Conn: c, hole: b} }

func (b *blackhole) set(cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = cut
}

func (b *blackhole) isCut() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cut
}

// Two sites, a cut that neither end is told of, writes on both sides meanwhile:
// both notice, dial in vain, and are in step again soon after it heals.
func TestHubsHealAfterASilentCut(t *testing.T) {
	line := &blackhole{}
	ids := []clock.SiteID{{1}, {2}}
	logs := []*counter{{}, {}}
	listeners := make([]net.Listener, 2)
	hubs := make([]*session.Hub, 2)
	for i := range hubs {
		hubs[i] = session.NewHub(session.Config{
			Gossip: gossip.Config{Site: ids[i], PingEvery: 200 * time.Millisecond}, DeadAfter: time.Second,
		}, logs[i])
		defer hubs[i].Close()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		listeners[i] = l
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = hubs[i].Add(line.wrap(conn), ids[1-i], false)
			}
		}()
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i := range hubs {
		d := dialer.New(dialer.Config{
			Self: ids[i],
			Book: func() []dialer.Peer {
				return []dialer.Peer{{ID: ids[1-i], Addresses: []string{listeners[1-i].Addr().String()}}}
			},
			Dial: func(ctx context.Context, _ dialer.Peer, address string) (net.Conn, error) {
				if line.isCut() {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
				if err != nil {
					return nil, err
				}
				return line.wrap(conn), nil
			},
			Connected: hubs[i].Connected,
			Add: func(conn net.Conn, peer clock.SiteID) error {
				_, err := hubs[i].Add(conn, peer, true)
				return err
			},
			Rand: rand.New(rand.NewPCG(1, uint64(i))),
		})
		running.Go(func() { d.Run(ctx) })
	}
	inStep := func(n uint64, within time.Duration) {
		t.Helper()
		for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
			a, b := logs[0].Vector(), logs[1].Vector()
			if a.Seq(ids[0]) == n && a.Includes(b) && b.Includes(a) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("not in step after %v: %v and %v", within, a, b)
			}
		}
	}
	write := func(n uint64) {
		for i := range hubs {
			_ = logs[i].Append(ids[i], n, make([][]byte, 1))
			hubs[i].Notify()
		}
	}
	write(1)
	inStep(1, time.Minute)
	line.set(true)
	write(2)
	for end := time.Now().Add(time.Minute); hubs[0].Connected(ids[1]) || hubs[1].Connected(ids[0]); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a site has not noticed")
		}
	}
	line.set(false)
	inStep(2, 30*time.Second)
}
