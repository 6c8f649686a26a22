package trust

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"
)

func TestStrangerToOneIsAMemberByItsChain(t *testing.T) {
	f := founder(t, "f")
	c := f.admit(t, "c", t0)
	p := f.admit(t, "p", t0)
	n := p.admit(t, "n", t0)
	address := c.host(t, nil)
	for _, protocol := range []string{ProtocolSession, ProtocolMembers} {
		got, err := greeted(Dial(context.Background(), tcp{}, n.key, n.book, address, c.key.ID(), protocol))
		if got != "hello" {
			t.Fatalf("%s: n got %q, %v", protocol, got, err)
		}
	}
	if _, ok := c.book.Member(n.key.ID()); !ok {
		t.Fatal("c did not keep n's admission")
	}
}

// Nothing is sent to a peer that was not verified: not to one with a key that
// nobody admitted, nor to one that was expelled, nor to one that shows a
// member's admission without the member's key, nor to one that says nothing.
func TestNotOneByteToTheUnverified(t *testing.T) {
	f := founder(t, "f")
	c := f.admit(t, "c", t0)
	x := f.admit(t, "x", t0)
	if _, err := c.book.Add(x.book.Chain(x.key.ID())...); err != nil {
		t.Fatal(err)
	}
	e, _, err := f.book.Expel(f.key, x.key.ID(), t0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.book.AddExpulsion(e); err != nil {
		t.Fatal(err)
	}
	stranger := founder(t, "stranger")
	address := c.host(t, nil)

	frames := map[string]struct {
		key   *Key
		frame func(net.Conn) error
	}{
		"stranger's own network": {stranger.key, func(conn net.Conn) error { return Introduce(conn, stranger.book.Chain(stranger.key.ID())) }},
		"expelled":               {x.key, func(conn net.Conn) error { return Introduce(conn, x.book.Chain(x.key.ID())) }},
		"another's admission":    {stranger.key, func(conn net.Conn) error { return Introduce(conn, f.book.Chain(f.key.ID())) }},
		"no admission":           {stranger.key, func(conn net.Conn) error { return Introduce(conn, nil) }},
		"garbage":                {stranger.key, func(conn net.Conn) error { return writeFrame(conn, []byte("GET / HTTP/1.1")) }},
		"too long":               {stranger.key, func(conn net.Conn) error { _, err := conn.Write([]byte{0xff, 0xff, 0xff, 0xff}); return err }},
		"a deep nothing":         {stranger.key, func(conn net.Conn) error { return writeFrame(conn, []byte{0xdd, 0xff, 0xff, 0xff, 0xff}) }},
	}
	for name, c2 := range frames {
		config, err := c2.key.ClientTLS(c.key.ID(), ProtocolSession)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dialTLS(t, address, config)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c2.frame(conn); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if b, _ := io.ReadAll(conn); len(b) > 0 {
			t.Errorf("%s was sent %q", name, b)
		}
	}
	_, err = greeted(Dial(context.Background(), tcp{}, x.key, x.book, address, c.key.ID(), ProtocolSession))
	if !errors.Is(err, ErrNotAccepted) {
		t.Errorf("the expelled site reads %v", err)
	}
}

func TestDiallerWantsTheRightServer(t *testing.T) {
	f := founder(t, "f")
	c := f.admit(t, "c", t0)
	heard := make(chan int, 1)
	stranger := newSite(t, "stranger")
	config, err := stranger.key.ServerTLS(ProtocolSession)
	if err != nil {
		t.Fatal(err)
	}
	address := listen(t, func(raw net.Conn) {
		conn := tls.Server(raw, config)
		n, _ := io.Copy(io.Discard, conn)
		heard <- int(n)
	})
	_, err = Dial(context.Background(), tcp{}, c.key, c.book, address, f.key.ID(), ProtocolSession)
	refused(t, err, "the site there is "+Fingerprint(stranger.key.ID()))
	if n := <-heard; n != 0 {
		t.Errorf("an impostor was told %d bytes", n)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	f := founder(t, "f")
	address := f.host(t, nil)
	member := f.admit(t, "m", t0)
	good := func() *tls.Config {
		config, err := member.key.ClientTLS(f.key.ID(), ProtocolSession)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	ecCert, err := x509.CreateCertificate(rand.Reader, template, template, &ecKey.PublicKey, ecKey)
	if err != nil {
		t.Fatal(err)
	}
	// A certificate that holds a member's public key, shown by someone who
	// lacks the private one.
	thief := newSite(t, "thief")
	stolen, err := member.key.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.2":        func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		"no certificate": func(c *tls.Config) { c.Certificates = nil },
		"no protocol":    func(c *tls.Config) { c.NextProtos, c.VerifyConnection = nil, nil },
		"other protocol": func(c *tls.Config) { c.NextProtos = []string{"h2"} },
		"another key": func(c *tls.Config) {
			c.Certificates = []tls.Certificate{{Certificate: stolen.Certificate, PrivateKey: wrongSigner{thief.key.private, member.key.Public()}}}
		},
		"not Ed25519": func(c *tls.Config) {
			c.Certificates = []tls.Certificate{{Certificate: [][]byte{ecCert}, PrivateKey: ecKey}}
		},
		"two in a chain": func(c *tls.Config) { c.Certificates[0].Certificate = append(c.Certificates[0].Certificate, ecCert) },
	} {
		config := good()
		change(config)
		conn, err := dialTLS(t, address, config)
		if err == nil { // TLS 1.3: the client learns of its refusal at the first read
			_ = Introduce(conn, member.book.Chain(member.key.ID()))
			var b []byte
			if b, err = io.ReadAll(conn); len(b) > 0 || err == nil {
				t.Errorf("%s: got %q, %v", name, b, err)
			}
		}
	}
	conn, err := dialTLS(t, address, good())
	if err != nil || conn.ConnectionState().Version != tls.VersionTLS13 {
		t.Fatalf("the good one: %v", err)
	}
}

// wrongSigner signs with a key that does not belong to the public key shown.
type wrongSigner struct {
	ed25519.PrivateKey
	shown ed25519.PublicKey
}

func (w wrongSigner) Public() crypto.PublicKey { return w.shown }

// A clock in 1970 or 2038 is no reason not to connect.
func TestCertificateDatesCoverEveryClock(t *testing.T) {
	f := founder(t, "f")
	address := f.host(t, nil)
	m := f.admit(t, "m", t0)
	config, err := m.key.ClientTLS(f.key.ID(), ProtocolSession)
	if err != nil {
		t.Fatal(err)
	}
	config.Time = func() time.Time { return time.Unix(0, 0) }
	if _, err := dialTLS(t, address, config); err != nil {
		t.Fatal(err)
	}
}
