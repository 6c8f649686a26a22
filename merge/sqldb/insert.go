package sqldb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// Insert implements merge.Tx. Rows that refer to rows of the same call go in
// after those, and rings of such rows at the end.
func (x *tx) Insert(ctx context.Context, def *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	t, err := x.table(def)
	if err != nil {
		return nil, err
	}
	defer x.forget(false)
	self := selfReferences(def)
	byLevel, ring := levels(rows, self)
	var refused []merge.RowError
	for _, level := range byLevel {
		some := rows
		if len(level) < len(rows) {
			some = pick(rows, level)
		}
		in := &inserting{tx: x, t: t}
		if err := in.run(ctx, some); err != nil {
			return nil, err
		}
		refused = append(refused, in.refused...)
	}
	if len(ring) == 0 {
		return refused, nil
	}
	more, err := x.insertRing(ctx, t, pick(rows, ring), self)
	return append(refused, more...), err
}

func pick(rows []merge.Row, which []int) []merge.Row {
	list := make([]merge.Row, len(which))
	for i, at := range which {
		list[i] = rows[at]
	}
	return list
}

// inserting is rows on their way into a table.
type inserting struct {
	tx *tx
	t  *sqlrow.Table
	// later are references that are not written yet.
	later   []string
	refused []merge.RowError
}

// shape is the rows that have the same columns, as literals.
type shape struct {
	columns []string
	cols    []*sqlrow.Column    // of each column
	refs    []*schema.Reference // of each column; nil for a plain one
	keys    []crdt.Key
	text    []byte // the rows' tuples, one after another
	ends    []int  // of each tuple in text
}

func (in *inserting) run(ctx context.Context, rows []merge.Row) error {
	known, err := in.tx.references(ctx, in.t, rows, in.later)
	if err != nil {
		return err
	}
	err = in.write(rows, known, func(w *written) error {
		in.refused = append(in.refused, w.refused...)
		for _, s := range w.shapes {
			if err := in.execute(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "insert into "+in.t.Def.Name)
}

// execute inserts the rows of a shape.
func (in *inserting) execute(ctx context.Context, s *shape) error {
	head := in.head(s.columns)
	start := func(i int) int {
		if i == 0 {
			return 0
		}
		return s.ends[i-1]
	}
	return chunks(len(s.keys), insertRowsMax, func(i int) int { return s.ends[i] - start(i) }, func(lo, hi int) error {
		return bisect(lo, hi, func(lo, hi int) error {
			b := append(in.tx.buf[:0], head...)
			b = append(b, s.text[start(lo):s.ends[hi-1]-1]...) // without the last comma
			in.tx.buf = b
			_, err := in.tx.sql.ExecContext(ctx, string(b))
			return err
		}, func(i int, why merge.Refusal, err error) error {
			return in.refuse(ctx, s.keys[i], why, err)
		})
	})
}

// written is rows as literals, and those that cannot be written.
type written struct {
	shapes  []*shape
	refused []merge.RowError
}

// write writes the rows as literals, a statement's worth at a time, and calls
// each with them: while the server works on one, the next is written.
func (in *inserting) write(rows []merge.Row, known knownReferences, each func(*written) error) error {
	if len(rows) <= insertRowsMax {
		return each(in.shapes(rows, known))
	}
	done, ready := make(chan struct{}), make(chan *written, 1)
	go func() {
		defer close(ready)
		for part := range slices.Chunk(rows, insertRowsMax) {
			select {
			case ready <- in.shapes(part, known):
			case <-done:
				return
			}
		}
	}()
	var err error
	for w := range ready {
		if err = each(w); err != nil {
			break
		}
	}
	close(done)
	for range ready { // until the writer is gone
	}
	return err
}

// refuse notes a refused row. A duplicate of its own identity means that the
// row has appeared since it was looked for. If it still is not there by its
// name, the collation takes another row's name for the same (sqlrow's fold.go):
// to try again would not end.
func (in *inserting) refuse(ctx context.Context, key crdt.Key, why merge.Refusal, err error) error {
	if why == merge.RefusedDuplicate && onIdentity(in.t.Def, err) {
		rows, e := in.tx.lock(ctx, in.t, []crdt.Key{key})
		if e != nil {
			return e
		}
		if len(rows) > 0 {
			return fmt.Errorf("row %s is there by now: %w: %w", key, merge.ErrRetry, err)
		}
	}
	in.refused = append(in.refused, merge.RowError{Key: key, Refusal: why, Detail: err.Error()})
	return nil
}

func (in *inserting) head(columns []string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = sqlrow.QuoteName(c)
	}
	insert := "INSERT"
	if len(in.later) > 0 {
		insert = unchecked + insert + uncheckedHint
	}
	return insert + " INTO " + sqlrow.QuoteName(in.t.Def.Name) + " (" + strings.Join(names, ",") + ") VALUES "
}

// shapes writes the rows as literals, grouped by their columns.
func (in *inserting) shapes(rows []merge.Row, known knownReferences) *written {
	w := &written{}
	var s *shape
	for _, row := range rows {
		row = in.complete(row)
		if s == nil || !slices.Equal(s.columns, row.Columns) {
			at := slices.IndexFunc(w.shapes, func(s *shape) bool { return slices.Equal(s.columns, row.Columns) })
			if at < 0 {
				at = len(w.shapes)
				w.shapes = append(w.shapes, &shape{columns: row.Columns, cols: columnsOf(in.t, row.Columns), refs: referencesOf(in.t.Def, row.Columns)})
			}
			s = w.shapes[at]
		}
		before := len(s.text)
		if bad := in.tuple(s, row, known); bad != nil {
			s.text = s.text[:before]
			w.refused = append(w.refused, *bad)
			continue
		}
		s.keys, s.ends = append(s.keys, row.Key), append(s.ends, len(s.text))
	}
	return w
}

// complete adds identity columns that the row lacks, from its key.
func (in *inserting) complete(row merge.Row) merge.Row {
	for i, name := range in.t.Def.Identity.Columns {
		if slices.Contains(row.Columns, name) {
			continue
		}
		if parts := row.Key.Values(); len(parts) == len(in.t.Def.Identity.Columns) {
			row.Columns = append(slices.Clone(row.Columns), name)
			row.Values = append(slices.Clone(row.Values), parts[i])
		}
	}
	return row
}

// tuple appends "(1,2)," to the shape's text.
func (in *inserting) tuple(s *shape, row merge.Row, known knownReferences) *merge.RowError {
	s.text = append(s.text, '(')
	for i, v := range row.Values {
		if i > 0 {
			s.text = append(s.text, ',')
		}
		if slices.Contains(in.later, s.columns[i]) {
			s.text = append(s.text, placeholder(in.t.Def, s.columns[i])...)
			continue
		}
		var bad *merge.RowError
		if s.text, bad = appendColumn(s.text, row.Key, s.columns[i], s.cols[i], s.refs[i], v, known); bad != nil {
			return bad
		}
	}
	s.text = append(s.text, "),"...)
	return nil
}
