package bringup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"baraza/crdt"
	"baraza/node/replica"
)

// A comparison is a conversation of the same kind as a bring-up, and moves
// nothing: the asker sends hello with Compare, the member header; then for each
// table shape, answered by shaped; sums, answered by answer; and pick, answered by
// chunks and end; then done.

type shape struct{ Table string }

type shaped struct {
	Columns []string
	Rows    int64
}

type sums struct {
	Table   string
	Columns []string
	Digests replica.Digests
}

type pick struct {
	Table     string
	Columns   []string
	Different replica.Different
}

// Difference is a row that two sites have differently, and that no change on its
// way explains.
type Difference struct {
	Table string
	Key   crdt.Key
	// Columns differ where both have the row. Mine and Theirs are nil, or dead,
	// where there is none.
	Columns      []string
	Mine, Theirs *replica.Item
	// UnderWay: a change that is on its way explains it so far.
	UnderWay bool
}

// Same reports whether a difference is the one that it was before: the same
// writes, and the same values.
func (d *Difference) Same(before *Difference) bool {
	return slices.Equal(d.Columns, before.Columns) && same(d.Mine, before.Mine) && same(d.Theirs, before.Theirs)
}

func same(a, b *replica.Item) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Row == b.Row && a.Deleted == b.Deleted && slices.Equal(a.Cells, b.Cells) &&
		slices.Equal(a.Columns, b.Columns) && slices.Equal(a.Values, b.Values)
}

// Comparer compares one view of this site with one of a member.
type Comparer struct {
	*wire
	view     *replica.View
	header   replica.Header
	progress func(table string, rows int64)
	close    func()
}

// NewComparer begins to compare with the member at the other end. The view and
// the connection stay the caller's. progress may be nil.
func NewComparer(ctx context.Context, conn net.Conn, view *replica.View, progress func(table string, rows int64)) (*Comparer, error) {
	w, err := newWire(ctx, conn)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string, int64) {}
	}
	c := &Comparer{wire: w, view: view, progress: progress, close: w.close}
	err = c.send(kindHello, hello{Version: version, Compare: true})
	if err == nil {
		err = c.expect(kindHeader, &c.header, nil)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return c, nil
}

// Close ends the conversation.
func (c *Comparer) Close() {
	_ = c.send(kindDone, struct{}{}) // the member sees the end of the connection as well
	c.close()
}

// ErrNotThere says that the member does not replicate the table.
var ErrNotThere = errors.New("the other site does not replicate the table")

// Table is a table under comparison.
type Table struct {
	c       *Comparer
	name    string
	columns []string // that both sites have
	// Different are the buckets that differ, of Rows rows in all.
	Different replica.Different
	Rows      int64
}

// Table compares the digests of a table.
func (c *Comparer) Table(ctx context.Context, name string) (*Table, error) {
	t, err := c.open(ctx, name)
	if err != nil {
		return nil, err
	}
	alive := c.aliveOf(name)
	digests, rows, err := c.view.Sum(ctx, name, t.columns, t.Rows, alive)
	if err != nil {
		return nil, err
	}
	t.Rows = max(t.Rows, rows)
	if err := c.send(kindSums, sums{Table: name, Columns: t.columns, Digests: digests}); err != nil {
		return nil, err
	}
	var a answer
	if err := c.expect(kindAnswer, &a, func(rows int64) { c.progress(name, rows) }); err != nil {
		return nil, err
	}
	t.Different = a.Different
	return t, nil
}

// Again is Table for one whose buckets are known to differ.
func (c *Comparer) Again(ctx context.Context, before *Table) (*Table, error) {
	t, err := c.open(ctx, before.name)
	if err == nil {
		t.Different = before.Different
	}
	return t, err
}

func (c *Comparer) open(ctx context.Context, name string) (*Table, error) {
	mine, rows, err := c.view.Shape(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := c.send(kindShape, shape{name}); err != nil {
		return nil, err
	}
	var theirs shaped
	if err := c.expect(kindShaped, &theirs, nil); err != nil {
		return nil, err
	}
	if len(theirs.Columns) == 0 {
		return nil, fmt.Errorf("table %s: %w", name, ErrNotThere)
	}
	t := &Table{c: c, name: name, Rows: max(rows, theirs.Rows)}
	for _, column := range mine {
		if slices.Contains(theirs.Columns, column) {
			t.columns = append(t.columns, column)
		}
	}
	return t, nil
}

// Compare compares the rows in some buckets, and calls each for those that
// differ.
func (t *Table) Compare(ctx context.Context, some replica.Different, each func(Difference)) error {
	c := t.c
	if err := c.send(kindPick, pick{t.name, t.columns, some}); err != nil {
		return err
	}
	theirs := map[crdt.Key]*replica.Item{}
	if err := c.items(t.name, theirs); err != nil {
		return err
	}
	mine := c.view.Header().Vector
	judge := func(key crdt.Key, m, o *replica.Item) {
		v, columns := replica.CompareRow(m, o, mine, c.header.Vector)
		if v != replica.Equal {
			each(Difference{Table: t.name, Key: key, Columns: columns, Mine: m, Theirs: o, UnderWay: v == replica.UnderWay})
		}
	}
	err := c.view.Pick(ctx, t.name, t.columns, some, func(it *replica.Item) error {
		other := theirs[it.Key]
		delete(theirs, it.Key)
		judge(it.Key, it, other)
		return nil
	}, c.aliveOf(t.name))
	if err != nil {
		return err
	}
	rest := make([]crdt.Key, 0, len(theirs))
	for key := range theirs {
		rest = append(rest, key)
	}
	slices.Sort(rest)
	for _, key := range rest {
		judge(key, nil, theirs[key])
	}
	return nil
}

// items reads the member's rows.
func (c *Comparer) items(table string, into map[crdt.Key]*replica.Item) error {
	for {
		kind, body, err := c.receive(func(rows int64) { c.progress(table, rows) })
		if err != nil {
			return err
		}
		switch kind {
		case kindEnd:
			return nil
		case kindChunk:
			var ch chunk
			if err := decode(body, &ch); err != nil {
				return err
			}
			rows, err := replica.DecodeChunk(ch.Body)
			if err != nil {
				return err
			}
			for i := range rows.Items {
				into[rows.Items[i].Key] = &rows.Items[i]
			}
		default:
			return unexpected(kind)
		}
	}
}

func (c *Comparer) aliveOf(table string) func(int64) error {
	return func(rows int64) error {
		c.progress(table, rows)
		return c.alive(rows)
	}
}

// serveCompare is the member's side.
func serveCompare(ctx context.Context, w *wire, v *replica.View) error {
	if err := w.send(kindHeader, v.Header()); err != nil {
		return err
	}
	s := &server{wire: w, view: v}
	for {
		kind, body, err := s.receive(nil)
		if err != nil {
			return err
		}
		switch kind {
		case kindShape:
			err = s.shape(ctx, body)
		case kindSums:
			err = s.sums(ctx, body)
		case kindPick:
			err = s.pick(ctx, body)
		case kindDone:
			return nil
		default:
			err = unexpected(kind)
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) shape(ctx context.Context, body []byte) error {
	var q shape
	if err := decode(body, &q); err != nil {
		return err
	}
	columns, rows, err := s.view.Shape(ctx, q.Table)
	if err != nil {
		return err
	}
	return s.send(kindShaped, shaped{columns, rows})
}

func (s *server) sums(ctx context.Context, body []byte) error {
	var q sums
	if err := decode(body, &q); err != nil {
		return err
	}
	d, err := s.view.SumLike(ctx, q.Table, q.Columns, q.Digests, s.alive)
	if err != nil {
		return err
	}
	return s.send(kindAnswer, answer{Different: d})
}

func (s *server) pick(ctx context.Context, body []byte) error {
	var q pick
	if err := decode(body, &q); err != nil {
		return err
	}
	if err := q.Different.Check(); err != nil {
		return err
	}
	out := replica.NewSender(q.Table, s.chunk)
	add := func(it *replica.Item) error { return out.Add(*it) }
	if err := s.view.Pick(ctx, q.Table, q.Columns, q.Different, add, s.alive); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return s.send(kindEnd, struct{}{})
}
