package sim

import (
	"math/rand/v2"
	"time"

	"baraza/clock"
	"baraza/gossip"
)

const (
	// deadAfter is how long an end hears nothing before it gives a connection
	// up, as session.DeadAfter.
	deadAfter = 15 * time.Second
	// windowBytes is what one end may have under way, as session.SocketBytes.
	windowBytes = 512 << 10
	// redialMin and redialMax bound the wait before a line is tried again.
	redialMin, redialMax = time.Second, 30 * time.Second
	// handshakes is how many one-way trips it takes to connect.
	handshakes = 4
)

// Link is the line between two sites. The first of them dials. Side 0 is the
// first site's, and direction 0 leads away from it.
type Link struct {
	w       *World
	n       int
	ends    [2]*Site
	blocked [2]int // by how many faults, each direction
	rnd     *rand.Rand
	conn    *conn
	backoff time.Duration
	dialing bool
	busy    [2]time.Duration // until when the line sends
	packed  [2]flight        // what goes out next, see ship; empty between events
	line    Line
	opened  time.Duration // when the last cut ended
	lent    *Site         // who got it for its rows; off: it is taken away
	off     bool
}

// conn is one connection over a link: two reliable streams, until it breaks.
type conn struct {
	link *Link
	side [2]side
}

// side is what one site knows and has sent.
type side struct {
	up     bool
	heard  time.Duration
	out    []flight // under way from here, in order
	kept   []flight // the beginning of out, to be used again
	bytes  int      // of out
	lastAt time.Duration
	drain  func() // delivers what is due
	said   said
}

// flight is what goes out together: messages that a site sends at one moment
// share a packet, where they have room.
type flight struct {
	due   time.Duration
	bytes []byte   // the first message
	more  [][]byte // those that share its packet
	size  int
	flightNotes
}

// flightNotes are for the observer only.
type flightNotes struct {
	n       uint64
	kind    string
	entries int
	again   int // bytes that went over the line besides its own
	sent    time.Duration
}

func (w *World) connect(a, b *Site, line Line) {
	l := &Link{w: w, n: len(w.Links), ends: [2]*Site{a, b}, backoff: redialMin, line: line}
	l.rnd = w.random("link", l.n)
	w.Links = append(w.Links, l)
	a.links = append(a.links, l)
	b.links = append(b.links, l)
	a.linkTo[b.id], b.linkTo[a.id] = l, l
	l.redial(time.Duration(l.rnd.Int64N(int64(redialMin))))
}

func (l *Link) sideOf(s *Site) int {
	if l.ends[0] == s {
		return 0
	}
	return 1
}

func (l *Link) other(s *Site) *Site { return l.ends[1-l.sideOf(s)] }

// up reports whether a side has a connection that it takes for alive.
func (l *Link) up(side int) bool { return l.conn != nil && l.conn.side[side].up }

// redial makes the first site dial in a while.
func (l *Link) redial(in time.Duration) {
	if l.dialing || l.off {
		return
	}
	l.dialing = true
	l.w.after(in, func() {
		l.dialing = false
		if l.up(0) || !l.ends[0].up || l.off {
			return // its next start or break dials
		}
		l.dialing = true
		var trip time.Duration
		for range handshakes {
			trip += l.latency()
		}
		l.w.after(trip, func() { l.dialing = false; l.dialled() })
	})
}

func (l *Link) dialled() {
	a, b := l.ends[0], l.ends[1]
	if l.up(0) || !a.up {
		return
	}
	if !b.up || l.blocked[0] > 0 || l.blocked[1] > 0 {
		l.backoff = min(2*l.backoff, redialMax)
		l.redial(l.backoff/2 + time.Duration(l.rnd.Int64N(int64(l.backoff/2))))
		return
	}
	l.backoff = redialMin
	if l.up(1) { // it has not noticed that the old one is dead
		l.conn.side[1].up = false
		b.p.Down(a.id, b.instant())
	}
	c := &conn{link: l}
	l.conn = c
	l.w.note("%s-%s connect", a, b)
	for i, s := range l.ends {
		c.side[i] = side{up: true, heard: l.w.now, drain: func() { l.drain(c, i) }}
		if err := s.p.Up(l.ends[1-i].id, s.instant()); err != nil {
			l.w.fail(err)
			return
		}
		l.watch(c, i)
	}
	if every := l.line.BreakEvery; every > 0 {
		l.w.after(time.Duration(l.rnd.ExpFloat64()*float64(every)), func() { l.broken(c) })
	}
	a.meets(b, c, 0)
	b.meets(a, c, 0)
	a.pump()
	b.pump()
}

// broken resets a connection in the middle: both ends hear of it.
func (l *Link) broken(c *conn) {
	if l.conn != c {
		return
	}
	l.w.note("%s-%s breaks", l.ends[0], l.ends[1])
	l.hangUp(c, 0)
	l.hangUp(c, 1)
}

// hangUp ends a connection as one side sees it.
func (l *Link) hangUp(c *conn, at int) {
	if !c.side[at].up {
		return
	}
	c.side[at].up = false
	s := l.ends[at]
	if l.conn == c && s.up {
		l.w.note("%s drops %s", s, l.ends[1-at])
		s.p.Down(l.ends[1-at].id, s.instant())
		s.pump()
	}
	if at == 0 && s.up {
		l.redial(l.backoff/2 + time.Duration(l.rnd.Int64N(int64(l.backoff/2))))
	}
	l.w.after(l.latency(), func() {
		if l.blocked[at] == 0 {
			l.hangUp(c, 1-at)
		}
	})
}

// crashed tells that a site is gone. Where its system lives on, the other side
// hears of it; else it finds out by itself.
func (l *Link) crashed(s *Site, told bool) {
	at := l.sideOf(s)
	c := l.conn
	if !l.up(at) {
		return
	}
	c.side[at].up = false
	if told {
		l.w.after(l.latency(), func() {
			if l.blocked[at] == 0 {
				l.hangUp(c, 1-at)
			}
		})
	}
}

// watch gives a connection up when nothing came for too long.
func (l *Link) watch(c *conn, at int) {
	l.w.At(c.side[at].heard+deadAfter, func() {
		switch {
		case !c.side[at].up:
		case len(c.side[1-at].out) > 0 && l.blocked[1-at] == 0 && l.ends[1-at].up:
			c.side[at].heard = l.w.now // parts of a large message are coming
			l.watch(c, at)
		case l.w.now >= c.side[at].heard+deadAfter:
			l.hangUp(c, at)
		default:
			l.watch(c, at)
		}
	})
}

func (l *Link) latency() time.Duration {
	if l.line.Trace != nil {
		return l.line.Trace.draw(l.rnd, l.w.now)
	}
	return l.line.Latency.draw(l.rnd)
}

// room reports whether a side may send.
func (l *Link) room(at int) bool { return l.up(at) && l.conn.side[at].bytes < windowBytes }

// sizeOf is about how many bytes a message takes.
func sizeOf(m gossip.Message) int {
	size := 64
	switch m := m.(type) {
	case gossip.Entries:
		for _, p := range m.Payloads {
			size += len(p) + 4
		}
	case gossip.Have:
		size += 28 * len(m.Changed)
	}
	return size
}

// buffersMax bounds the buffers that wait to be used again, and smallMessage how
// large they are, in bytes.
const (
	buffersMax   = 256
	smallMessage = 512
)

// buffer returns room for a message to be written to. Small messages are all but
// those of entries, whose payloads are kept as they came.
func (w *World) buffer(m gossip.Message) []byte {
	n := sizeOf(m)
	if last := len(w.buffers) - 1; last >= 0 && n <= smallMessage {
		if _, kept := m.(gossip.Entries); !kept {
			b := w.buffers[last]
			w.buffers = w.buffers[:last]
			return b
		}
	}
	return make([]byte, 0, n)
}

// read takes the buffer of a message that has been handled.
func (w *World) read(b []byte) {
	if cap(b) <= 2*smallMessage && len(w.buffers) < buffersMax && !gossip.KeepsBytes(b) {
		w.buffers = append(w.buffers, b[:0])
	}
}

// pushed is the message of an entry that a site sent last, and its payload: a new
// entry goes to one peer after the other, and is written down once for all. (What
// a message of entries is read from belongs to the message, and stays as it is.)
type pushed struct {
	origin  clock.SiteID
	first   uint64
	payload *byte
	bytes   []byte
}

// encoded is a message as the codec of production writes it.
func (s *Site) encoded(m gossip.Message) []byte {
	e, is := m.(gossip.Entries)
	if !is || len(e.Payloads) != 1 {
		return gossip.AppendMessage(s.w.buffer(m), m)
	}
	if p := &s.pushed; p.origin != e.Origin || p.first != e.First || p.payload != &e.Payloads[0][0] {
		*p = pushed{e.Origin, e.First, &e.Payloads[0][0], gossip.AppendMessage(s.w.buffer(m), m)}
	}
	return s.pushed.bytes
}

// send puts a message on the line, through the codec of production: it goes out
// with the next ship, or when the packet is full.
func (l *Link) send(at int, m gossip.Message) {
	b := l.ends[at].encoded(m)
	l.w.sent(l, at, m, b)
	f := &l.packed[at]
	if f.size > 0 && f.size+len(b) > packetBytes {
		l.ship(at)
	}
	if f.size == 0 {
		f.bytes = b
	} else {
		f.more = append(f.more, b)
	}
	f.size += len(b)
	l.conn.side[at].bytes += len(b)
	if l.w.opts.Observer != nil {
		f.carries(m)
	}
}

// ship lets what was sent go out.
func (l *Link) ship(at int) {
	f := l.packed[at]
	if f.size == 0 {
		return
	}
	l.packed[at] = flight{}
	c, w := l.conn, l.w
	from := &c.side[at]
	start := max(w.now, l.busy[at])
	late, again := l.line.mishaps(l.rnd, f.size)
	if bw := l.line.BytesPerSecond; bw > 0 {
		start += time.Duration(int64(f.size+again) * int64(time.Second) / bw)
		l.busy[at] = start
	}
	f.due = max(start+l.latency()+late, from.lastAt)
	from.lastAt = f.due
	if o := w.opts.Observer; o != nil {
		w.messages++
		f.n, f.again, f.sent = w.messages, again, w.now
		o.Sent(l.message(at, f))
	}
	if len(from.out) == 0 {
		from.out = append(from.kept[:0], f)
		from.kept = from.out
	} else {
		from.out = append(from.out, f)
	}
	w.At(f.due, from.drain)
}

// drain delivers what has come. What is sent into a cut stays under way, as a
// stream sends it again.
func (l *Link) drain(c *conn, at int) {
	from, to := &c.side[at], &c.side[1-at]
	sender, receiver := l.ends[at], l.ends[1-at]
	for l.blocked[at] == 0 && len(from.out) > 0 && from.out[0].due <= l.w.now && l.w.err == nil {
		f := from.out[0]
		if from.out = from.out[1:]; len(from.out) == 0 {
			from.out = from.kept[:0]
		}
		full := !l.room(at)
		from.bytes -= f.size
		if !to.up || !receiver.up {
			l.refuse(c, at)
			continue
		}
		to.heard = l.w.now
		if o := l.w.opts.Observer; o != nil {
			o.Received(l.message(at, f))
		}
		err := receiver.take(sender, f.bytes)
		for i := 0; i < len(f.more) && err == nil && to.up && receiver.up; i++ {
			err = receiver.take(sender, f.more[i])
		}
		if err != nil {
			l.w.fail(err)
			return
		}
		l.w.read(f.bytes)
		for _, b := range f.more {
			l.w.read(b)
		}
		if full && l.room(at) { // else it has sent all that it had
			sender.pump()
		}
	}
}

// refuse answers what comes on a connection that the receiver does not have any
// more, as its system does.
func (l *Link) refuse(c *conn, at int) {
	if l.ends[1-at].up && c.side[at].up {
		l.w.after(l.latency(), func() {
			if l.blocked[1-at] == 0 {
				l.hangUp(c, at)
			}
		})
	}
}

// block cuts one direction; unblock ends one such cut.
func (l *Link) block(direction int) { l.blocked[direction]++ }

func (l *Link) unblock(direction int) {
	if l.blocked[direction]--; l.blocked[direction] > 0 {
		return
	}
	l.opened = l.w.now
	if l.conn == nil {
		return
	}
	c := l.conn
	l.w.after(l.latency(), func() { l.drain(c, direction) })
}
