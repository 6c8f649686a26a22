package memnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// dialAgain is when a dial that got no answer is tried again for the first time.
const dialAgain = time.Second

// firstPort is the first port of those that dial.
const firstPort = 40000

// Host is a machine on a network.
type Host struct {
	net *Network

	mu        sync.Mutex
	address   netip.Addr
	port      uint16
	listeners map[netip.AddrPort]*listener
	sockets   map[netip.AddrPort]*packetConn
}

// SetAddress gives the host another IP address in place of the one it has. What
// listens at the old one is not reached any more, and connections that it has
// hang for ever, as when a machine gets another address from DHCP.
func (h *Host) SetAddress(address string) {
	a := netip.MustParseAddr(address)
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if other := h.net.owner[a]; other != nil && other != h {
		panic("memnet: two hosts with the address " + address)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.net.owner, h.address)
	h.net.owner[a] = h
	h.address = a
	h.net.stir()
}

func (h *Host) own(address string) (netip.AddrPort, error) {
	at, err := parse(address)
	if err != nil {
		return at, err
	}
	if at.Addr().IsUnspecified() {
		return netip.AddrPortFrom(h.address, at.Port()), nil
	}
	if at.Addr() != h.address {
		return at, fmt.Errorf("memnet: listen on %s: this host has the address %s", at, h.address)
	}
	return at, nil
}

// Listen takes connections to an address of this host, IP:PORT; 0.0.0.0 is the
// address that it has.
func (h *Host) Listen(address string) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, err := h.own(address)
	if err != nil {
		return nil, err
	}
	if h.listeners[at] != nil {
		return nil, fmt.Errorf("memnet: listen on %s: address already in use", at)
	}
	l := &listener{host: h, at: at, waiting: make(chan *conn, backlogMax), done: make(chan struct{})}
	h.listeners[at] = l
	return l, nil
}

// ListenPacket takes packets to an address of this host, IP:PORT.
func (h *Host) ListenPacket(address string) (net.PacketConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, err := h.own(address)
	if err != nil {
		return nil, err
	}
	if h.sockets[at] != nil {
		return nil, fmt.Errorf("memnet: listen on %s: address already in use", at)
	}
	p := &packetConn{host: h, at: at, in: make(chan packet, packetsMax), done: make(chan struct{})}
	p.deadline.init()
	h.sockets[at] = p
	return p, nil
}

// from returns the address and a free port.
func (h *Host) from() netip.AddrPort {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.port < firstPort {
		h.port = firstPort
	}
	h.port++
	return netip.AddrPortFrom(h.address, h.port-1)
}

// Dial connects to IP:PORT. It takes a round trip, or several where packets are
// lost; where nobody answers, it takes until the context ends.
func (h *Host) Dial(ctx context.Context, address string) (net.Conn, error) {
	to, err := parse(address)
	if err != nil {
		return nil, err
	}
	h.net.mu.Lock()
	h.net.dials++
	h.net.mu.Unlock()
	peer := h.net.at(to.Addr())
	if peer == nil {
		<-ctx.Done()
		return nil, opError("dial", to, context.Cause(ctx))
	}
	from := h.from()
	there := route{direction{h, peer}, from.Addr(), to.Addr()}
	if err := h.net.reach(ctx, there); err != nil {
		return nil, opError("dial", to, err)
	}
	near, far := newConns(h.net, there, from, to)
	peer.mu.Lock()
	l := peer.listeners[to]
	peer.mu.Unlock()
	if l == nil || !l.offer(far) {
		return nil, opError("dial", to, errRefused)
	}
	return near, nil
}

// reach sends a first packet and waits for the answer, and sends it again, ever
// less often, as TCP does.
func (n *Network) reach(ctx context.Context, there route) error {
	for again := dialAgain; ; again *= 2 {
		wait := again
		trip, answered := n.roundTrip(there)
		if answered {
			wait = trip
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		if answered && n.passes(there) && n.passes(there.back()) {
			return nil
		}
	}
}

func (n *Network) roundTrip(there route) (trip time.Duration, answered bool) {
	at, one := n.travel()
	back, two := n.travel()
	now := time.Now()
	return at.Sub(now) + back.Sub(now), one && two && n.passes(there) && n.passes(there.back())
}

func opError(op string, to netip.AddrPort, err error) error {
	return &net.OpError{Op: op, Net: "memory", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// listener is a net.Listener.
type listener struct {
	host    *Host
	at      netip.AddrPort
	waiting chan *conn
	done    chan struct{}
	once    sync.Once
}

// offer hands a connection over; false when nobody takes it.
func (l *listener) offer(c *conn) bool {
	select {
	case <-l.done:
		return false
	default:
	}
	select {
	case l.waiting <- c:
		return true
	default:
		return false
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, opError("accept", l.at, net.ErrClosed)
	default:
	}
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.done:
		return nil, opError("accept", l.at, net.ErrClosed)
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.host.mu.Lock()
		delete(l.host.listeners, l.at)
		l.host.mu.Unlock()
		for {
			select {
			case c := <-l.waiting:
				_ = c.Close()
				continue
			default:
			}
			return
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }
