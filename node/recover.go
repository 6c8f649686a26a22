package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"baraza/clock"
	"baraza/node/bringup"
	"baraza/node/session/dialer"
)

// recoverPause is the wait before the members are asked again to bring up a
// database that was set back.
const recoverPause = time.Second

// ownAheadInterval is how often the peers' vectors are asked whether they have
// entries of this site that its store lacks.
const ownAheadInterval = time.Second

// stopKey is where the store says why this site must not run any more.
var stopKey = []byte("Tstop")

// recover brings a database up again that was restored from an older backup,
// from a member that has all that this site had. It runs on the engine's
// goroutine, while sessions go on: so a member that lacks something gets it. It
// reports whether it did something.
func (n *Node) recover(ctx context.Context) (bool, error) {
	if time.Since(n.recoverTried) < recoverPause {
		return false, nil
	}
	defer func() { n.recoverTried = time.Now() }()
	since, _ := n.replica.Recovering()
	found := time.UnixMilli(since).UTC().Format(time.RFC3339)
	held := fmt.Sprintf("the database was restored from an older backup (found %s): capture and apply are held until the changes since are back", found)
	peers := n.givers()
	if len(peers) == 0 {
		n.log.Warn("the database was restored from an older backup, and there is no other site: it is taken as it is")
		return true, n.replica.RecoverAlone(ctx)
	}
	why := "no site that has all of them is connected"
	for _, p := range peers {
		if !n.canGive(p.ID) {
			continue
		}
		n.setRecovery("%s; getting them from %s", held, n.name(p.ID))
		err := n.recoverFrom(ctx, p, held)
		if err == nil {
			n.setRecovery("")
			n.grown()
			return true, n.readMembership()
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		why = fmt.Sprintf("%s: %v", n.name(p.ID), err)
		if err := n.replica.Settle(ctx); err != nil {
			return false, err
		}
	}
	n.setRecovery("%s; waiting: %s", held, why)
	return false, nil
}

// canGive reports whether a peer says that it has all that is needed.
func (n *Node) canGive(peer clock.SiteID) bool {
	hub := n.net.hub.Load()
	return hub != nil && hub.Connected(peer) && hub.Known(peer).Includes(n.replica.Needs())
}

func (n *Node) recoverFrom(ctx context.Context, p dialer.Peer, held string) error {
	err := errors.New("no address of it is known: let it join with an --advertise that can be dialled")
	for _, address := range p.Addresses {
		dialling, cancel := context.WithTimeout(ctx, dialer.DialTimeout)
		conn, e := n.dial(dialling, p.ID, address, protocolState)
		cancel()
		if err = e; err != nil {
			continue
		}
		for _, table := range n.replica.Untold() { // they are left out of it
			n.doubt(table, "it came while the database was restored from a backup")
		}
		err = bringup.Fetch(ctx, conn, n.replica, n.db.Scanner(n.tables()), func(at bringup.Progress) {
			n.setRecoveryQuietly("%s; %s: %s table %s, %d of %d tables done, %d KiB carried",
				held, n.name(p.ID), at.Step, at.Table, at.Tables, at.TablesTotal, at.Bytes>>10)
		})
		_ = conn.Close()
		if err == nil {
			n.log.Info("the changes that the restored database lacked are back", "from", n.name(p.ID))
			return nil
		}
	}
	return err
}

// setRecovery says what status shows of a recovery; "" when there is none.
func (n *Node) setRecovery(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if old := n.recovery.Swap(&s); s != "" && (old == nil || *old != s) {
		n.log.Warn(s)
	}
}

func (n *Node) setRecoveryQuietly(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	n.recovery.Store(&s)
}

func (n *Node) recoveryText() string {
	if s := n.recovery.Load(); s != nil {
		return *s
	}
	return ""
}

// fail ends Run with an error.
func (n *Node) fail(err error) {
	n.failOnce.Do(func() { n.failure = err })
	n.stop()
}

// stopForGood makes this data directory one that does not run any more: what it
// would write under its identity others have already, with other content.
func (n *Node) stopForGood(why string) {
	err := fmt.Errorf("%s; if the other one is the site, remove this one; else %s", why, n.joinAgain())
	if e := setKey(n.store, stopKey, []byte(err.Error())); e != nil {
		n.log.Error("cannot write down why this site stops", "error", e)
	}
	n.fail(err)
}

// joinAgain says how to come back under a new identity.
func (n *Node) joinAgain() string {
	return fmt.Sprintf("join again with a new --data directory in place of %s: at another site `baraza peers forget %s` and `baraza invite`, then `baraza join` here", n.dir, n.key.ID())
}

// mayRun refuses a data directory that was stopped for good.
func (n *Node) mayRun() error {
	why, err := n.store.Get(stopKey)
	if err == nil && why != nil {
		err = errors.New(string(why))
	}
	return err
}

// watchOwn looks now and then whether a peer has entries of this site that its
// store lacks: then the store was restored from a backup together with the
// database, or copied. It runs on the engine's goroutine.
func (n *Node) watchOwn() {
	hub := n.net.hub.Load()
	if hub == nil || time.Since(n.ownLooked) < ownAheadInterval {
		return
	}
	n.ownLooked = time.Now()
	if ahead := hub.OwnAhead(); ahead > 0 {
		n.stopForGood(fmt.Sprintf("other sites have entries of this site up to %d, this data directory only up to %d: it was restored from a backup, or is a copy of a site that runs elsewhere",
			ahead, n.replica.Log().Vector().Seq(n.key.ID())))
	}
}
