package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"baraza/clock"
	"baraza/gossip/members"
	"baraza/node/trust"
)

// The membership (memberlist) gives hints: who seems to be up, and where. What
// it says makes the dialler try at once; nothing is ever forgotten on its word.

const (
	// rejoinInterval is how often peers of the book that the membership does
	// not know are asked into it. memberlist never does that by itself.
	rejoinInterval = 10 * time.Second
	// rejoinPeersMax bounds how many of them are asked at a time.
	rejoinPeersMax = 3
)

// startHints begins to take part in the membership.
func (w *network) startHints(ctx context.Context) error {
	n := w.n
	packets, err := n.ports.Net.ListenPacket(n.settings().Listen)
	if err != nil {
		return fmt.Errorf("listen on %s (UDP): %w; set `listen` in baraza.yaml to an address of this machine that is free", n.settings().Listen, err)
	}
	var session string // none: a site that others cannot dial
	reached := n.settings().Listen
	if at := n.addresses(); len(at) > 0 {
		session, reached = at[0], at[0]
	}
	w.streams, err = members.NewTransport(packets, reached, func(ctx context.Context, site clock.SiteID, address string) (net.Conn, error) {
		return n.dialMembers(ctx, site, address)
	})
	if err != nil {
		return err
	}
	w.members, err = members.New(members.Config{
		Self:      members.Member{Site: n.key.ID(), Name: n.settings().Name, Session: session},
		Transport: w.streams, Keys: [][]byte{n.ring}, Log: n.log,
		Event: func(e members.Event) { w.hint(e) },
	})
	if err != nil {
		return fmt.Errorf("start the membership: %w", err)
	}
	w.closers = append(w.closers, func() {
		if err := w.members.Close(); err != nil {
			n.log.Debug("leave the membership", "error", err)
		}
	})
	w.work.Go(func() { w.rejoin(ctx) })
	return nil
}

// hint does with an event of the membership what it is worth.
func (w *network) hint(e members.Event) {
	switch e.Kind {
	case members.Up, members.Changed:
		w.saw(e.Member.Site)
		if !w.n.broken.hints {
			w.kick()
		}
	case members.Clash:
		if slices.Contains(w.n.book.Addresses(e.Member.Site), e.Member.Session) {
			return // it has moved, and said so
		}
		w.n.log.Warn("a site answers at two addresses: it has just moved, or, if this goes on, its data directory was copied and two sites run with one identity; then stop one of them and join it again with a new directory",
			"site", w.n.name(e.Member.Site), "address", e.Member.Session)
	case members.Down:
	}
}

// rejoin asks members of the book that the membership does not show into it,
// for ever.
func (w *network) rejoin(ctx context.Context) {
	ticker := time.NewTicker(rejoinInterval)
	defer ticker.Stop()
	for {
		if peers := w.strangers(); len(peers) > 0 {
			if err := w.members.Join(peers); err != nil {
				w.n.log.Debug("the membership cannot reach a peer", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// strangers are some peers of the book that the membership does not show.
func (w *network) strangers() []members.Peer {
	shown := map[clock.SiteID]bool{}
	for _, m := range w.members.List() {
		shown[m.Site] = true
	}
	var peers []members.Peer
	for _, p := range w.book() {
		if !shown[p.ID] && len(p.Addresses) > 0 {
			peers = append(peers, members.Peer{Site: p.ID, Address: p.Addresses[0]})
		}
	}
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	return peers[:min(len(peers), rejoinPeersMax)]
}

// dialMembers opens a stream of the membership; where it is not said who is
// at the address, the book knows.
func (n *Node) dialMembers(ctx context.Context, site clock.SiteID, address string) (net.Conn, error) {
	if site.IsZero() {
		for _, p := range n.net.book() {
			for _, a := range p.Addresses {
				if a == address {
					site = p.ID
				}
			}
		}
	}
	if site.IsZero() {
		return nil, errors.New("no member is known at " + address)
	}
	return n.dial(ctx, site, address, trust.ProtocolMembers)
}
