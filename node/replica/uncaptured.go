package replica

import (
	"context"
	"fmt"
	"slices"

	"baraza/capture"
	"baraza/crdt"
	"baraza/merge"
)

// While a site is brought up, what its applications write stays where it is: it is
// captured when the bring-up is complete. Until then rows that were written stay as they
// are in their tables, and rows that were deleted stay away from them.

// uncaptured is what of the local changes that are not captured yet a step of the bring-up
// has to respect.
type uncaptured struct {
	rows map[merge.RowID]*localWrites // of the step's rows
	// deleted are rows of any table; with many they are too many to be listed.
	deleted map[merge.RowID]bool
	many    bool
}

// localWrites are the uncaptured local changes of one row.
type localWrites struct {
	columns []string
	deleted bool
	// inserted: the first of them is an insert, so the row was not in its table.
	inserted bool
}

// pendingDeletesMax bounds how many deleted rows are listed, in rows.
const pendingDeletesMax = 10_000

// away reports whether a row that is not in its table is to stay so: an application
// may have deleted it.
func (p *uncaptured) away(id merge.RowID) bool { return p.many || p.deleted[id] }

// notSeen are the columns of what a site had of a row, as its adoption batch says it, of
// which who wrote to the row had not seen that: an earlier attempt had taken the row out
// of its table, or, where it has been deleted since, had put another there.
func (w *localWrites) notSeen(own []crdt.Change, settled bool) []string {
	switch {
	case w.inserted:
		return notSeen(own)
	case !settled:
		return nil
	case w.deleted:
		return own[0].Columns
	}
	return slices.DeleteFunc(slices.Clone(own[0].Columns), func(c string) bool { return !slices.Contains(w.columns, c) })
}

// pendingOf reads which rows have local changes that are not captured yet.
// They stay where they are: they are captured when the bring-up is complete. items
// is asked for the rows if there are any changes.
func (r *Replica) pendingOf(ctx context.Context, items func() map[merge.RowID]*Item) (*uncaptured, error) {
	reading, err := r.cfg.Source.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read local changes: %w", err)
	}
	defer reading.Close()
	p := &uncaptured{rows: map[merge.RowID]*localWrites{}, deleted: map[merge.RowID]bool{}}
	for {
		part, err := reading.Next(ctx, r.limits.captureRows)
		if err != nil {
			return nil, fmt.Errorf("read local changes: %w", err)
		}
		if part == nil {
			return p, nil
		}
		for i := range part.Rows {
			p.note(r, items(), &part.Rows[i])
		}
	}
}

func (p *uncaptured) note(r *Replica, items map[merge.RowID]*Item, row *capture.Row) {
	id := merge.RowID{Table: row.Table, Key: row.Key}
	switch {
	case !row.Delete:
	case len(p.deleted) < pendingDeletesMax:
		p.deleted[id] = true
	default:
		p.many = true
	}
	if items[id] == nil {
		return
	}
	w := p.rows[id]
	if w == nil {
		w = &localWrites{inserted: !row.Delete && r.identifies(row)}
		p.rows[id] = w
	}
	if row.Delete {
		w.deleted, w.columns = true, nil
		return
	}
	for _, c := range row.Columns {
		if !slices.Contains(w.columns, c) {
			w.columns = append(w.columns, c)
		}
	}
}

// pendingIn is pendingOf for the rows of a chunk.
func (r *Replica) pendingIn(ctx context.Context, c *Chunk) (*uncaptured, error) {
	var items map[merge.RowID]*Item
	return r.pendingOf(ctx, func() map[merge.RowID]*Item {
		if items == nil { // mostly nobody asks
			items = make(map[merge.RowID]*Item, len(c.Items))
			for i := range c.Items {
				items[merge.RowID{Table: c.Table, Key: c.Items[i].Key}] = &c.Items[i]
			}
		}
		return items
	})
}
