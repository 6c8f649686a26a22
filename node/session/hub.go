package session

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"baraza/clock"
	"baraza/gossip"
)

// Log is where entries are kept. It is used by several goroutines at a time.
type Log interface {
	// Vector returns how far the log has each origin, durably. The caller may
	// keep it.
	Vector() clock.VersionVector
	// Read returns consecutive entries of an origin that the vector covers,
	// from after+1 on: at least one, and about maxBytes. When after+1 is no
	// longer held, first is the first entry that is, and payloads may be empty.
	// The caller reads the payloads only.
	Read(origin clock.SiteID, after uint64, maxBytes int) (first uint64, payloads [][]byte, err error)
	// Append stores consecutive entries of an origin, the first of which is
	// the next in order. They are durable on return. It may keep the payloads.
	Append(origin clock.SiteID, first uint64, payloads [][]byte) error
}

// Config are the settings of a Hub.
type Config struct {
	// Gossip.Site must be set; for the rest zero values do.
	Gossip gossip.Config
	// Log takes what an operator may want to know; nil drops it.
	Log *slog.Logger
	// Stored is called after entries of peers became durable, and Changed after
	// a session came or went. Neither may block or call the hub. Nil for none.
	Stored  func()
	Changed func(peer clock.SiteID, up bool)
	// WallMillis reads the wall clock; nil reads the system's.
	WallMillis func() int64
	// DeadAfter is the constant of that name, unless set.
	DeadAfter time.Duration
}

// ErrDuplicate says that the peer has a session that is to be kept.
var ErrDuplicate = errors.New("there is a session with this peer already")

// Hub owns the protocol and the sessions of one site.
type Hub struct {
	cfg     Config
	log     Log
	started time.Time
	running sync.WaitGroup
	done    chan struct{}
	rearm   chan struct{}
	storer  storer

	mu       sync.Mutex
	protocol *gossip.Protocol
	sessions []*Session // sorted by peer
	traffic  map[clock.SiteID]*traffic
	wakeAt   time.Duration
	closed   bool
	// forgotten are peers that were removed from the network.
	forgotten map[clock.SiteID]bool

	storing sync.Mutex // held while arrivals are stored
}

// NewHub returns a running hub. Close ends it.
func NewHub(cfg Config, log Log) *Hub {
	cfg.DeadAfter = cmp.Or(cfg.DeadAfter, DeadAfter)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Stored == nil {
		cfg.Stored = func() {}
	}
	if cfg.Changed == nil {
		cfg.Changed = func(clock.SiteID, bool) {}
	}
	if cfg.WallMillis == nil {
		cfg.WallMillis = func() int64 { return time.Now().UnixMilli() }
	}
	h := &Hub{
		cfg: cfg, log: log, started: time.Now(), done: make(chan struct{}), rearm: make(chan struct{}, 1),
		protocol: gossip.New(cfg.Gossip, log.Vector()), traffic: map[clock.SiteID]*traffic{}, forgotten: map[clock.SiteID]bool{},
	}
	h.storer.more = make(chan struct{}, 1)
	h.running.Go(h.tick)
	h.running.Go(h.storeAll)
	return h
}

// Close ends all sessions and waits for them.
func (h *Hub) Close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.done)
	}
	sessions := slices.Clone(h.sessions)
	h.mu.Unlock()
	var ending sync.WaitGroup
	for _, s := range sessions {
		ending.Go(func() { s.end(errClosed) }) // closing may wait for the line
	}
	ending.Wait()
	h.running.Wait()
}

func (h *Hub) now() gossip.Instant {
	return gossip.Instant{Elapsed: time.Since(h.started), Wall: h.cfg.WallMillis()}
}

// Add starts a session on a connection whose other end has proved to be peer;
// dialled tells whether this side dialled. The connection belongs to the hub
// from now on, also when it is refused.
//
// A peer has one session. When both ends dial at once, both keep the connection
// that the site with the smaller id dialled. A second connection by the same
// end replaces the first, and so does any after crossing: that end would not
// dial if it did not know the first dead.
func (h *Hub) Add(conn net.Conn, peer clock.SiteID, dialled bool) (*Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.add(conn, peer, dialled)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	h.running.Go(func() { h.run(s) })
	return s, nil
}

func (h *Hub) add(conn net.Conn, peer clock.SiteID, dialled bool) (*Session, error) {
	if h.closed {
		return nil, errClosed
	}
	i, exists := h.find(peer)
	if exists && h.sessions[i].dialled != dialled && h.sessions[i].dialled == (h.cfg.Gossip.Site.Compare(peer) < 0) &&
		time.Since(h.sessions[i].since) < crossing {
		return nil, ErrDuplicate
	}
	count := h.traffic[peer]
	if count == nil {
		count = &traffic{}
		h.traffic[peer] = count
	}
	s, err := newSession(h, conn, peer, dialled, count)
	if err != nil {
		return nil, fmt.Errorf("start a session: %w", err)
	}
	if exists {
		go h.sessions[i].end(errReplaced) // closing may wait for the line
		h.protocol.Down(peer, h.now())
		h.sessions = slices.Delete(h.sessions, i, i+1)
	}
	if err := h.protocol.Up(peer, h.now()); err != nil {
		return nil, err
	}
	delete(h.forgotten, peer)
	i, _ = h.find(peer)
	h.sessions = slices.Insert(h.sessions, i, s)
	h.stir()
	return s, nil
}

// run runs a session until both its directions have ended.
func (h *Hub) run(s *Session) {
	var writing sync.WaitGroup
	h.cfg.Log.Info("session with a peer", "peer", s.peer.Short(), "dialled", s.dialled)
	h.cfg.Changed(s.peer, true)
	writing.Go(func() { s.end(s.write()) })
	s.end(s.read())
	writing.Wait()
	h.mu.Lock()
	current := false
	if i, ok := h.find(s.peer); ok && h.sessions[i] == s {
		current = true
		h.sessions = slices.Delete(h.sessions, i, i+1)
		h.protocol.Down(s.peer, h.now())
		h.stir()
	}
	h.mu.Unlock()
	h.cfg.Log.Info("session ended", "peer", s.peer.Short(), "after", time.Since(s.since).Round(time.Millisecond), "why", s.err)
	if current {
		h.cfg.Changed(s.peer, false)
	}
}

func (h *Hub) find(peer clock.SiteID) (int, bool) {
	return slices.BinarySearchFunc(h.sessions, peer, func(s *Session, id clock.SiteID) int { return bytes.Compare(s.peer[:], id[:]) })
}

// current reports whether the session is the peer's. The caller holds mu.
func (h *Hub) current(s *Session) bool {
	i, ok := h.find(s.peer)
	return ok && h.sessions[i] == s
}

// Notify tells that the log has grown by other means than a session.
func (h *Hub) Notify() {
	v := h.log.Vector()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.protocol.Advanced(v, h.now())
	h.stir()
}

// Disconnect ends a peer's session, if there is one.
func (h *Hub) Disconnect(peer clock.SiteID, why error) {
	h.mu.Lock()
	i, ok := h.find(peer)
	var s *Session
	if ok {
		s = h.sessions[i]
	}
	h.mu.Unlock()
	if s != nil {
		s.end(why)
	}
}

// Forget drops what is known of a peer that is gone for good. On return nothing
// that the peer sent will be stored any more, unless Add lets it in again.
func (h *Hub) Forget(peer clock.SiteID) {
	h.mu.Lock()
	h.forgotten[peer] = true
	if i, ok := h.find(peer); ok {
		go h.sessions[i].end(errForgotten) // closing may wait for the line
		h.protocol.Down(peer, h.now())
		h.sessions = slices.Delete(h.sessions, i, i+1)
	}
	h.protocol.Forget(peer)
	delete(h.traffic, peer)
	h.stir()
	h.mu.Unlock()
	h.storing.Lock() // what is being stored is stored now
	defer h.storing.Unlock()
}

var errForgotten = errors.New("the peer was removed from the network")

// job is what a writer is to do next: a control message, entries, or nothing.
type job struct {
	control gossip.Message
	entries bool
	origin  clock.SiteID
	after   uint64
}

func (h *Hub) next(s *Session) (j job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.current(s) {
		return job{}
	}
	if m, ok := h.protocol.Outgoing(s.peer, h.now()); ok {
		if _, have := m.(gossip.Have); !have {
			h.alarm() // a ping has a successor
		}
		return job{control: m}
	}
	j.origin, j.after, j.entries = h.protocol.Next(s.peer, h.now())
	return j
}

func (h *Hub) sent(s *Session, origin clock.SiteID, after, last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current(s) {
		h.protocol.Sent(s.peer, origin, after, last)
	}
}

func (h *Hub) truncated(s *Session, origin clock.SiteID, first uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current(s) {
		h.protocol.Truncated(s.peer, origin, first)
	}
}

func (h *Hub) receiving(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.protocol.Receiving(s.peer, h.now())
}

func (h *Hub) handle(s *Session, m gossip.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.current(s) {
		return errReplaced
	}
	_, err := h.protocol.Handle(s.peer, m, h.now())
	h.stir()
	return err
}

// stir lets the writers that have something to send look again, and the clock.
// The caller holds mu.
func (h *Hub) stir() {
	h.protocol.Ready(h.now(), func(peer clock.SiteID) {
		if i, ok := h.find(peer); ok {
			h.sessions[i].nudge()
		}
	})
	h.alarm()
}

// alarm wakes tick when something is due before it would wake by itself.
func (h *Hub) alarm() {
	if at, ok := h.protocol.Wake(h.now()); ok && at < h.wakeAt {
		h.wakeAt = at
		select {
		case h.rearm <- struct{}{}:
		default:
		}
	}
}

// tick does what is due by time.
func (h *Hub) tick() {
	const idle = time.Hour
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-h.rearm:
		case <-timer.C:
		}
		h.mu.Lock()
		now := h.now()
		h.protocol.Tick(now)
		h.stir()
		at, ok := h.protocol.Wake(now)
		if !ok {
			at = now.Elapsed + idle
		}
		h.wakeAt = at
		timer.Reset(at - now.Elapsed)
		h.mu.Unlock()
	}
}
