package memnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// conn is one end of a connection.
type conn struct {
	in, out     *pipe
	local, peer netip.AddrPort
	read, write deadline
	closed      chan struct{}
	once        sync.Once
}

func newConns(n *Network, r route, at, peer netip.AddrPort) (near, far *conn) {
	there, back := newPipe(n, r), newPipe(n, r.back())
	near = &conn{in: back, out: there, local: at, peer: peer, closed: make(chan struct{})}
	far = &conn{in: there, out: back, local: peer, peer: at, closed: make(chan struct{})}
	for _, c := range []*conn{near, far} {
		c.read.init()
		c.write.init()
	}
	return near, far
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b, c.read.wait(), c.closed)
	return n, c.explain("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b, c.write.wait(), c.closed)
	return n, c.explain("write", err)
}

// explain makes errors those of a socket; the end of a stream is none.
func (c *conn) explain(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return opError(op, c.peer, err)
}

// Close ends both directions; what was written still arrives.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.out.closeWriter()
		c.in.closeReader()
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer) }

func (c *conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}
