package session

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"baraza/clock"
	"baraza/gossip"
)

// memLog is a Log in memory that checks what it is given.
type memLog struct {
	mu      sync.Mutex
	entries map[clock.SiteID][][]byte
	first   map[clock.SiteID]uint64 // entries before it are not held
	fail    func(origin clock.SiteID) error
	appends int
}

func newMemLog() *memLog {
	return &memLog{entries: map[clock.SiteID][][]byte{}, first: map[clock.SiteID]uint64{}}
}

func (l *memLog) Vector() (v clock.VersionVector) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.entries {
		v.Set(clock.Entry{Site: id, Seq: uint64(len(e))})
	}
	return v
}

func (l *memLog) Read(origin clock.SiteID, after uint64, maxBytes int) (uint64, [][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first := l.first[origin]; first > after+1 {
		return first, nil, nil
	}
	var payloads [][]byte
	for size := 0; size < maxBytes && after+uint64(len(payloads)) < uint64(len(l.entries[origin])); {
		p := l.entries[origin][after+uint64(len(payloads))]
		payloads = append(payloads, p)
		size += len(p)
	}
	return after + 1, payloads, nil
}

func (l *memLog) Append(origin clock.SiteID, first uint64, payloads [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		if err := l.fail(origin); err != nil {
			return err
		}
	}
	l.appends++
	if have := uint64(len(l.entries[origin])); first != have+1 {
		return fmt.Errorf("entries from %d after %d", first, have)
	}
	for i, p := range payloads {
		if got := binary.BigEndian.Uint64(p); got != first+uint64(i) {
			return fmt.Errorf("entry %d says that it is %d", first+uint64(i), got)
		}
	}
	l.entries[origin] = append(l.entries[origin], payloads...)
	return nil
}

// write adds entries of size bytes.
func (l *memLog) write(origin clock.SiteID, n, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		p := make([]byte, max(size, 8))
		binary.BigEndian.PutUint64(p, uint64(len(l.entries[origin])+1))
		l.entries[origin] = append(l.entries[origin], p)
	}
}

func (l *memLog) count(origin clock.SiteID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries[origin])
}

func siteID(n byte) clock.SiteID { return clock.SiteID{n, 15: 0xee} }

// site is a hub with its log and a listener.
type site struct {
	t   testing.TB
	id  clock.SiteID
	log *memLog
	hub *Hub
}

func newSite(t testing.TB, n byte, change func(*Config)) *site {
	s := &site{t: t, id: siteID(n), log: newMemLog()}
	cfg := Config{Gossip: gossip.Config{Site: s.id}}
	if change != nil {
		change(&cfg)
	}
	s.hub = NewHub(cfg, s.log)
	t.Cleanup(s.hub.Close)
	return s
}

func (s *site) write(n, size int) {
	s.log.write(s.id, n, size)
	s.hub.Notify()
}

// connect joins two sites; a dials. Either end may be wrapped.
func connect(t testing.TB, a, b *site, wrap func(net.Conn) net.Conn) (*Session, *Session) {
	t.Helper()
	client, server := tlsPair(t)
	if wrap != nil {
		client = wrap(client)
	}
	sa, err := a.hub.Add(client, b.id, true)
	if err != nil {
		t.Fatal(err)
	}
	sb, err := b.hub.Add(server, a.id, false)
	if err != nil {
		t.Fatal(err)
	}
	return sa, sb
}

var certificate = sync.OnceValue(func() tls.Certificate {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
})

// tlsPair returns both ends of a TLS connection over loopback.
func tlsPair(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			accepted <- nil
			return
		}
		c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate()}, MinVersion: tls.VersionTLS13})
		_ = c.Handshake()
		accepted <- c
	}()
	client, err = tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	if server = <-accepted; server == nil {
		t.Fatal("not accepted")
	}
	return client, server
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 30 s: %s", what)
		}
	}
}

// has waits until a site has n entries of another.
func (s *site) has(of *site, n int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%s has %d entries of %s", s.id.Short(), n, of.id.Short()), func() bool { return s.log.count(of.id) == n })
}

// fragile is a connection that breaks after so many bytes were read from it.
type fragile struct {
	net.Conn
	left *atomic.Int64
}

func (f fragile) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if f.left.Add(-int64(n)) < 0 {
		_ = f.Close()
		return 0, net.ErrClosed
	}
	return n, err
}
