package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"baraza/crdt"
	"baraza/merge"
	"baraza/node/bringup"
	"baraza/node/replica"
	"baraza/node/session/dialer"
)

const (
	// compareRowsMax is about how many rows of a table are compared one by one at
	// a time, of those in buckets that differ.
	compareRowsMax = 20_000
	// confirmRounds is how often a row that differs is looked at again, with fresh
	// views, until it differs twice in the same way; confirmPause is the wait
	// between.
	confirmRounds = 8
	confirmPause  = time.Second
)

// comparison is one of tables with one peer.
type comparison struct {
	n      *Node
	peer   dialer.Peer
	tables []string
	// found takes the differences that are confirmed, a table's after the
	// other's. Where it returns false the rest of the table is left.
	found    func(ctx context.Context, table string, found []bringup.Difference) (bool, error)
	progress func(table string, rows int64, done int)

	// notThere are tables that the peer does not replicate; moving are rows that
	// kept changing, so that nothing could be said of them.
	notThere []string
	moving   int
	// more: there are differences that were not looked at.
	more bool
}

// suspect is a table with rows that may differ.
type suspect struct {
	at   *bringup.Table
	rows map[crdt.Key]*watched
	next int // where its next buckets begin; 0 for none
}

// watched is a row that differed when it was looked at last.
type watched struct {
	bringup.Difference
	confirmed bool
}

// run compares. It is called by any goroutine but the engine's.
func (c *comparison) run(ctx context.Context) error {
	from := map[string]int{} // where to go on in tables of which a part was compared
	tables := c.tables
	for len(tables) > 0 {
		suspects, rest, err := c.look(ctx, tables, from)
		if err == nil {
			err = c.confirm(ctx, suspects)
		}
		if err != nil {
			return err
		}
		tables = rest
		for _, table := range slices.Sorted(maps.Keys(suspects)) {
			s := suspects[table]
			goOn, err := c.found(ctx, table, s.confirmed())
			if err != nil {
				return err
			}
			switch {
			case s.next > 0 && goOn:
				tables = append([]string{table}, tables...)
				from[table] = s.next
			case s.next > 0:
				c.more = true
			}
		}
	}
	return nil
}

// look finds the rows that seem to differ. rest are tables that it left for
// later, having found enough to look at more closely.
func (c *comparison) look(ctx context.Context, tables []string, from map[string]int) (suspects map[string]*suspect, rest []string, err error) {
	suspects = map[string]*suspect{}
	done, rows := len(c.tables)-len(tables), 0
	err = c.n.converse(ctx, c.peer, func(table string, rows int64) { c.progress(table, rows, done) }, func(with *bringup.Comparer) error {
		for i, table := range tables {
			if rows >= compareRowsMax {
				rest = tables[i:]
				return nil
			}
			c.progress(table, 0, done)
			done++
			at, err := with.Table(ctx, table)
			if errors.Is(err, bringup.ErrNotThere) {
				c.notThere = append(c.notThere, table)
				continue
			}
			if err != nil {
				return err
			}
			if !at.Different.Any() {
				continue
			}
			some, next := at.Different.Some(min(from[table], at.Different.Buckets), at.Rows, compareRowsMax)
			s := &suspect{at: at, next: next, rows: map[crdt.Key]*watched{}}
			if err := s.compare(ctx, at, some); err != nil {
				return err
			}
			if len(s.rows) > 0 || next > 0 {
				suspects[table] = s
				rows += len(s.rows)
			}
		}
		return nil
	})
	return suspects, rest, err
}

// compare looks at some buckets, and keeps the rows that differ. What differed
// in the very same way before is confirmed.
func (s *suspect) compare(ctx context.Context, at *bringup.Table, some replica.Different) error {
	again := map[crdt.Key]*watched{}
	err := at.Compare(ctx, some, func(d bringup.Difference) {
		before := s.rows[d.Key]
		again[d.Key] = &watched{d, before != nil && !d.UnderWay && !before.UnderWay && d.Same(&before.Difference)}
	})
	s.at, s.rows = at, again
	return err
}

func (s *suspect) confirmed() []bringup.Difference {
	var found []bringup.Difference
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		if w := s.rows[key]; w.confirmed {
			found = append(found, w.Difference)
		}
	}
	return found
}

func (s *suspect) open() (keys []crdt.Key) {
	for key, w := range s.rows {
		if !w.confirmed {
			keys = append(keys, key)
		}
	}
	return keys
}

// confirm looks at rows that seem to differ until it is sure of each: views
// that are taken while applications write may show a row newer than its stamps.
func (c *comparison) confirm(ctx context.Context, suspects map[string]*suspect) error {
	for range confirmRounds {
		open := map[string]*suspect{}
		for table, s := range suspects {
			if len(s.open()) > 0 {
				open[table] = s
			}
		}
		if len(open) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(confirmPause):
		}
		err := c.n.converse(ctx, c.peer, func(table string, rows int64) { c.progress(table, rows, 0) }, func(with *bringup.Comparer) error {
			for _, table := range slices.Sorted(maps.Keys(open)) {
				s := open[table]
				at, err := with.Again(ctx, s.at)
				if err != nil {
					return err
				}
				if err := s.compare(ctx, at, at.Different.Of(slices.Collect(maps.Keys(s.rows)))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, s := range suspects {
		c.moving += len(s.open())
	}
	return nil
}

// converse compares a view of this site with one of a peer.
func (n *Node) converse(ctx context.Context, p dialer.Peer, progress func(table string, rows int64), f func(*bringup.Comparer) error) error {
	conn, err := n.dialAny(ctx, p)
	if err != nil {
		return err
	}
	defer conn.Close()
	view, err := n.openView(ctx)
	if err != nil {
		return err
	}
	defer view.Close()
	c, err := bringup.NewComparer(ctx, conn, view, progress)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// dialAny reaches a peer at one of its addresses.
func (n *Node) dialAny(ctx context.Context, p dialer.Peer) (net.Conn, error) {
	err := errors.New("no address of it is known: let it join with an --advertise that can be dialled, or run verify there")
	for _, address := range p.Addresses {
		dialling, cancel := context.WithTimeout(ctx, dialer.DialTimeout)
		conn, e := n.dial(dialling, p.ID, address, protocolState)
		cancel()
		if e == nil {
			return conn, nil
		}
		err = e
	}
	return nil, err
}

// openView takes a view of this site, from any goroutine but the engine's.
func (n *Node) openView(ctx context.Context) (view *replica.View, err error) {
	err = n.engine.do(ctx, func() error {
		view, err = n.replica.OpenView(ctx, n.db.Scanner(n.tables()))
		return err
	})
	n.grown() // it may have captured something
	return view, err
}

// affirm makes ordinary changes of rows that differ from a peer's.
func (n *Node) affirm(ctx context.Context, table string, found []bringup.Difference) (int, error) {
	rows := make([]replica.Affirmed, len(found))
	for i, d := range found {
		rows[i] = replica.Affirmed{Key: d.Key, Columns: d.Columns}
		if d.Theirs != nil {
			rows[i].Last = *d.Theirs
		}
	}
	changes := 0
	err := n.engine.do(ctx, func() (err error) {
		changes, err = n.replica.Affirm(ctx, table, rows)
		return err
	})
	n.grown()
	return changes, err
}

// strays finds the rows of which this site's table and its own store tell
// different things, and looks twice.
func (n *Node) strays(ctx context.Context, tables []string) (map[merge.RowID]bool, error) {
	var before map[merge.RowID]bool
	for round := range 2 {
		now := map[merge.RowID]bool{}
		view, err := n.openView(ctx)
		if err != nil {
			return nil, err
		}
		for _, table := range tables {
			err := view.Strays(ctx, table, func(key crdt.Key, gone bool) error {
				id := merge.RowID{Table: table, Key: key}
				if was, ok := before[id]; round == 0 || ok && was == gone {
					now[id] = gone
				}
				return nil
			})
			if err != nil {
				_ = view.Close()
				return nil, fmt.Errorf("compare table %s with what this site remembers of it: %w", table, err)
			}
		}
		if err := view.Close(); err != nil {
			return nil, err
		}
		if before = now; len(now) == 0 {
			return nil, nil
		}
		if round == 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(confirmPause):
			}
		}
	}
	return before, nil
}
