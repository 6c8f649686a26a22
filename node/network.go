package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"baraza/clock"
	"baraza/gossip"
	"baraza/gossip/members"
	"baraza/node/admin"
	"baraza/node/session"
	"baraza/node/trust"
)

// protocolState is the protocol by which a joining site is brought up.
const protocolState = "baraza-state/1"

// handshakesMax bounds the connections that have not proved yet who they are.
const handshakesMax = 64

// network is the site's listener and its connections to peers.
type network struct {
	n        *Node
	listener net.Listener
	tls      *tls.Config
	host     *trust.Host
	members  *members.Members
	streams  *members.Transport
	work     sync.WaitGroup
	cancel   context.CancelFunc
	kicked   atomic.Pointer[func()] // makes the dialler try all peers; nil before the start
	closers  []func()

	hub atomic.Pointer[session.Hub] // nil before the start

	mu       sync.Mutex
	lastSeen map[clock.SiteID]time.Time
}

// listen takes the listening address, so that a taken one is an error at once.
func (n *Node) listen() (*network, error) {
	l, err := n.ports.Net.Listen(n.settings().Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; set `listen` in baraza.yaml to an address of this machine that is free", n.settings().Listen, err)
	}
	w := &network{n: n, listener: l, lastSeen: map[clock.SiteID]time.Time{}, cancel: func() {}}
	w.tls, err = n.key.ServerTLS(trust.ProtocolSession, trust.ProtocolJoin, trust.ProtocolMembers, protocolState)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	w.host = &trust.Host{
		Key: n.key, Book: n.book, Invites: n.invites, Now: time.Now,
		RingKey: func() []byte { return n.ring }, Settings: n.sharedSettings, Admits: n.admits,
	}
	return w, nil
}

// start begins to take and make connections.
func (w *network) start(ctx context.Context) error {
	ctx, w.cancel = context.WithCancel(ctx)
	n := w.n
	met := newMeetings(n)
	w.hub.Store(session.NewHub(session.Config{
		Gossip: gossip.Config{Site: n.key.ID(), Note: met.note, Greeted: met.greeted}, Log: n.log,
		Stored: n.engine.nudge,
		Changed: func(peer clock.SiteID, up bool) {
			w.saw(peer)
			met.session(peer, up)
		},
	}, n.replica.Log()))
	kick := w.startPeers(ctx)
	w.kicked.Store(&kick)
	if err := w.startHints(ctx); err != nil {
		return err
	}
	w.work.Go(func() { n.announce(ctx) })
	w.work.Go(func() { n.announceRules(ctx) })
	w.work.Go(func() { n.checks.run(ctx) })
	w.work.Go(func() { w.accept(ctx) })
	return nil
}

// kick makes the dialler try all peers at once.
func (w *network) kick() {
	if f := w.kicked.Load(); f != nil {
		(*f)()
	}
}

// close ends all connections and waits for them.
func (w *network) close() {
	w.cancel()
	_ = w.listener.Close()
	for _, f := range slices.Backward(w.closers) {
		f()
	}
	if hub := w.hub.Load(); hub != nil {
		hub.Close()
	}
	w.work.Wait()
}

func (w *network) accept(ctx context.Context) {
	slots := make(chan struct{}, handshakesMax)
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			w.n.log.Warn("cannot take a connection", "error", err)
			time.Sleep(100 * time.Millisecond) // out of files, most likely
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			_ = conn.Close()
			return
		}
		w.work.Go(func() {
			defer func() { <-slots }()
			w.serve(ctx, conn)
		})
	}
}

// serve does with a connection what its dialler asks for, if it may.
func (w *network) serve(ctx context.Context, raw net.Conn) {
	// A dialler that says no more does not hold up a stop. From the moment when
	// the hub or the membership takes the connection over, they close it.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	conn, protocol, err := trust.Server(ctx, raw, w.tls)
	if err != nil {
		w.n.log.Debug("a handshake failed", "from", raw.RemoteAddr(), "error", err)
		return
	}
	if protocol == trust.ProtocolJoin {
		w.serveJoin(ctx, conn)
		return
	}
	peer, fresh, err := trust.Identify(conn, w.n.book)
	if err != nil {
		w.n.log.Warn("a connection was refused", "from", raw.RemoteAddr(), "error", err)
		_ = conn.Close()
		return
	}
	if err := w.n.publishAdmissions(ctx, fresh...); err != nil {
		w.n.log.Warn("an admission could not be passed on yet", "error", err)
	}
	switch protocol {
	case trust.ProtocolSession:
		if _, err := w.hub.Load().Add(conn, peer, false); err != nil && !errors.Is(err, session.ErrDuplicate) {
			w.n.log.Warn("no session with a peer", "peer", w.n.name(peer), "error", err)
		}
	case trust.ProtocolMembers:
		w.streams.Accept(conn)
	case protocolState:
		w.serveState(ctx, conn, peer)
	}
}

func (w *network) serveJoin(ctx context.Context, conn *tls.Conn) {
	defer conn.Close()
	a, facts, err := w.host.Serve(conn)
	if err != nil {
		w.n.log.Warn(err.Error())
		return
	}
	w.n.log.Info("a site was admitted", "name", a.Name, "id", a.Site.Short(), "from", conn.RemoteAddr())
	if err := w.n.publishAdmissions(ctx, a); err != nil {
		w.n.log.Warn("the admission could not be passed on yet", "error", err)
	}
	if err := w.n.reserveNumbers(ctx, a.Site, facts); err != nil {
		w.n.log.Warn("which numbers the new site gives out could not be passed on yet", "error", err)
	}
}

// dial connects to a member at an address of its, with session or another
// protocol.
func (n *Node) dial(ctx context.Context, peer clock.SiteID, address, protocol string) (net.Conn, error) {
	return trust.Dial(ctx, n.ports.Net, n.key, n.book, address, peer, protocol)
}

// dropPeer ends what there is with a site that is no member any more.
func (n *Node) dropPeer(peer clock.SiteID) {
	if hub := n.hub(); hub != nil {
		hub.Forget(peer)
	}
}

// grown tells the sessions that the own log has grown.
func (n *Node) grown() {
	if hub := n.hub(); hub != nil {
		hub.Notify()
	}
}

// hub is the sessions; nil before the site takes part.
func (n *Node) hub() *session.Hub {
	if n.net == nil {
		return nil
	}
	return n.net.hub.Load()
}

func (w *network) saw(peer clock.SiteID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastSeen[peer] = time.Now()
}

// describePeer fills in what the network knows of a peer.
func (n *Node) describePeer(id clock.SiteID, p *admin.Peer) {
	w, hub := n.net, n.hub()
	if hub == nil {
		return
	}
	if hub.Connected(id) {
		p.State = admin.PeerConnected
		w.saw(id)
	}
	w.mu.Lock()
	if at, ok := w.lastSeen[id]; ok {
		at = at.UTC()
		p.LastSeen = &at
	}
	w.mu.Unlock()
	p.BehindBatches = hub.Known(id).Behind(n.replica.Log().Vector())
}

// clockOffset is the median of the peers' clocks less this site's.
func (n *Node) clockOffset() time.Duration {
	hub := n.hub()
	if hub == nil {
		return 0
	}
	var ahead []time.Duration
	for _, p := range hub.Peers() {
		if p.Measured {
			ahead = append(ahead, p.Ahead)
		}
	}
	if len(ahead) == 0 {
		return 0
	}
	slices.Sort(ahead)
	return ahead[len(ahead)/2]
}
