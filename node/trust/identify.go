package trust

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"baraza/clock"
)

// introductionBytesMax bounds the first frame, which a stranger may send: room
// for ChainMax admissions with all their addresses.
const introductionBytesMax = 384 << 10

// Introduce sends the dialler's chain of admissions, the first frame after the
// handshake. It waits for nothing: on a slow line an answer would cost a
// round trip, and the listener's first byte is the answer.
func Introduce(conn net.Conn, chain []Admission) error {
	w := newWriter()
	writeAdmissions(w, chain)
	if err := conn.SetWriteDeadline(time.Now().Add(HandshakeTimeout)); err != nil {
		return fmt.Errorf("introducing this site: %w", err)
	}
	if err := writeFrame(conn, w.done()); err != nil {
		return fmt.Errorf("introducing this site: %w", err)
	}
	return conn.SetWriteDeadline(time.Time{})
}

// Identify reads the dialler's introduction and decides whether it is a
// member. It sends nothing; after an error the caller closes the connection
// without a word. The admissions that were new here are returned for passing
// on; the book has them already.
func Identify(conn *tls.Conn, book *Book) (clock.SiteID, []Admission, error) {
	id, _, err := PeerOf(conn.ConnectionState())
	if err != nil {
		return clock.SiteID{}, nil, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(HandshakeTimeout)); err != nil {
		return clock.SiteID{}, nil, fmt.Errorf("reading the introduction of site %s: %w", Fingerprint(id), err)
	}
	frame, err := readFrame(conn, introductionBytesMax)
	if err != nil {
		return clock.SiteID{}, nil, fmt.Errorf("reading the introduction of site %s: %w", Fingerprint(id), err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return clock.SiteID{}, nil, fmt.Errorf("reading the introduction of site %s: %w", Fingerprint(id), err)
	}
	if _, ok := book.Member(id); ok {
		// Known already: what it says of itself adds nothing.
		return id, nil, nil
	}
	r := newReader(frame)
	chain := readAdmissions(r, ChainMax)
	if err := r.done("the introduction of site " + Fingerprint(id)); err != nil {
		return clock.SiteID{}, nil, err
	}
	if len(chain) > 0 && chain[0].Site != id {
		return clock.SiteID{}, nil, fmt.Errorf("site %s shows the admission of %s, not its own", Fingerprint(id), Fingerprint(chain[0].Site))
	}
	news, err := book.Add(chain...)
	if err != nil {
		return clock.SiteID{}, nil, fmt.Errorf("site %s at %s was refused: %w", Fingerprint(id), conn.RemoteAddr(), err)
	}
	return id, news, nil
}

// ErrNotAccepted is what the dialler's first Read returns when the listener
// hung up without a word.
var ErrNotAccepted = errors.New("the site there hung up on this one: it may have removed this site, or not know who admitted it; ask for a new invitation at a member")

// introduced explains an end of stream before the first byte.
type introduced struct {
	net.Conn
	address string
	heard   bool
}

// NetConn returns the connection beneath, for who sets its buffers.
func (c *introduced) NetConn() net.Conn { return c.Conn }

func (c *introduced) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard = true
	}
	if !c.heard && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		err = fmt.Errorf("%s: %w", c.address, ErrNotAccepted)
	}
	return n, err
}
