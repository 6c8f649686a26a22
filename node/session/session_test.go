package session

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"baraza/clock"
)

// pushed is when an entry that nobody pushes may come at last (gossip's Hold).
const pushed = 10 * time.Second

func TestChain(t *testing.T) {
	a, b, c := newSite(t, 1, nil), newSite(t, 2, nil), newSite(t, 3, nil)
	connect(t, a, b, nil)
	connect(t, c, b, nil)
	a.write(500, 100)
	c.write(300, 100)
	b.write(1, 300<<10) // larger than a message is meant to be
	for _, s := range []*site{a, b, c} {
		s.has(a, 500)
		s.has(b, 1)
		s.has(c, 300)
	}
	start := time.Now()
	a.write(1, 100)
	c.has(a, 501)
	if d := time.Since(start); d > pushed {
		t.Errorf("an entry took %v over two hops", d)
	}
	for _, s := range []*site{a, b, c} {
		if m := s.hub.Metrics(); m.Duplicates > 0 || m.Gaps > 0 {
			t.Errorf("%s: %+v", s.id.Short(), m)
		}
	}
	eventually(t, "a knows what b has", func() bool { return a.hub.Known(b.id).Seq(a.id) == 501 })
	eventually(t, "clock measured", func() bool { return a.hub.Peers()[0].Measured })
}

// A connection that breaks in the middle of a transfer, again and again, costs
// what was under way and nothing else.
//
// Mutation: subscribe from 0 on a new connection, and it never ends.
func TestResume(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	const entries, size = 3000, 4 << 10
	noise := make([]byte, size)
	for i := range entries {
		_, _ = rand.Read(noise) // does not compress
		binary.BigEndian.PutUint64(noise, uint64(i+1))
		a.log.entries[a.id] = append(a.log.entries[a.id], append([]byte(nil), noise...))
	}
	a.hub.Notify()
	breaks := 0
	for b.log.count(a.id) < entries {
		left := &atomic.Int64{}
		left.Store(3 << 20)
		sb, _ := connect(t, b, a, func(c net.Conn) net.Conn { return fragile{c, left} })
		eventually(t, "connection broken or all there", func() bool {
			select {
			case <-sb.Done():
				return true
			default:
				return b.log.count(a.id) == entries
			}
		})
		if breaks++; breaks > 20 {
			t.Fatalf("%d connections of 3 MiB for 12 MiB", breaks)
		}
		eventually(t, "a notices", func() bool { return b.log.count(a.id) == entries || !a.hub.Connected(b.id) })
	}
	if breaks < 4 {
		t.Errorf("%d connections; the test is to break some", breaks)
	}
	if m := b.hub.Metrics(); m.Duplicates > 0 {
		t.Errorf("%d entries came that were there", m.Duplicates)
	}
}

func TestBothDial(t *testing.T) {
	for range 20 {
		a, b := newSite(t, 1, nil), newSite(t, 2, nil)
		c1, s1 := tlsPair(t) // dialled by a
		c2, s2 := tlsPair(t) // dialled by b
		var all sync.WaitGroup
		all.Go(func() { _, _ = a.hub.Add(c1, b.id, true) })
		all.Go(func() { _, _ = a.hub.Add(s2, b.id, false) })
		all.Go(func() { _, _ = b.hub.Add(c2, a.id, true) })
		all.Go(func() { _, _ = b.hub.Add(s1, a.id, false) })
		all.Wait()
		a.write(10, 10)
		b.has(a, 10)
		pa, pb := a.hub.Peers(), b.hub.Peers()
		if len(pa) != 1 || len(pb) != 1 || !pa[0].Dialled || pb[0].Dialled {
			t.Fatalf("sessions %+v and %+v; the one that the smaller id dialled is to stay", pa, pb)
		}
	}
}

func TestReplacedBySameEnd(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	first, _ := connect(t, a, b, nil)
	a.write(1, 10)
	b.has(a, 1)
	connect(t, a, b, nil)
	<-first.Done()
	a.write(1, 10)
	b.has(a, 2)
	if len(a.hub.Peers()) != 1 || len(b.hub.Peers()) != 1 {
		t.Error("more than one session")
	}
}

// A peer that does not read holds up nobody else, and is given up.
func TestDeadPeer(t *testing.T) {
	a := newSite(t, 1, func(c *Config) { c.DeadAfter = 4 * time.Second })
	b := newSite(t, 2, func(c *Config) { c.DeadAfter = 4 * time.Second; c.Gossip.PingEvery = 500 * time.Millisecond })
	client, server := tlsPair(t)
	dead, err := a.hub.Add(client, siteID(9), true)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() // nobody reads there
	connect(t, a, b, nil)
	a.write(2000, 1000)
	b.has(a, 2000)
	start := time.Now()
	select {
	case <-dead.Done():
		t.Logf("given up after %v: %v", time.Since(start), dead.Err())
	case <-time.After(time.Minute):
		t.Error("a peer that is silent is not given up")
	}
	if !a.hub.Connected(b.id) {
		t.Error("the other peer was given up, too")
	}
}

// An origin that the log refuses does not hold up another, and flows when the
// log takes it again.
func TestStoreFails(t *testing.T) {
	a, b, c := newSite(t, 1, nil), newSite(t, 2, nil), newSite(t, 3, nil)
	var broken atomic.Bool
	broken.Store(true)
	c.log.fail = func(origin clock.SiteID) error {
		if origin == a.id && broken.Load() {
			return errors.New("disk full")
		}
		return nil
	}
	connect(t, a, b, nil)
	connect(t, b, c, nil)
	a.write(50, 10)
	b.write(50, 10)
	c.has(b, 50)
	if n := c.log.count(a.id); n != 0 {
		t.Fatalf("%d entries of a", n)
	}
	broken.Store(false)
	c.has(a, 50)
}

func TestTruncatedLog(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	a.write(10, 10)
	a.log.first[a.id] = 6
	connect(t, a, b, nil)
	b.write(1, 10)
	a.has(b, 1)
	eventually(t, "b is told", func() bool {
		s := b.hub.Stranded()
		return len(s) == 1 && s[0].Origin == a.id && s[0].Peer == a.id && s[0].First == 6
	})
}

// What arrives while the disk is busy is stored in one go.
func TestGroupedStores(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	b.log.fail = func(clock.SiteID) error { time.Sleep(5 * time.Millisecond); return nil }
	connect(t, a, b, nil)
	for range 500 {
		a.write(1, 50)
		time.Sleep(100 * time.Microsecond)
	}
	b.has(a, 500)
	if b.log.appends > 150 {
		t.Errorf("%d appends for 500 small messages", b.log.appends)
	}
}

func TestGarbageEndsTheSession(t *testing.T) {
	a := newSite(t, 1, nil)
	client, server := tlsPair(t)
	s, err := a.hub.Add(client, siteID(2), true)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = server.Write([]byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n"))
	select {
	case <-s.Done():
	case <-time.After(time.Minute):
		t.Error("a peer that talks nonsense stays")
	}
	_ = server.Close()
}

func TestCloseWhileBusy(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	connect(t, a, b, nil)
	a.write(20000, 500)
	time.Sleep(20 * time.Millisecond)
	a.hub.Close()
	b.hub.Close()
	if _, err := a.hub.Add(nilConn{}, b.id, true); err == nil {
		t.Error("a closed hub took a connection")
	}
}

type nilConn struct{ net.Conn }

func (nilConn) Close() error { return nil }
