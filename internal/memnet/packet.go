package memnet

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

type packet struct {
	data []byte
	from netip.AddrPort
}

// packetConn is a net.PacketConn.
type packetConn struct {
	host     *Host
	at       netip.AddrPort
	in       chan packet
	deadline deadline
	done     chan struct{}
	once     sync.Once
}

func (p *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	deadline := p.deadline.wait()
	if isClosed(p.done) {
		return 0, nil, opError("read", p.at, net.ErrClosed)
	}
	if isClosed(deadline) {
		return 0, nil, opError("read", p.at, os.ErrDeadlineExceeded)
	}
	select {
	case got := <-p.in:
		return copy(b, got.data), net.UDPAddrFromAddrPort(got.from), nil
	case <-p.done:
		return 0, nil, opError("read", p.at, net.ErrClosed)
	case <-deadline:
		return 0, nil, opError("read", p.at, os.ErrDeadlineExceeded)
	}
}

// WriteTo sends a packet, which may be lost: by chance, in a cut, at an address
// that nobody has, or where too many wait.
func (p *packetConn) WriteTo(b []byte, address net.Addr) (int, error) {
	if isClosed(p.done) {
		return 0, opError("write", p.at, net.ErrClosed)
	}
	to, err := parse(address.String())
	if err != nil {
		return 0, err
	}
	n := p.host.net
	at, whole := n.travel()
	peer := n.at(to.Addr())
	n.mu.Lock()
	n.packets++
	n.mu.Unlock()
	way := route{direction{p.host, peer}, p.at.Addr(), to.Addr()}
	if peer == nil || !whole || !n.passes(way) {
		n.lose()
		return len(b), nil
	}
	sent := packet{append([]byte(nil), b...), p.at}
	time.AfterFunc(time.Until(at), func() { n.deliver(way, to, sent) })
	return len(b), nil
}

// deliver puts a packet into the socket that it is for, unless the line was cut
// while it was under way.
func (n *Network) deliver(way route, to netip.AddrPort, sent packet) {
	way.to.mu.Lock()
	socket := way.to.sockets[to]
	way.to.mu.Unlock()
	if socket != nil && n.passes(way) {
		select {
		case socket.in <- sent:
			return
		default:
		}
	}
	n.lose()
}

func (n *Network) lose() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost++
}

func (p *packetConn) Close() error {
	p.once.Do(func() {
		close(p.done)
		p.host.mu.Lock()
		delete(p.host.sockets, p.at)
		p.host.mu.Unlock()
	})
	return nil
}

func (p *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.at) }

func (p *packetConn) SetDeadline(t time.Time) error {
	p.deadline.set(t)
	return nil
}

func (p *packetConn) SetReadDeadline(t time.Time) error { return p.SetDeadline(t) }

// SetWriteDeadline has no effect: sending never waits.
func (p *packetConn) SetWriteDeadline(time.Time) error { return nil }
