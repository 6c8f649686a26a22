package node

import (
	"context"
	"time"

	"baraza/capture"
	"baraza/merge"
	"baraza/node/trust"
)

// contactsTable is the system table by which sites say where they are reached,
// each in a row of its own.
const contactsTable = merge.SystemPrefix + "contacts"

// readContacts learns where members are now, and tries them there at once.
func (n *Node) readContacts() error {
	moved := false
	err := n.systemRecords(contactsTable, func(b []byte) error {
		c, err := trust.UnmarshalContact(b)
		if _, member := n.book.Member(c.Site); err != nil || !member {
			return err // of one that was removed, or whose admission comes later
		}
		added, err := n.book.AddContact(c)
		if added && c.Site != n.key.ID() {
			moved = true
			n.log.Info("a site has moved", "site", n.name(c.Site), "addresses", c.Addresses)
		}
		return err
	})
	if moved {
		n.net.kick()
	}
	return err
}

// announcePause is the wait before a site that could not say where it is tries
// again.
const announcePause = 10 * time.Second

// announce tells the others where this site is reached if that is not where
// they think, and goes on until it could. The log has it before the book, so a
// crash in between makes the site say it again.
func (n *Node) announce(ctx context.Context) {
	for {
		err := n.engine.do(ctx, func() error { return n.writeContact(ctx) })
		if err == nil || ctx.Err() != nil {
			n.grown()
			return
		}
		n.log.Warn("cannot tell the others yet where this site is reached", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(announcePause):
		}
	}
}

// writeContact runs on the engine's goroutine.
func (n *Node) writeContact(ctx context.Context) error {
	c, err := n.book.NewContact(n.key, n.addresses(), time.Now())
	if c == nil || err != nil {
		return err
	}
	row := recordRow(contactsTable, c.Site, c.Marshal(), time.Now())
	if err := n.replica.WriteSystem(ctx, []capture.Row{row}); err != nil {
		return err
	}
	_, err = n.book.AddContact(*c)
	return err
}
