package sqldb

import (
	"context"
	"slices"
	"strings"

	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// Delete implements merge.Tx. Rows that refer to rows of the same call go
// before those. A row that is gone already, as with a row that it referred to,
// is no error.
func (x *tx) Delete(ctx context.Context, def *schema.Table, keys []crdt.Key) ([]merge.RowError, error) {
	t, err := x.table(def)
	if err != nil {
		return nil, err
	}
	defer x.forget(true)
	self := selfReferences(def)
	if len(self) == 0 {
		return x.delete(ctx, t, keys)
	}
	found, err := x.lock(ctx, t, keys)
	if err != nil {
		return nil, err
	}
	rows := make([]merge.Row, len(found))
	for i, r := range found {
		rows[i] = merge.Row{Key: r.Key, Columns: t.Columns, Values: r.Values}
	}
	byLevel, ring := levels(rows, self)
	refused, err := x.deleteRing(ctx, t, keysOf(rows, ring), self)
	if err != nil {
		return nil, err
	}
	for _, level := range slices.Backward(byLevel) {
		more, err := x.delete(ctx, t, keysOf(rows, level))
		if err != nil {
			return nil, err
		}
		refused = append(refused, more...)
	}
	return refused, nil
}

func keysOf(rows []merge.Row, which []int) []crdt.Key {
	keys := make([]crdt.Key, len(which))
	for i, at := range which {
		keys[i] = rows[at].Key
	}
	return keys
}

// deleteRing removes rows that refer to themselves or to rings of rows. The
// server refuses to delete such rows one after another, so their references to
// this table are taken away first. As a refused row must keep its references,
// everything is taken back and tried again without those that were refused.
func (x *tx) deleteRing(ctx context.Context, t *sqlrow.Table, keys []crdt.Key, self []string) ([]merge.RowError, error) {
	var refused []merge.RowError
	for len(keys) > 0 {
		bad, err := x.attempt(ctx, func() ([]merge.RowError, error) {
			if err := x.unlink(ctx, t, keys, self); err != nil {
				return nil, err
			}
			return x.delete(ctx, t, keys)
		})
		if err != nil {
			return nil, wrap(err, "delete a ring of rows from "+t.Def.Name)
		}
		if len(bad) == 0 {
			break
		}
		refused = append(refused, bad...)
		keys = slices.DeleteFunc(keys, func(k crdt.Key) bool {
			return slices.ContainsFunc(bad, func(e merge.RowError) bool { return e.Key == k })
		})
	}
	return refused, nil
}

// unlink takes away the references of rows to their own table.
func (x *tx) unlink(ctx context.Context, t *sqlrow.Table, keys []crdt.Key, self []string) error {
	pks, err := x.locate(ctx, t, keys)
	if err != nil {
		return err
	}
	var head strings.Builder
	head.WriteString(unchecked + "UPDATE" + uncheckedHint + " " + sqlrow.QuoteName(t.Def.Name) + " SET ")
	for i, column := range self {
		if i > 0 {
			head.WriteString(",")
		}
		head.WriteString(sqlrow.QuoteName(column) + "=" + placeholder(t.Def, column))
	}
	head.WriteString(" WHERE ")
	for chunk := range slices.Chunk(pks, statementRowsMax) {
		b, err := sqlrow.AppendMatch([]byte(head.String()), t.PrimaryKey(), chunk)
		if err != nil {
			return err
		}
		if _, err := x.sql.ExecContext(ctx, string(b)); err != nil {
			return err
		}
	}
	return nil
}

func (x *tx) delete(ctx context.Context, t *sqlrow.Table, keys []crdt.Key) ([]merge.RowError, error) {
	pks, err := x.locate(ctx, t, keys)
	if err != nil {
		return nil, err
	}
	there := make([]crdt.Key, 0, len(keys))
	tuples := make([][]crdt.Value, 0, len(keys))
	for i, pk := range pks {
		if pk != nil {
			there, tuples = append(there, keys[i]), append(tuples, pk)
		}
	}
	head := "DELETE FROM " + sqlrow.QuoteName(t.Def.Name) + " WHERE "
	columns := t.PrimaryKey()
	var refused []merge.RowError
	size := func(i int) int { return pkBytes(tuples[i]) }
	err = chunks(len(there), statementRowsMax, size, func(lo, hi int) error {
		return bisect(lo, hi, func(lo, hi int) error {
			b, err := sqlrow.AppendMatch(append(x.buf[:0], head...), columns, tuples[lo:hi])
			if err != nil {
				return err
			}
			x.buf = b
			_, err = x.sql.ExecContext(ctx, string(b))
			return err
		}, func(i int, why merge.Refusal, err error) error {
			refused = append(refused, merge.RowError{Key: there[i], Refusal: why, Detail: err.Error()})
			return nil
		})
	})
	return refused, wrap(err, "delete from "+t.Def.Name)
}

// pkBytes is about the size of a primary key in a condition.
func pkBytes(pk []crdt.Value) int {
	n := 0
	for _, v := range pk {
		n += 2*len(v) + 24
	}
	return n
}
