package replica

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/schema"
)

// Bounds of a chunk.
const (
	chunkRows  = 10_000
	chunkBytes = 4 << 20
	// quietTries is how often OpenView tries to find a moment at which
	// everything committed is captured.
	quietTries = 10
)

// View is what a site has at one moment: rows, states, vectors. It is used by
// one goroutine, while the replica goes on.
type View struct {
	scan   merge.Scan
	snap   kv.Snapshot
	names  *names
	model  *schema.Model
	header Header
	// ChunkRows is how many rows a chunk has at most.
	ChunkRows int
}

// OpenView takes a view. It captures first, so that the rows are those that
// the states speak of. Where applications write without a pause, some rows may
// be newer than their states: the receiver gets the change once more, which
// does no harm.
func (r *Replica) OpenView(ctx context.Context, scanner merge.Scanner) (*View, error) {
	for try := 1; ; try++ {
		if _, err := r.Capture(ctx); err != nil {
			return nil, err
		}
		scan, err := scanner.Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("open a view of the database: %w", err)
		}
		quiet, err := r.quiet(ctx)
		if err != nil {
			_ = scan.Close()
			return nil, err
		}
		if quiet || try == quietTries {
			// Capture looks now and then only whether the database was set back.
			if err := r.check(ctx); err != nil {
				_ = scan.Close()
				return nil, fmt.Errorf("open a view of the database: %w", err)
			}
			return r.View(scan)
		}
		if err := scan.Close(); err != nil {
			return nil, fmt.Errorf("close a view of the database: %w", err)
		}
	}
}

// quiet reports whether nothing is left to capture.
func (r *Replica) quiet(ctx context.Context) (bool, error) {
	reading, err := r.cfg.Source.Read(ctx)
	if err != nil {
		return false, fmt.Errorf("read local changes: %w", err)
	}
	defer reading.Close()
	part, err := reading.Next(ctx, 1)
	return part == nil, err
}

// View joins a view of the database, opened just now with nothing left to
// capture, with one of the store. Closing the view closes the scan.
func (r *Replica) View(scan merge.Scan) (*View, error) {
	if r.bringingUp {
		_ = scan.Close()
		return nil, ErrBringUp
	}
	if r.recovering {
		_ = scan.Close()
		return nil, ErrRecover
	}
	v := &View{scan: scan, snap: r.cfg.Store.Snapshot(), model: r.merger.Model, ChunkRows: chunkRows}
	v.header = Header{
		Site: r.cfg.Self, Vector: r.applied.Clone(), Contexts: r.lendContexts(), Content: maps.Clone(r.content),
		Settled: r.settledOf(r.cfg.Self).Clone(), Clock: r.clock.Last(), Tables: r.merger.Order,
		ZoneSeconds: r.cfg.Model.ZoneSeconds,
	}
	var err error
	if v.names, err = loadNames(v.snap); err != nil {
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

// Header returns the point at which the view was taken.
func (v *View) Header() *Header { return &v.header }

// Close gives the view back.
func (v *View) Close() error {
	err := v.scan.Close()
	if e := v.snap.Close(); err == nil {
		err = e
	}
	return err
}

// table returns a replicated table; nil when this site has none of the name.
func (v *View) table(name string) *schema.Table {
	if t := v.model.Tables[name]; t != nil && t.Replicated {
		return t
	}
	return nil
}

// Compare tells which buckets of a table differ from the asker's digests.
func (v *View) Compare(ctx context.Context, table string, theirs Digests, alive func(rows int64) error) (Different, error) {
	if !theirs.valid() {
		return Different{}, fmt.Errorf("table %s: %d digests are not a power of two up to %d", table, len(theirs), 1<<digestBitsMax)
	}
	t := v.table(table)
	if t == nil || len(theirs) == 0 {
		return difference(nil, nil), nil
	}
	d := newDigester(len(theirs))
	rows := int64(0)
	err := v.rows(ctx, t, func(key crdt.Key, r *crdt.Row, _ *merge.State) error {
		d.add(key, r.Columns, r.Values)
		rows++
		if rows%chunkRows == 0 {
			return alive(rows)
		}
		return nil
	})
	if err != nil {
		return Different{}, fmt.Errorf("sum up table %s: %w", table, err)
	}
	return difference(d.sums, theirs), nil
}

// Count returns about how many rows a table has.
func (v *View) Count(ctx context.Context, table string) (int64, error) {
	t := v.table(table)
	if t == nil {
		return 0, nil
	}
	return v.scan.Count(ctx, t)
}

// rows calls each for the live rows in a table, as the rules see them, and
// their states.
func (v *View) rows(ctx context.Context, t *schema.Table, each func(crdt.Key, *crdt.Row, *merge.State) error) error {
	any, err := v.anyState(t.Name)
	if err != nil {
		return err
	}
	return v.scan.Rows(ctx, t, func(part []merge.Row) error {
		var states []*merge.State
		if any {
			if states, err = v.states(t.Name, part); err != nil {
				return err
			}
		}
		for i := range part {
			var s *merge.State
			var losses []crdt.Loss
			if any && states[i] != nil {
				s = states[i]
				if losses, err = v.losses(merge.RowID{Table: t.Name, Key: part[i].Key}, s); err != nil {
					return err
				}
				if s.Dead() {
					continue // its delete was refused; it goes with the tombstones
				}
			}
			if err := each(part[i].Key, merge.Logical(&part[i], s, losses), s); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// states reads the states of rows; nil for those that have none.
func (v *View) states(table string, rows []merge.Row) ([]*merge.State, error) {
	order, keys := make([]int, len(rows)), make([][]byte, len(rows))
	for i := range rows {
		order[i], keys[i] = i, rowKey(keyState, merge.RowID{Table: table, Key: rows[i].Key})
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	sorted := make([][]byte, len(rows))
	for i, at := range order {
		sorted[i] = keys[at]
	}
	states := make([]*merge.State, len(rows))
	var bad error
	err := kv.GetMany(v.snap, sorted, func(i int, b []byte) {
		if b != nil && bad == nil {
			states[order[i]], bad = v.names.decodeState(b)
		}
	})
	if err == nil {
		err = bad
	}
	return states, err
}

// Send sends a table: the rows of the buckets that differ with their states,
// of all others the states, and the states of rows that are not in the table.
// rows counts up what was looked at.
func (v *View) Send(ctx context.Context, table string, d Different, send func(c *Chunk, rows int64) error) error {
	out := &sender{table: table, send: send, most: v.ChunkRows}
	absent, err := v.notPlaced(table)
	if err != nil {
		return err
	}
	if t := v.table(table); t != nil {
		err := v.rows(ctx, t, func(key crdt.Key, r *crdt.Row, s *merge.State) error {
			delete(absent, key)
			out.rows++
			it := newItem(key, r)
			if !d.has(key) {
				if s == nil {
					return out.idle()
				}
				it.Same, it.Columns, it.Values = true, nil, nil
			}
			return out.add(it)
		})
		if err != nil {
			return fmt.Errorf("send table %s: %w", table, err)
		}
	}
	if err := v.sendStates(table, func(key crdt.Key, s *merge.State) bool { return s.Dead() || absent[key] }, out); err != nil {
		return fmt.Errorf("send states of table %s: %w", table, err)
	}
	return out.flush()
}

// SendRest sends the states of tables other than those asked for: baraza's
// own, and those that only other sites have.
func (v *View) SendRest(asked map[string]bool, send func(c *Chunk, rows int64) error) error {
	for lower := []byte{keyState}; ; {
		table, err := v.nextTable(lower)
		if err != nil || table == "" {
			return err
		}
		prefix := appendString([]byte{keyState}, table)
		lower = kv.After(prefix)
		if asked[table] {
			continue
		}
		out := &sender{table: table, send: send, most: v.ChunkRows}
		if err := v.sendStates(table, func(crdt.Key, *merge.State) bool { return true }, out); err != nil {
			return fmt.Errorf("send states of table %s: %w", table, err)
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
}

// nextTable returns the first table that has states from a key on; "" for
// none.
func (v *View) nextTable(lower []byte) (string, error) {
	table := ""
	err := v.snap.Scan(lower, []byte{keyState + 1}, func(k, _ []byte) bool {
		r := reader{s: string(k[1:])}
		table = r.string()
		return false
	})
	return table, err
}

func (v *View) anyState(table string) (any bool, err error) {
	prefix := appendString([]byte{keyState}, table)
	err = v.snap.Scan(prefix, kv.After(prefix), func(_, _ []byte) bool { any = true; return false })
	return any, err
}

// notPlaced returns the live rows of a table that are not, or not wholly, in
// it.
func (v *View) notPlaced(table string) (map[crdt.Key]bool, error) {
	keys := map[crdt.Key]bool{}
	err := v.eachState(table, func(key crdt.Key, s *merge.State) error {
		if s.Place != merge.InDatabase && !s.Dead() {
			keys[key] = true
		}
		return nil
	})
	return keys, err
}

func (v *View) sendStates(table string, which func(crdt.Key, *merge.State) bool, out *sender) error {
	return v.eachState(table, func(key crdt.Key, s *merge.State) error {
		id := merge.RowID{Table: table, Key: key}
		if !which(key, s) {
			return nil
		}
		losses, err := v.losses(id, s)
		if err != nil {
			return err
		}
		it := newItem(key, merge.Logical(nil, s, losses))
		it.Settled = s.Settled(v.header.Settled)
		return out.add(it)
	})
}

// eachState calls each for the states of a table in key order.
func (v *View) eachState(table string, each func(crdt.Key, *merge.State) error) error {
	prefix := appendString([]byte{keyState}, table)
	var bad error
	err := v.snap.Scan(prefix, kv.After(prefix), func(k, b []byte) bool {
		var s *merge.State
		if s, bad = v.names.decodeState(b); bad == nil {
			bad = each(rowIDs(k)[0].Key, s)
		}
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	return err
}

func (v *View) losses(id merge.RowID, s *merge.State) ([]crdt.Loss, error) {
	if !s.HasLoss {
		return nil, nil
	}
	return v.names.losses(v.snap, id)
}

// sender collects items to chunks.
type sender struct {
	table string
	send  func(c *Chunk, rows int64) error
	most  int // rows of a chunk
	rows  int64
	items []Item
	size  int
}

func (s *sender) add(it Item) error {
	s.items = append(s.items, it)
	s.size += it.size()
	if len(s.items) < s.most && s.size < chunkBytes {
		return nil
	}
	return s.flush()
}

func (s *sender) flush() error {
	c := &Chunk{Table: s.table, Items: s.items}
	s.items, s.size = nil, 0
	return s.send(c, s.rows)
}

// idle lets the receiver know now and then that work goes on.
func (s *sender) idle() error {
	if s.rows%chunkRows != 0 || len(s.items) > 0 {
		return nil
	}
	return s.flush()
}
