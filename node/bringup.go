package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"baraza/clock"
	"baraza/node/bringup"
	"baraza/node/replica"
	"baraza/node/session/dialer"
)

// bringUpPause is the wait before the members are tried again for the first
// rows.
const bringUpPause = 2 * time.Second

// progressInterval is how often a long bring-up says in the log how far it is.
const progressInterval = 5 * time.Second

// bringUp gets the first rows of a site that joined, from whichever member can
// be reached. It goes on until it has them; what was taken over before a
// failure is found equal and costs little. It runs before the engine does.
func (n *Node) bringUp(ctx context.Context) error {
	for n.replica.BringingUp() {
		err := n.bringUpFromAny(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, replica.ErrNumbersTaken) {
			return err
		}
		n.setPhase("joining: no member gives the first rows yet: %v", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(bringUpPause):
		}
		// A failed step may have left the store ahead of what is in memory.
		if err := n.replica.Settle(ctx); err != nil {
			n.setPhase("joining: %v", err)
		}
	}
	return nil
}

func (n *Node) bringUpFromAny(ctx context.Context) error {
	err := errors.New("the network has no other member with an address")
	for _, p := range n.givers() {
		for _, address := range p.Addresses {
			if err = n.bringUpFrom(ctx, p.ID, address); err == nil || ctx.Err() != nil {
				return err
			}
		}
	}
	return err
}

// givers are the members that may give the first rows: the one that admitted
// this site first, which was there a moment ago.
func (n *Node) givers() []dialer.Peer {
	peers := n.net.book()
	if own, ok := n.book.Admission(n.key.ID()); ok {
		if i := slices.IndexFunc(peers, func(p dialer.Peer) bool { return p.ID == own.By }); i > 0 {
			first := peers[i]
			peers = slices.Insert(slices.Delete(peers, i, i+1), 0, first)
		}
	}
	return peers
}

func (n *Node) bringUpFrom(ctx context.Context, peer clock.SiteID, address string) error {
	n.setPhase("joining: connecting to %s", n.name(peer))
	dialling, cancel := context.WithTimeout(ctx, dialer.DialTimeout)
	conn, err := n.dial(dialling, peer, address, protocolState)
	cancel()
	if err != nil {
		return err
	}
	defer conn.Close()
	n.setPhase("joining: getting the first rows from %s", n.name(peer))
	start := time.Now()
	logged := start
	var last bringup.Progress
	err = bringup.Fetch(ctx, conn, n.replica, n.db.Scanner(n.tables()), func(p bringup.Progress) {
		last = p
		if r := p.Renamed; r != nil {
			n.log.Warn("a row means the same as one of the network and takes its identity", "table", r.Table, "known_by", fmt.Sprint(r.By), "was", r.From.String(), "is", r.To.String())
		}
		text := fmt.Sprintf("joining: %s table %s, %d of %d tables done, %d of about %d rows, %d KiB carried",
			p.Step, p.Table, p.Tables, p.TablesTotal, p.Rows, p.RowsTotal, p.Bytes>>10)
		n.phaseText.Store(&text)
		if time.Since(logged) > progressInterval {
			logged = time.Now()
			n.log.Info(text, "so_far", time.Since(start).Round(time.Second))
		}
	})
	if err != nil {
		return err
	}
	n.log.Info("the first rows are here", "from", n.name(peer), "bytes", last.Bytes, "took", time.Since(start).Round(time.Millisecond))
	return nil
}

// serveState gives a joining site its first rows, or compares tables with one.
func (w *network) serveState(ctx context.Context, conn *tls.Conn, peer clock.SiteID) {
	defer conn.Close()
	n := w.n
	n.log.Info("a site reads the tables here", "site", n.name(peer))
	err := bringup.Serve(ctx, conn, func() (view *replica.View, err error) {
		err = n.engine.do(ctx, func() error {
			if err := n.passOn(ctx, peer); err != nil {
				return fmt.Errorf("pass its admission on: %w", err)
			}
			view, err = n.replica.OpenView(ctx, n.db.Scanner(n.tables()))
			return err
		})
		n.grown() // taking the view may have captured something
		return view, err
	})
	if err != nil {
		n.log.Warn("a site could not read the tables here to the end", "site", n.name(peer), "error", err)
	}
}
