package members

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"baraza/clock"
)

const alpn = "members-test/1"

func site(n int) clock.SiteID { return clock.SiteID{byte(n), 15: 7} }

var keyA, keyB = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

// station is a site's Members and the events it saw.
type station struct {
	*Members
	address string
	mu      sync.Mutex
	seen    []Event
	merged  []string
	dialled []clock.SiteID
}

func (s *station) event(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, e)
}

func (s *station) saw(kind Kind, id clock.SiteID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.seen {
		if e.Kind == kind && e.Member.Site == id {
			return true
		}
	}
	return false
}

func certificate(t *testing.T) tls.Certificate {
	public, private, _ := ed25519.GenerateKey(nil)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// onePort listens on one loopback port for UDP and for TLS streams.
func onePort(t *testing.T) (net.PacketConn, net.Listener) {
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			return p, l
		}
		_ = l.Close()
	}
	t.Fatal("no free port")
	return nil, nil
}

// start runs a site on real sockets, quick settings.
func start(t *testing.T, id clock.SiteID, name string, keys ...[]byte) *station {
	t.Helper()
	s := &station{}
	packets, l := onePort(t)
	s.address = l.Addr().String()
	dial := func(ctx context.Context, id clock.SiteID, address string) (net.Conn, error) {
		s.mu.Lock()
		s.dialled = append(s.dialled, id)
		s.mu.Unlock()
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}, MinVersion: tls.VersionTLS13}}
		return d.DialContext(ctx, "tcp", address)
	}
	transport, err := NewTransport(packets, s.address, dial)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{alpn}, MinVersion: tls.VersionTLS13}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c := tls.Server(conn, config)
				if c.Handshake() != nil || c.ConnectionState().NegotiatedProtocol != alpn {
					_ = c.Close()
					return
				}
				transport.Accept(c)
			}()
		}
	}()
	s.Members, err = New(Config{
		Self: Member{Site: id, Name: name, Session: s.address}, Transport: transport, Keys: keys, Event: s.event,
		State: func() []byte { return []byte("state of " + name) },
		Merge: func(b []byte) { s.mu.Lock(); s.merged = append(s.merged, string(b)); s.mu.Unlock() },
		Change: func(c *memberlist.Config) {
			c.ProbeInterval, c.ProbeTimeout = 100*time.Millisecond, 50*time.Millisecond
			c.GossipInterval, c.SuspicionMult = 20*time.Millisecond, 2
			c.TCPTimeout, c.PushPullInterval = time.Second, 500*time.Millisecond
			c.DeadNodeReclaimTime = 0
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); _ = s.Shutdown() })
	return s
}

// Shutdown stops without a goodbye.
func (s *station) Shutdown() error { return s.list.Shutdown() }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 20 s: %s", what)
		}
	}
}

func TestUpChangedDown(t *testing.T) {
	stderr := captureStderr(t)
	a, b, c := start(t, site(1), "Moshi", keyA), start(t, site(2), "Arusha", keyA), start(t, site(3), "Mwanza", keyA)
	for _, s := range []*station{b, c} {
		if err := s.Join([]Peer{{site(1), a.address}}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "b sees c, whom it was not told of", func() bool { return b.saw(Up, site(3)) })
	if b.dialled[0] != site(1) {
		t.Errorf("the dialer was told of %s, want the site that is joined", b.dialled[0].Short())
	}
	for _, m := range b.List() {
		if m.Site == site(3) && (m.Name != "Mwanza" || m.Session != c.address || m.Address != c.address) {
			t.Errorf("c is known as %+v", m)
		}
	}
	eventually(t, "states exchanged", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return strings.Contains(fmt.Sprint(a.merged), "state of Arusha")
	})
	if err := c.SetSelf("Mwanza town", "c.example:1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a sees the change", func() bool { return a.saw(Changed, site(3)) })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a sees c go", func() bool { return a.saw(Down, site(3)) })
	_ = b.Shutdown()
	eventually(t, "a sees b gone without a goodbye", func() bool { return a.saw(Down, site(2)) })
	if out := stderr(); out != "" {
		t.Errorf("on stderr: %q", out)
	}
}

// Mutation: set no keyring, and the stranger gets in.
func TestKeys(t *testing.T) {
	a, stranger := start(t, site(1), "a", keyA), start(t, site(2), "stranger", keyB)
	if err := stranger.Join([]Peer{{site(1), a.address}}); err == nil {
		t.Error("a site with another ring key joined")
	}
	time.Sleep(200 * time.Millisecond)
	if a.saw(Up, site(2)) || stranger.saw(Up, site(1)) {
		t.Error("sites with different ring keys see each other")
	}
	// A rotation takes it in.
	if err := a.SetKeys([][]byte{keyB, keyA}); err != nil {
		t.Fatal(err)
	}
	if err := stranger.Join([]Peer{{site(1), a.address}}); err != nil {
		t.Fatal(err)
	}
	if err := a.SetKeys([][]byte{keyB}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "seen", func() bool { return a.saw(Up, site(2)) })
	if _, err := New(Config{Self: Member{Site: site(1)}}); err == nil {
		t.Error("no key at all was taken")
	}
}

func TestClash(t *testing.T) {
	a, b, copied := start(t, site(1), "a", keyA), start(t, site(2), "b", keyA), start(t, site(2), "b", keyA)
	for _, s := range []*station{b, copied} {
		if err := s.Join([]Peer{{site(1), a.address}}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a sees two sites with one identity", func() bool { return a.saw(Clash, site(2)) })
}

func TestTooLongAName(t *testing.T) {
	if _, err := New(Config{Self: Member{Site: site(1), Name: strings.Repeat("x", 600)}, Keys: [][]byte{keyA}}); err == nil {
		t.Error("a name that does not fit was taken")
	}
}

// Any transport serves, here memberlist's own in memory.
func TestInMemory(t *testing.T) {
	var network memberlist.MockNetwork
	var all []*station
	var transports []*memberlist.MockTransport
	for i := range 5 { // the network is not to be added to while it is in use
		transports = append(transports, network.NewTransport(site(i+1).String()))
	}
	for i, transport := range transports {
		s := &station{}
		m, err := New(Config{Self: Member{Site: site(i + 1), Name: fmt.Sprint(i)}, Transport: transport, Keys: [][]byte{keyA}, Event: s.event})
		if err != nil {
			t.Fatal(err)
		}
		s.Members = m
		ip, port, err := transport.FinalAdvertiseAddr("", 0)
		if err != nil {
			t.Fatal(err)
		}
		s.address = fmt.Sprintf("%s:%d", ip, port)
		t.Cleanup(func() { _ = m.list.Shutdown() })
		if i > 0 {
			if err := m.Join([]Peer{{site(i), all[i-1].address}}); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, s)
	}
	eventually(t, "all see all", func() bool {
		for _, s := range all {
			if len(s.List()) != len(all) {
				return false
			}
		}
		return true
	})
}

// captureStderr returns a function that tells what was written to stderr.
func captureStderr(t *testing.T) func() string {
	f, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stderr
	os.Stderr = f
	t.Cleanup(func() { os.Stderr = old; _ = f.Close() })
	return func() string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}
