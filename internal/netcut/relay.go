package netcut

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

const (
	copyBytes     = 32 << 10
	packetBytes   = 64 << 10
	udpClientsMax = 1024
)

// Relay passes everything that is sent to its address on to its target.
type Relay struct {
	target string
	tcp    net.Listener
	udp    *net.UDPConn

	bytes, packetBytes atomic.Uint64

	mu     sync.Mutex
	healed *sync.Cond
	cut    bool
	from   func(client net.Addr) bool // set by CutFrom
	closed bool
	conns  map[net.Conn]struct{}
	held   map[net.Conn]bool // the clients' connections: are they cut?
	work   sync.WaitGroup
}

// New starts a relay from an address to a target, both HOST:PORT. Port 0 takes
// any that is free for TCP and UDP.
func New(listen, target string) (*Relay, error) {
	r := &Relay{target: target, conns: map[net.Conn]struct{}{}, held: map[net.Conn]bool{}}
	r.healed = sync.NewCond(&r.mu)
	if err := r.listen(listen); err != nil {
		return nil, err
	}
	r.work.Go(r.acceptTCP)
	r.work.Go(r.relayUDP)
	return r, nil
}

// listen takes one port for both protocols.
func (r *Relay) listen(address string) error {
	const tries = 20
	var err error
	for range tries {
		if r.tcp, err = net.Listen("tcp", address); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		at := r.tcp.Addr().(*net.TCPAddr)
		if r.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port}); err == nil {
			return nil
		}
		_ = r.tcp.Close()
	}
	return fmt.Errorf("relay: %w", err)
}

// Addr is the relay's address.
func (r *Relay) Addr() string { return r.tcp.Addr().String() }

// Bytes returns how many bytes passed over TCP, both ways.
func (r *Relay) Bytes() uint64 { return r.bytes.Load() }

// PacketBytes returns how many bytes of payload passed over UDP, both ways.
func (r *Relay) PacketBytes() uint64 { return r.packetBytes.Load() }

// Cut stops everything that passes.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
}

// CutFrom stops what passes between the target and the clients that match,
// those that come later too. Everyone else goes on. match must not call the
// relay.
func (r *Relay) CutFrom(match func(client net.Addr) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.from = match
	for c := range r.held {
		r.held[c] = match(c.RemoteAddr())
	}
}

// Heal lets everything pass again. Packets that came during the cut are lost,
// bytes of connections are not.
func (r *Relay) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heal()
}

func (r *Relay) heal() {
	r.cut, r.from = false, nil
	for c := range r.held {
		r.held[c] = false
	}
	r.healed.Broadcast()
}

// Close ends the relay and all connections through it.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	r.heal()
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	err := errors.Join(r.tcp.Close(), r.udp.Close())
	r.work.Wait()
	return err
}

// pass waits while the relay is cut for a client; false when it is closed.
func (r *Relay) pass(client net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for (r.cut || r.held[client]) && !r.closed {
		r.healed.Wait()
	}
	return !r.closed
}

// drops reports whether a packet from or to a client is lost.
func (r *Relay) drops(client net.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut || r.from != nil && r.from(client)
}

// admit remembers a client's connection and whether it is cut.
func (r *Relay) admit(client net.Conn) bool {
	if !r.keep(client) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[client] = r.from != nil && r.from(client.RemoteAddr())
	return true
}

// keep remembers a connection, so that Close ends it; false when closed.
func (r *Relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = c.Close()
		return false
	}
	r.conns[c] = struct{}{}
	return true
}

func (r *Relay) drop(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	delete(r.held, c)
}

func (r *Relay) acceptTCP() {
	for {
		in, err := r.tcp.Accept()
		if err != nil {
			return
		}
		if !r.admit(in) {
			return
		}
		r.work.Go(func() { r.connect(in) })
	}
}

func (r *Relay) connect(in net.Conn) {
	defer r.drop(in)
	if !r.pass(in) {
		return
	}
	out, err := net.Dial("tcp", r.target)
	if err != nil || !r.keep(out) {
		return
	}
	defer r.drop(out)
	var back sync.WaitGroup
	back.Go(func() { r.copy(in, out, in) })
	r.copy(out, in, in)
	back.Wait()
}

// copy passes bytes one way until either end is done; then it ends both.
func (r *Relay) copy(to, from, client net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, copyBytes)
	for {
		n, err := from.Read(buf)
		if !r.pass(client) {
			return
		}
		if n > 0 {
			r.bytes.Add(uint64(n))
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// relayUDP gives each sender a socket of its own towards the target, so that
// answers find their way back.
func (r *Relay) relayUDP() {
	clients := map[string]net.Conn{}
	buf := make([]byte, packetBytes)
	for {
		n, from, err := r.udp.ReadFromUDP(buf)
		if err != nil {
			return
		}
		if r.drops(from) {
			continue
		}
		out := clients[from.String()]
		if out == nil {
			if len(clients) >= udpClientsMax {
				continue
			}
			if out, err = net.Dial("udp", r.target); err != nil || !r.keep(out) {
				continue
			}
			clients[from.String()] = out
			r.work.Go(func() { r.answers(out, from) })
		}
		r.packetBytes.Add(uint64(n))
		_, _ = out.Write(buf[:n]) // a lost packet is a lost packet
	}
}

func (r *Relay) answers(out net.Conn, to *net.UDPAddr) {
	defer r.drop(out)
	buf := make([]byte, packetBytes)
	for {
		n, err := out.Read(buf)
		if err != nil && n == 0 {
			if r.tcpClosed() {
				return
			}
			continue // nobody listens at the target just now
		}
		if !r.drops(to) {
			r.packetBytes.Add(uint64(n))
			_, _ = r.udp.WriteToUDP(buf[:n], to)
		}
	}
}

func (r *Relay) tcpClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
