package trust

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"

	"baraza/clock"
)

// The protocols that a listener tells apart by ALPN.
const (
	ProtocolSession = "baraza/1"
	ProtocolJoin    = "baraza-join/1"
	ProtocolMembers = "baraza-members/1"
)

// HandshakeTimeout bounds the TLS handshake, and again the frames after it. It
// leaves room for a satellite line that loses packets.
const HandshakeTimeout = 30 * time.Second

// Certificate returns a self-signed certificate of the key. It names nobody,
// and its dates cover every clock: a site with a dead battery still connects,
// and what its clock shows is the clock check's business.
func (k *Key) Certificate() (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.private.Public(), k.private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the site's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k.private}, nil
}

// ServerTLS returns the listener's configuration for the given protocols. The
// handshake proves that the client holds an Ed25519 key and speaks one of the
// protocols; whether it is a member is for Identify, and for a joiner its
// token, to say.
func (k *Key) ServerTLS(protocols ...string) (*tls.Config, error) {
	return k.config(protocols, func(clock.SiteID) error { return nil })
}

// ClientTLS returns a dialler's configuration: the handshake fails unless the
// server holds the key of the site expected.
func (k *Key) ClientTLS(expect clock.SiteID, protocol string) (*tls.Config, error) {
	return k.config([]string{protocol}, func(id clock.SiteID) error {
		if id != expect {
			return fmt.Errorf("the site there is %s, expected %s: check the address, or make a new invitation", Fingerprint(id), Fingerprint(expect))
		}
		return nil
	})
}

func (k *Key) config(protocols []string, accept func(clock.SiteID) error) (*tls.Config, error) {
	cert, err := k.Certificate()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   protocols,
		ClientAuth:   tls.RequireAnyClientCert,
		// Not the public web's rules but ours: VerifyConnection runs in every
		// handshake, at both ends, and the signature over the handshake by the
		// certificate's key is checked by TLS itself.
		InsecureSkipVerify:     true, //nolint:gosec // see above
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			id, _, err := PeerOf(state)
			if err != nil {
				return err
			}
			if !slices.Contains(protocols, state.NegotiatedProtocol) {
				return errors.New("the other end speaks none of baraza's protocols: check the address and the version at both ends")
			}
			return accept(id)
		},
	}, nil
}

// PeerOf returns who holds the key at the other end of a connection.
func PeerOf(state tls.ConnectionState) (clock.SiteID, ed25519.PublicKey, error) {
	if len(state.PeerCertificates) != 1 {
		return clock.SiteID{}, nil, fmt.Errorf("the other end showed %d certificates, not one: it is not a baraza site", len(state.PeerCertificates))
	}
	public, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return clock.SiteID{}, nil, errors.New("the other end's key is not Ed25519: it is not a baraza site")
	}
	return IDOf(public), public, nil
}

// Dialer opens the connections that this package makes; net.Dialer's tcp, or
// what stands in for it. A dial ends when its context does.
type Dialer interface {
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// connect dials within HandshakeTimeout.
func connect(ctx context.Context, d Dialer, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	return d.Dial(ctx, address)
}

// Dial connects to the site expected at an address and introduces this site.
// The conn's first Read explains itself when the other end hangs up because it
// does not count this site as a member.
func Dial(ctx context.Context, d Dialer, key *Key, book *Book, address string, expect clock.SiteID, protocol string) (net.Conn, error) {
	raw, err := connect(ctx, d, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	conn, err := Client(ctx, raw, key, expect, protocol)
	if err == nil {
		err = Introduce(conn, book.Chain(key.ID()))
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	return &introduced{Conn: conn, address: address}, nil
}

// Client runs the dialler's handshake.
func Client(ctx context.Context, raw net.Conn, key *Key, expect clock.SiteID, protocol string) (*tls.Conn, error) {
	config, err := key.ClientTLS(expect, protocol)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn, nil
}

// Server runs the listener's handshake with a configuration of ServerTLS, and
// tells which protocol the dialler wants.
func Server(ctx context.Context, raw net.Conn, config *tls.Config) (conn *tls.Conn, protocol string, err error) {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	conn = tls.Server(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, "", fmt.Errorf("a dialler at %s was refused: %w", raw.RemoteAddr(), err)
	}
	return conn, conn.ConnectionState().NegotiatedProtocol, nil
}
