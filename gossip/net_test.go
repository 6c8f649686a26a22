package gossip

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"baraza/clock"
)

// network is many protocols on virtual time, joined by links with latency and
// a bounded number of messages under way. From a seed it is exact to the event.
type network struct {
	rng    *rand.Rand
	now    time.Duration
	events eventHeap
	order  uint64
	nodes  []*node
	links  []*link
	// storeDelay is the longest that storing takes.
	storeDelay time.Duration
	// batch is the most entries in a message.
	batch int
	trace func(format string, args ...any)
	err   error // the first broken invariant
}

type node struct {
	net    *network
	name   string
	id     clock.SiteID
	p      *Protocol
	log    map[clock.SiteID][][]byte // durable; payload i is entry i+1
	first  map[clock.SiteID]uint64   // entries before it are truncated
	skew   time.Duration
	links  []*link
	store  []Entries // handed out, not durable yet
	busy   bool
	wakeAt time.Duration
}

// link joins two nodes; up and epoch tell which messages still arrive.
type link struct {
	a, b    *node
	latency time.Duration
	up      bool
	epoch   int
	inAir   [2]int // messages under way from a, from b
	lastAt  [2]time.Duration
}

const windowMessages = 8

func (l *link) other(n *node) *node {
	if l.a == n {
		return l.b
	}
	return l.a
}

func (l *link) side(n *node) int {
	if l.a == n {
		return 0
	}
	return 1
}

type event struct {
	at    time.Duration
	order uint64
	do    func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

func newNetwork(seed uint64) *network {
	return &network{rng: rand.New(rand.NewPCG(seed, 1)), batch: 16, trace: func(string, ...any) {}}
}

func (w *network) at(t time.Duration, do func()) {
	w.order++
	heap.Push(&w.events, event{t, w.order, do})
}

// run advances virtual time by d, or until done says so.
func (w *network) run(d time.Duration, done func() bool) bool {
	end := w.now + d
	for w.err == nil {
		if done != nil && done() {
			return true
		}
		if len(w.events) == 0 || w.events[0].at > end {
			break
		}
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
	return done != nil && done()
}

func (w *network) addNode(name string, cfg Config) *node {
	cfg.Site = testSite(len(w.nodes) + 1)
	n := &node{
		net: w, name: name, id: cfg.Site, p: New(cfg, nil),
		log: map[clock.SiteID][][]byte{}, first: map[clock.SiteID]uint64{}, wakeAt: never,
	}
	w.nodes = append(w.nodes, n)
	return n
}

func (w *network) name(id clock.SiteID) string {
	for _, n := range w.nodes {
		if n.id == id {
			return n.name
		}
	}
	return "-"
}

func (n *node) instant() Instant {
	return Instant{Elapsed: n.net.now, Wall: 1_800_000_000_000 + (n.net.now + n.skew).Milliseconds()}
}

func (w *network) connect(a, b *node, latency time.Duration) *link {
	l := &link{a: a, b: b, latency: latency}
	w.links = append(w.links, l)
	a.links = append(a.links, l)
	b.links = append(b.links, l)
	w.heal(l)
	return l
}

func (w *network) heal(l *link) {
	if l.up {
		return
	}
	l.up = true
	l.epoch++
	l.inAir = [2]int{}
	l.lastAt = [2]time.Duration{}
	for _, n := range []*node{l.a, l.b} {
		if err := n.p.Up(l.other(n).id, n.instant()); err != nil {
			w.err = err
		}
	}
	l.a.pump()
	l.b.pump()
}

func (w *network) cut(l *link) {
	if !l.up {
		return
	}
	l.up = false
	l.a.p.Down(l.b.id, l.a.instant())
	l.b.p.Down(l.a.id, l.b.instant())
	l.a.pump()
	l.b.pump()
}

func payload(origin clock.SiteID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(origin[:2:2], seq)
}

// write adds entries of the node's own.
func (n *node) write(count int) {
	for range count {
		n.log[n.id] = append(n.log[n.id], payload(n.id, uint64(len(n.log[n.id])+1)))
	}
	n.p.Advanced(n.vector(), n.instant())
	n.pump()
}

func (n *node) vector() clock.VersionVector {
	var v clock.VersionVector
	for id, entries := range n.log {
		v.Set(clock.Entry{Site: id, Seq: uint64(len(entries))})
	}
	return v
}

// pump sends all that the links can take.
func (n *node) pump() {
	for _, l := range n.links {
		for l.up && l.inAir[l.side(n)] < windowMessages {
			m, ok := n.next(l.other(n).id)
			if !ok {
				break
			}
			n.net.deliver(l, n, m)
		}
	}
	if at, ok := n.p.Wake(n.instant()); ok && at < n.wakeAt {
		n.wakeAt = at
		n.net.at(at, func() {
			if n.wakeAt != at {
				return
			}
			n.wakeAt = never
			n.p.Tick(n.instant())
			n.pump()
		})
	}
}

func (n *node) next(to clock.SiteID) (Message, bool) {
	for {
		if m, ok := n.p.Outgoing(to, n.instant()); ok {
			return m, true
		}
		origin, after, ok := n.p.Next(to, n.instant())
		if !ok {
			return nil, false
		}
		if first := n.first[origin]; after+1 < first {
			n.p.Truncated(to, origin, first)
			continue
		}
		e := Entries{Origin: origin, First: after + 1}
		e.Payloads = n.log[origin][after:min(int(after)+n.net.batch, len(n.log[origin]))]
		n.p.Sent(to, origin, after, e.Last())
		return e, true
	}
}

func (w *network) deliver(l *link, from *node, m Message) {
	to, side, epoch := l.other(from), l.side(from), l.epoch
	w.traceMessage(from, to, m)
	at := w.now + l.latency
	if jitter := int64(l.latency / 4); jitter > 0 {
		at += time.Duration(w.rng.Int64N(jitter))
	}
	at = max(at, l.lastAt[side]) // in order
	l.lastAt[side] = at
	l.inAir[side]++
	// Through the codec, so that what the tests prove is what goes on the wire.
	b := AppendMessage(nil, m)
	w.at(at, func() {
		if l.epoch != epoch || !l.up {
			return
		}
		l.inAir[side]--
		m, err := DecodeMessage(b)
		if err != nil {
			w.err = err
			return
		}
		to.handle(from, m)
		from.pump()
	})
}

func (w *network) traceMessage(from, to *node, m Message) {
	switch m.(type) {
	case Ping, Pong:
		return
	}
	w.trace("%s %s->%s %s", w.now, from.name, to.name, m)
}

func (n *node) handle(from *node, m Message) {
	e, err := n.p.Handle(from.id, m, n.instant())
	if err != nil {
		n.net.err = err
		return
	}
	if len(e.Payloads) > 0 {
		n.store = append(n.store, e)
		n.startStore()
	}
	n.pump()
}

// startStore makes what was handed out durable after a while, all in one go.
func (n *node) startStore() {
	if n.busy || len(n.store) == 0 {
		return
	}
	n.busy = true
	group := n.store
	n.store = nil
	done := func() {
		n.busy = false
		for _, e := range group {
			n.append(e)
		}
		n.p.Advanced(n.vector(), n.instant())
		n.startStore()
		n.pump()
	}
	if n.net.storeDelay == 0 {
		done()
		return
	}
	n.net.at(n.net.now+time.Duration(n.net.rng.Int64N(int64(n.net.storeDelay))), done)
}

// append checks what every entry must be: next in order, and what was written.
func (n *node) append(e Entries) {
	for i, p := range e.Payloads {
		seq := e.First + uint64(i)
		if have := uint64(len(n.log[e.Origin])); seq != have+1 || string(p) != string(payload(e.Origin, seq)) {
			n.net.err = fmt.Errorf("%s was handed entry %d of %s after %d", n.name, seq, n.net.name(e.Origin), have)
			return
		}
		n.log[e.Origin] = append(n.log[e.Origin], p)
	}
}

// converged reports whether all nodes have all entries.
func (w *network) converged() bool {
	for _, origin := range w.nodes {
		for _, n := range w.nodes {
			if len(n.log[origin.id]) != len(origin.log[origin.id]) {
				return false
			}
		}
	}
	return true
}

func (w *network) metrics() (m Metrics) {
	for _, n := range w.nodes {
		c := n.p.Metrics()
		m.Received += c.Received
		m.Duplicates += c.Duplicates
		m.Gaps += c.Gaps
		m.Switches += c.Switches
	}
	return m
}

// state prints what each node has, and from whom.
func (w *network) state() string {
	var b strings.Builder
	for _, n := range w.nodes {
		fmt.Fprintf(&b, "%s:", n.name)
		for _, origin := range w.nodes {
			if k := len(n.log[origin.id]); k > 0 || n.p.Provider(origin.id) != (clock.SiteID{}) {
				fmt.Fprintf(&b, " %s=%d", origin.name, k)
				if from := n.p.Provider(origin.id); from != (clock.SiteID{}) {
					fmt.Fprintf(&b, "<%s", w.name(from))
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
