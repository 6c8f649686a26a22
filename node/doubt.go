package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"baraza/merge"
	"baraza/node/bringup"
	"baraza/node/replica"
	"baraza/node/session/dialer"
)

// A table in doubt (replica.Doubt) is compared with another site as soon as one
// is connected. Rows that this site has and the other lacks, or has otherwise, were
// written around capture and become ordinary changes. By that, nothing is
// deleted and no value becomes NULL elsewhere: an emptied table may be a mistake, and
// the administrator says which it is, with `baraza verify --repair` here or there.

const (
	// doubtInterval is how often the checks look whether a table is in doubt.
	doubtInterval = 2 * time.Second
	// doubtAgain is the wait after a comparison that failed, and doubtMissing that
	// after one that found rows missing here.
	doubtAgain   = 15 * time.Second
	doubtMissing = 5 * time.Minute
)

// atomicDoubts are the tables in doubt with what status says of each.
type atomicDoubts struct{ texts atomic.Pointer[[]string] }

func (d *atomicDoubts) alarms() []string {
	if texts := d.texts.Load(); texts != nil {
		return *texts
	}
	return nil
}

// doubt notes on the engine's goroutine that a table was written around capture.
func (n *Node) doubt(table, why string) {
	n.log.Warn("a table was written around capture: it is compared with another site", "table", table, "why", why)
	if err := n.replica.Doubt(table, why); err != nil {
		n.log.Error("cannot note that a table is in doubt", "table", table, "error", err)
	}
}

// settleDoubts compares the tables in doubt and returns how long to wait for the
// next look.
func (c *checks) settleDoubts(ctx context.Context) time.Duration {
	n := c.n
	var doubts []replica.Doubt
	err := n.engine.do(ctx, func() (err error) {
		doubts, err = n.replica.Doubts()
		return err
	})
	if err != nil || len(doubts) == 0 {
		c.doubts.texts.Store(nil)
		return doubtInterval
	}
	here := n.replicated()
	wait := doubtInterval
	var texts []string
	for _, d := range doubts {
		since := time.UnixMilli(d.SinceMillis).UTC().Format(time.RFC3339)
		if !slices.Contains(here, d.Table) {
			continue // when it is back
		}
		missing, err := c.settle(ctx, d.Table)
		if ctx.Err() != nil {
			return wait
		}
		switch {
		case err != nil:
			wait = max(wait, doubtAgain)
			texts = append(texts, fmt.Sprintf("table %s is in doubt (%s, found %s) and is still to be compared with another site: %s",
				d.Table, d.Why, since, strings.Join(strings.Fields(err.Error()), " ")))
		case missing > 0:
			wait = max(wait, doubtMissing)
			texts = append(texts, fmt.Sprintf("table %s lacks %d rows here, or values of them, that another site has (%s, found %s): if they were deleted on purpose, run `baraza verify --repair --table %s` here; if not, run it at a site that has them",
				d.Table, missing, d.Why, since, d.Table))
		default:
			err := n.engine.do(ctx, func() error { return n.replica.EndDoubt(d.Table) })
			n.log.Info("the table that was in doubt is in order", "table", d.Table, "error", err)
		}
	}
	c.doubts.texts.Store(&texts)
	return wait
}

// settle makes ordinary changes of what is in a table and not, or otherwise, in
// another site's. It returns how many rows are missing here.
func (c *checks) settle(ctx context.Context, table string) (missing int, err error) {
	n := c.n
	peers := n.net.book()
	if len(peers) == 0 {
		return 0, nil // nobody to ask: the table is what it is
	}
	err = fmt.Errorf("no site that replicates it is connected")
	for _, p := range peers {
		if hub := n.hub(); hub == nil || !hub.Connected(p.ID) {
			continue
		}
		if missing, err = c.settleWith(ctx, p, table); err == nil {
			return missing, nil
		}
	}
	return 0, err
}

func (c *checks) settleWith(ctx context.Context, p dialer.Peer, table string) (missing int, err error) {
	with := &comparison{
		n: c.n, peer: p, tables: []string{table}, progress: func(string, int64, int) {},
		found: func(ctx context.Context, table string, found []bringup.Difference) (bool, error) {
			before := len(found)
			found = slices.DeleteFunc(found, func(d bringup.Difference) bool { return !there(d.Mine) || blanks(&d) })
			missing += before - len(found)
			changes, err := c.n.affirm(ctx, table, found)
			if changes > 0 {
				c.n.log.Info("rows that only this site had, or had so, became ordinary changes", "table", table, "rows", changes)
			}
			return true, err
		},
	}
	err = with.run(ctx)
	switch {
	case err != nil:
		return 0, err
	case len(with.notThere) > 0:
		return 0, fmt.Errorf("%s does not replicate it", p.Name)
	case with.moving > 0:
		return 0, fmt.Errorf("%d of its rows are written all the time, or still on their way", with.moving)
	}
	return missing, nil
}

// blanks reports whether a row would only lose values: another site has them
// where this one has NULL, as after a column was dropped and came back.
func blanks(d *bringup.Difference) bool {
	return there(d.Theirs) && !slices.ContainsFunc(d.Columns, func(column string) bool { return valueOf(d.Mine, column) != "NULL" })
}

// sortedRows returns the rows in their order.
func sortedRows(rows map[merge.RowID]bool) []merge.RowID {
	ids := make([]merge.RowID, 0, len(rows))
	for id := range rows {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, merge.RowID.Compare)
	return ids
}
