package trust

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"baraza/internal/kv"
)

var t0 = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// site is a key with a book, as a test's member.
type site struct {
	key   *Key
	book  *Book
	store kv.Store
	name  string
}

func newSite(t *testing.T, name string) *site {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	store := kv.NewMem()
	book, err := OpenBook(store, []byte("book/"))
	if err != nil {
		t.Fatal(err)
	}
	return &site{key: key, book: book, store: store, name: name}
}

func founder(t *testing.T, name string) *site {
	t.Helper()
	s := newSite(t, name)
	if _, err := s.book.Found(s.key, name, nil, t0); err != nil {
		t.Fatal(err)
	}
	return s
}

// admit makes a member by the short way, without a connection.
func (s *site) admit(t *testing.T, name string, at time.Time) *site {
	t.Helper()
	n := newSite(t, name)
	a, err := Admit(s.key, n.key.Public(), name, []string{"127.0.0.1:1"}, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.book.Add(a); err != nil {
		t.Fatal(err)
	}
	admissions, expulsions := s.book.Records()
	if err := n.book.Install(s.key.ID(), admissions, expulsions); err != nil {
		t.Fatal(err)
	}
	return n
}

// listen accepts connections and hands each to serve in a goroutine.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// host serves sessions and joins of a member, as node does. Whoever is
// identified gets "hello".
func (s *site) host(t *testing.T, h *Host) string {
	t.Helper()
	config, err := s.key.ServerTLS(ProtocolSession, ProtocolJoin, ProtocolMembers)
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, func(raw net.Conn) {
		conn, protocol, err := Server(context.Background(), raw, config)
		if err != nil {
			return
		}
		if protocol == ProtocolJoin {
			if h != nil {
				_, _, _ = h.Serve(conn)
			}
			return
		}
		if _, _, err := Identify(conn, s.book); err == nil {
			_, _ = conn.Write([]byte("hello"))
		}
	})
}

func (s *site) newHost(now func() time.Time) *Host {
	return &Host{
		Key: s.key, Book: s.book, Invites: NewInvites(s.store, []byte("invite/")),
		RingKey:  func() []byte { return []byte("0123456789abcdef") },
		Settings: func() []byte { return []byte("settings") },
		Now:      now,
	}
}

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

// greeted reports what dialling a member gives: "hello", or the error.
func greeted(conn net.Conn, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer conn.Close()
	buf := make([]byte, 5)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	n, err := conn.Read(buf)
	return string(buf[:n]), err
}

func dialTLS(t *testing.T, address string, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	conn := tls.Client(raw, config)
	return conn, conn.Handshake()
}

// tcp is the Dialer of production.
type tcp struct{}

func (tcp) Dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}
