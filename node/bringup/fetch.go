package bringup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"baraza/merge"
	"baraza/node/replica"
)

// Progress is how far a bring-up is.
type Progress struct {
	// Step is what is being done: "identify", "compare", "receive", "adopt" or
	// "place".
	Step string
	// Table is the table that is being worked on; "" for baraza's own.
	Table string
	// Tables of TablesTotal are done.
	Tables, TablesTotal int
	// Rows of about RowsTotal of the table were looked at; a total of 0 is not
	// known.
	Rows, RowsTotal int64
	// Bytes were carried so far, both ways.
	Bytes int64
	// Renamed is, once for each, a row that took the identity of the network.
	Renamed *replica.Renamed
}

// Fetch brings the replica's site up from the member at the other end of a
// connection. It works on the replica, so it runs on the engine's goroutine,
// before anything else does. After an error the site is still to be brought up:
// call it again, with the same member or another. The connection stays the
// caller's. progress may be nil.
func Fetch(ctx context.Context, conn net.Conn, r *replica.Replica, scanner merge.Scanner, progress func(Progress)) (err error) {
	w, err := newWire(ctx, conn)
	if err != nil {
		return err
	}
	defer w.close()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			w.giveUp(err)
			err = fmt.Errorf("bring up this site from %s: %w", conn.RemoteAddr(), err)
		}
	}()
	f := &fetcher{wire: w, scanner: scanner, progress: progress}
	if progress == nil {
		f.progress = func(Progress) {}
	}
	if err := f.greet(ctx, r); err != nil {
		return err
	}
	if err := f.identities(ctx); err != nil {
		return err
	}
	if err := f.tables(ctx); err != nil {
		return err
	}
	// The member may go: the rest is this site's own business.
	if err := f.send(kindDone, struct{}{}); err != nil {
		return err
	}
	if err := f.finish(ctx); err != nil {
		return err
	}
	f.placeRest(ctx, r)
	return nil
}

type fetcher struct {
	*wire
	scanner  merge.Scanner
	bringUp  *replica.BringUp
	progress func(Progress)
	at       Progress
	filling  []*replica.Filling // under way, see chunks.go
}

func (f *fetcher) greet(ctx context.Context, r *replica.Replica) error {
	if err := f.send(kindHello, hello{Version: version}); err != nil {
		return err
	}
	var h replica.Header
	if err := f.expect(kindHeader, &h, nil); err != nil {
		return err
	}
	var err error
	f.bringUp, err = r.StartBringUp(ctx, &h)
	return err
}

// identities gives rows that mean the same as one of the network its identity.
func (f *fetcher) identities(ctx context.Context) error {
	scan, err := f.scanner.Scan(ctx)
	if err != nil {
		return fmt.Errorf("open a view of the database: %w", err)
	}
	renamed, err := f.bringUp.TakeIdentities(ctx, scan)
	if e := scan.Close(); err == nil {
		err = e
	}
	for _, r := range renamed {
		f.at.Table, f.at.Renamed = r.Table, &r
		f.tell("identify", 0, 0)
	}
	f.at.Renamed = nil
	return err
}

func (f *fetcher) tables(ctx context.Context) error {
	tables := f.bringUp.Tables()
	f.at.TablesTotal = len(tables)
	for i, table := range tables {
		f.at.Tables, f.at.Table = i, table
		if err := f.table(ctx, table); err != nil {
			return err
		}
	}
	f.at.Tables, f.at.Table = len(tables), ""
	if err := f.send(kindRest, struct{}{}); err != nil {
		return err
	}
	return f.chunks(ctx, f.ours)
}

// ours reports whether a table was asked for by name.
func (f *fetcher) ours(table string) bool {
	return slices.Contains(f.bringUp.Tables(), table)
}

func (f *fetcher) table(ctx context.Context, table string) error {
	digests, err := f.digest(ctx, table)
	if err != nil {
		return err
	}
	if err := f.send(kindQuery, query{Table: table, Digests: digests}); err != nil {
		return err
	}
	var a answer
	if err := f.expect(kindAnswer, &a, func(rows int64) { f.tell("compare", rows, 0) }); err != nil {
		return err
	}
	if err := f.bringUp.SetDifferent(table, a.Different); err != nil {
		return err
	}
	f.tell("receive", 0, a.Rows)
	if err := f.chunks(ctx, func(t string) bool { return t != table }); err != nil {
		return err
	}
	return f.bringUp.NumbersTaken(table)
}

func (f *fetcher) digest(ctx context.Context, table string) (replica.Digests, error) {
	f.tell("compare", 0, 0)
	scan, err := f.scanner.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a view of the database: %w", err)
	}
	defer scan.Close()
	return f.bringUp.Digest(ctx, scan, table, func(rows int64) error {
		f.tell("compare", rows, 0)
		return f.alive(rows)
	})
}

func (f *fetcher) finish(ctx context.Context) error {
	if err := f.prune(ctx); err != nil {
		return err
	}
	scan, err := f.scanner.Scan(ctx)
	if err != nil {
		return fmt.Errorf("open a view of the database: %w", err)
	}
	defer scan.Close()
	return f.bringUp.Finish(ctx, scan, func(table string, rows int64) error {
		f.at.Table = table
		f.tell("adopt", rows, 0)
		return nil
	})
}

// prune removes what a restored database has no more.
func (f *fetcher) prune(ctx context.Context) error {
	return f.bringUp.Prune(ctx, f.scanner, func(table string, rows int64) error {
		f.at.Table = table
		f.tell("remove", rows, 0)
		return nil
	})
}

// placeRest places what can be placed now that everything is here: references
// that close a circle of tables. The site is complete; what does not succeed is
// tried again as long as the site runs.
func (f *fetcher) placeRest(ctx context.Context, r *replica.Replica) {
	f.at.Table = ""
	f.tell("place", 0, 0)
	for try := 1; try <= retriesMax && ctx.Err() == nil; try++ {
		err := r.RetryAll(ctx)
		if err == nil {
			return
		}
		if errors.Is(err, replica.ErrCaptureFirst) {
			if _, err = r.Capture(ctx); err != nil {
				return
			}
		}
	}
}

func (f *fetcher) tell(step string, rows, total int64) {
	f.at.Step, f.at.Rows, f.at.RowsTotal, f.at.Bytes = step, rows, total, f.bytes.Load()
	f.progress(f.at)
}
