package memnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

const (
	// SendBytes is what a connection holds in a direction before writes wait.
	SendBytes = 256 << 10
	// RetransmitAfter is how much later bytes come that were lost once.
	RetransmitAfter = 300 * time.Millisecond
	// packetsMax bounds the packets that wait at a socket; more are lost.
	packetsMax = 1024
	// backlogMax bounds the connections that wait for Accept; more are refused.
	backlogMax = 64
)

// Config says what lines are like. It may be changed with SetLine.
type Config struct {
	Line
	// Seed of the loss and the jitter.
	Seed uint64
}

// Line is what a line is like in a direction.
type Line struct {
	// Latency is the least time from end to end; Jitter is how much more it may
	// take, packets overtaking one another.
	Latency, Jitter time.Duration
	// Loss is the share of what is sent that is lost.
	Loss float64
}

// Network joins hosts.
type Network struct {
	mu    sync.Mutex
	line  Line
	rng   *rand.Rand
	owner map[netip.Addr]*Host
	// blocked are the directions that are cut; healed is when a direction was
	// healed last.
	blocked map[direction]bool
	healed  map[direction]time.Time
	// changed is closed, and made anew, when a line heals.
	changed chan struct{}

	dials, packets, lost int
}

type direction struct{ from, to *Host }

// route is a direction and the addresses that are used: one that a host gave up
// leads nowhere.
type route struct {
	direction
	fromAddress, toAddress netip.Addr
}

func (r route) back() route {
	return route{direction{r.to, r.from}, r.toAddress, r.fromAddress}
}

// New returns a network without hosts.
func New(c Config) *Network {
	return &Network{
		line: c.Line, rng: rand.New(rand.NewPCG(c.Seed, 0)), owner: map[netip.Addr]*Host{},
		blocked: map[direction]bool{}, healed: map[direction]time.Time{}, changed: make(chan struct{}),
	}
}

// SetLine changes what all lines are like from now on.
func (n *Network) SetLine(l Line) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line = l
}

// Counts are what happened in a network.
type Counts struct{ Dials, Packets, LostPackets int }

// Counts returns what happened so far.
func (n *Network) Counts() Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return Counts{n.dials, n.packets, n.lost}
}

// CutOneWay stops what goes from one host to another, not the way back.
func (n *Network) CutOneWay(from, to *Host) { n.set(true, direction{from, to}) }

// Cut stops what goes between two groups of hosts, both ways.
func (n *Network) Cut(some, others []*Host) { n.set(true, between(some, others)...) }

// Heal undoes cuts between two groups of hosts, both ways.
func (n *Network) Heal(some, others []*Host) { n.set(false, between(some, others)...) }

// HealAll undoes all cuts.
func (n *Network) HealAll() {
	n.mu.Lock()
	var all []direction
	for d := range n.blocked {
		all = append(all, d)
	}
	n.mu.Unlock()
	n.set(false, all...)
}

func between(some, others []*Host) (all []direction) {
	for _, a := range some {
		for _, b := range others {
			if a != b {
				all = append(all, direction{a, b}, direction{b, a})
			}
		}
	}
	return all
}

func (n *Network) set(cut bool, all ...direction) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range all {
		if cut {
			n.blocked[d] = true
		} else if n.blocked[d] {
			delete(n.blocked, d)
			n.healed[d] = time.Now()
		}
	}
	if !cut {
		n.stir()
	}
}

// stir wakes whoever waits for a line. The caller holds mu.
func (n *Network) stir() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// travel returns when what is sent now arrives, and whether it does at first
// try.
func (n *Network) travel() (at time.Time, whole bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	took := n.line.Latency
	if n.line.Jitter > 0 {
		took += time.Duration(n.rng.Int64N(int64(n.line.Jitter)))
	}
	return time.Now().Add(took), n.rng.Float64() >= n.line.Loss
}

// arrival returns when something that would arrive at a time does, seeing what
// happened to the line since it was sent: false while the line is cut. changed
// is closed when that may be another time.
func (n *Network) arrival(r route, at time.Time) (then time.Time, open bool, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.open(r) {
		return at, false, n.changed
	}
	// What waited for the line sets out when it is healed.
	if again := n.healed[r.direction].Add(n.line.Latency); at.Before(again) {
		at = again
	}
	return at, true, n.changed
}

// open reports whether a route leads anywhere now. The caller holds mu.
func (n *Network) open(r route) bool {
	return !n.blocked[r.direction] && n.owner[r.fromAddress] == r.from && n.owner[r.toAddress] == r.to
}

// passes reports whether a route leads anywhere now.
func (n *Network) passes(r route) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open(r)
}

// Host returns a new host with an IP address.
func (n *Network) Host(address string) *Host {
	h := &Host{net: n, listeners: map[netip.AddrPort]*listener{}, sockets: map[netip.AddrPort]*packetConn{}}
	h.SetAddress(address)
	return h
}

func (n *Network) at(a netip.Addr) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.owner[a]
}

func parse(address string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return at, fmt.Errorf("memnet: %q is not IP:PORT: %w", address, err)
	}
	return at, nil
}

var errRefused = errors.New("connection refused")
