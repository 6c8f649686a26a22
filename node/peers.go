package node

import (
	"context"
	"math/rand/v2"
	"net"

	"baraza/clock"
	"baraza/node/session/dialer"
	"baraza/node/trust"
)

// startPeers begins to keep connections to peers. It returns what makes the
// dialler try all of them at once.
func (w *network) startPeers(ctx context.Context) (kick func()) {
	n, hub := w.n, w.hub.Load()
	d := dialer.New(dialer.Config{
		Self: n.key.ID(),
		Book: w.book,
		Dial: func(ctx context.Context, p dialer.Peer, address string) (net.Conn, error) {
			return n.dial(ctx, p.ID, address, trust.ProtocolSession)
		},
		Connected: hub.Connected,
		Add: func(conn net.Conn, peer clock.SiteID) error {
			_, err := hub.Add(conn, peer, true)
			return err
		},
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), // only spreads the attempts
		Log:  n.log,
		Once: n.broken.redial,
	})
	w.work.Go(func() { d.Run(ctx) })
	return d.Kick
}

// book is the peers that can be dialled.
func (w *network) book() []dialer.Peer {
	n := w.n
	var peers []dialer.Peer
	for _, a := range n.book.Members() {
		if a.Site != n.key.ID() {
			peers = append(peers, dialer.Peer{ID: a.Site, Name: a.Name, Addresses: n.book.Addresses(a.Site)})
		}
	}
	return peers
}
