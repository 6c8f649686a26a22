package node

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"baraza/merge"
	"baraza/node/replica"
)

// After a change of the schema there may be a million values to write into a
// column, or as many rows into a table, that a site gets later. They are written a
// few at a time, so that capture, apply and the administrator take their turns in
// between.

const (
	// fillRows is how many rows one step writes, in rows.
	fillRows = 500
	// fillRest is the wait after a step that met locks of an application, and
	// fillRestLong that after one that tried a single row.
	fillRest     = 100 * time.Millisecond
	fillRestLong = replica.RetryInterval
)

// filling is what is left to do of that. It is of the engine's goroutine.
type filling struct {
	// tables have columns whose values are still to be written; next is where to
	// go on in the first of them, and passed tells that rows were passed over.
	tables []string
	known  map[string]knownTable
	next   []byte
	passed bool
	// again: rows that are not in their place are to be tried; begun: some were.
	again, begun bool

	rows int // of the next step
	rest time.Time
}

// beginFilling notes what is to be done for these tables, and whether rows that
// are not in their place can perhaps be placed now.
func (n *Node) beginFilling(known map[string]knownTable, again bool) {
	f := filling{known: known, again: again || n.schema.filling.again, rows: fillRows}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if len(known[name].Fill) > 0 {
			f.tables = append(f.tables, name)
		}
	}
	n.schema.filling = f
}

// fill does one step and reports whether there is another one to do at once.
func (n *Node) fill(ctx context.Context) (more bool, err error) {
	f := &n.schema.filling
	switch {
	case time.Now().Before(f.rest):
		return false, nil
	case len(f.tables) > 0:
		err = n.fillColumns(ctx, f)
	case f.again:
		var done bool
		done, err = n.replica.RetrySome(ctx, !f.begun, f.rows)
		f.begun = true
		f.again = !done
	default:
		return false, nil
	}
	n.grown() // it may have taken local changes on its way
	switch {
	case err == nil:
		f.rows = min(2*f.rows, fillRows)
	case errors.Is(err, merge.ErrRetry):
		rest := fillRest
		if f.rows == 1 {
			rest = fillRestLong
		}
		f.rows = max(f.rows/4, 1)
		f.rest = time.Now().Add(rest)
		return false, nil
	case errors.Is(err, replica.ErrCaptureFirst):
		_, err = n.replica.Capture(ctx)
	}
	return true, err
}

// fillColumns writes values into columns of the first table.
func (n *Node) fillColumns(ctx context.Context, f *filling) error {
	table := f.tables[0]
	next, err := n.replica.PlaceColumns(ctx, table, f.known[table].Fill, f.next, f.rows)
	switch {
	case err == nil:
	case errors.Is(err, merge.ErrRetry) && f.rows == 1:
		f.passed = true // somebody holds this very row: the others go on
	default:
		return err
	}
	if f.next = next; next != nil {
		return err
	}
	if f.passed { // once more, for those
		f.passed = false
		return err
	}
	k := f.known[table]
	k.Fill = nil
	f.known[table] = k
	f.tables = f.tables[1:]
	return errors.Join(err, n.setKnown(f.known))
}
