package members

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"baraza/clock"
)

// packetMax is the largest UDP packet there is.
const packetMax = 64 << 10

// readPause is the wait after an error of the socket.
const readPause = 10 * time.Millisecond

// Dial opens a stream to the site at an address, authenticated. The site is
// zero when it is not known who is there.
type Dial func(ctx context.Context, site clock.SiteID, address string) (net.Conn, error)

// Transport is memberlist's transport over one port: its own packets, and
// streams that the owner of the port dials and accepts.
type Transport struct {
	packets net.PacketConn
	dial    Dial
	host    string
	port    int

	incoming chan *memberlist.Packet
	streams  chan net.Conn
	done     chan struct{}
	once     sync.Once
	reading  sync.WaitGroup

	// What memberlist does with a stream may take TCPTimeout; Shutdown does not
	// wait for that, it ends dials by the context and closes what is open.
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	open   map[*stream]struct{}
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

// NewTransport returns a transport over a UDP socket, which it takes over.
// advertise is the host:port that others reach this site at; without a host,
// the socket's address is used, or the machine's first public one.
func NewTransport(packets net.PacketConn, advertise string, dial Dial) (*Transport, error) {
	host, port, err := split(advertise)
	if err != nil {
		return nil, fmt.Errorf("members: address %q to be reached at: %w", advertise, err)
	}
	t := &Transport{
		packets: packets, dial: dial, host: host, port: port,
		incoming: make(chan *memberlist.Packet, 64), streams: make(chan net.Conn), done: make(chan struct{}),
		open: map[*stream]struct{}{},
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.reading.Go(t.read)
	return t, nil
}

func split(address string) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(address)
	if err == nil {
		port, err = net.LookupPort("udp", service)
	}
	return host, port, err
}

// Accept takes an incoming stream over: a connection to the site's listener
// that asked for this protocol.
func (t *Transport) Accept(conn net.Conn) {
	s, err := t.track(conn)
	if err != nil {
		return
	}
	select {
	case t.streams <- s:
	case <-t.done:
		_ = s.Close()
	}
}

// stream is a connection that Shutdown closes if memberlist has not.
type stream struct {
	net.Conn
	t *Transport
}

func (t *Transport) track(conn net.Conn) (*stream, error) {
	s := &stream{conn, t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	t.open[s] = struct{}{}
	return s, nil
}

// Close implements net.Conn.
func (s *stream) Close() error {
	s.t.mu.Lock()
	delete(s.t.open, s)
	s.t.mu.Unlock()
	return s.Conn.Close()
}

func (t *Transport) read() {
	buf := make([]byte, packetMax)
	for {
		n, from, err := t.packets.ReadFrom(buf)
		if err != nil {
			select {
			case <-t.done:
				return
			default:
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(readPause) // such as a port that was unreachable a moment ago
			continue
		}
		if n == 0 {
			continue
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: from, Timestamp: time.Now()}
		select {
		case t.incoming <- p:
		case <-t.done:
			return
		}
	}
}

// FinalAdvertiseAddr returns the address that others reach this site at. What
// memberlist is configured with is not used.
func (t *Transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	ip, err := t.reachable()
	return ip, t.port, err
}

func (t *Transport) reachable() (net.IP, error) {
	host := t.host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if own, ok := t.packets.LocalAddr().(*net.UDPAddr); ok && !own.IP.IsUnspecified() {
			return own.IP, nil
		}
		return firstAddress()
	} else if ip != nil {
		return ip, nil
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return nil, fmt.Errorf("members: address %q to be reached at: %w", host, err)
	}
	return ips[0], nil
}

// firstAddress returns the machine's first address that is not its own loop;
// that one when there is no other.
func firstAddress() (net.IP, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("members: this machine's addresses: %w", err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP, nil
		}
	}
	return net.IPv4(127, 0, 0, 1), nil
}

// WriteTo sends a packet.
func (t *Transport) WriteTo(b []byte, address string) (time.Time, error) {
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return time.Time{}, err
	}
	_, err = t.packets.WriteTo(b, to)
	return time.Now(), err
}

// WriteToAddress sends a packet.
func (t *Transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

// DialTimeout opens a stream to whoever is at an address.
func (t *Transport) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: address}, timeout)
}

// DialAddressTimeout opens a stream to a site.
func (t *Transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	site, err := clock.ParseSiteID(a.Name)
	if err != nil {
		site = clock.SiteID{}
	}
	conn, err := t.dial(ctx, site, a.Addr)
	if err != nil {
		return nil, err
	}
	return t.track(conn)
}

// PacketCh gives the packets that come in.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.incoming }

// StreamCh gives the streams that come in.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// Shutdown closes the socket and all streams. The listener is its owner's.
func (t *Transport) Shutdown() error {
	var err error
	t.once.Do(func() {
		close(t.done)
		t.cancel()
		t.mu.Lock()
		t.closed = true
		streams := slices.Collect(maps.Keys(t.open))
		t.mu.Unlock()
		var closing sync.WaitGroup // a close may wait for the line
		for _, s := range streams {
			closing.Go(func() { _ = s.Close() })
		}
		defer closing.Wait()
		err = t.packets.Close()
		t.reading.Wait()
	})
	return err
}
