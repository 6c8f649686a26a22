package node

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"baraza/clock"
)

func (n *Node) bringUp(ctx context.Context) error {
	if n.replica.BringingUp() {
		return errors.New("bring-up: not wired yet")
	}
	return nil
}

func (w *network) serveState(ctx context.Context, conn *tls.Conn, peer clock.SiteID) { _ = conn.Close() }

func (w *network) acceptMembers(conn net.Conn, peer clock.SiteID) { _ = conn.Close() }
