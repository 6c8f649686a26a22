package sqldb

import (
	"context"
	"slices"

	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// placeholder stands for a reference to the own table that is written later,
// or for one of a row that is about to go.
func placeholder(def *schema.Table, column string) string {
	if def.Column(column).Nullable {
		return "NULL"
	}
	return "0"
}

// A statement that begins with unchecked and has uncheckedHint after its verb
// runs without foreign key checks: the first is for MariaDB, the second for
// MySQL, and each is a comment to the other. The session stays as it is,
// whatever happens. The rows hold placeholders; their other references were
// looked up and locked, and the final ones are checked when they are written.
const (
	unchecked     = "/*M! SET STATEMENT foreign_key_checks=0 FOR */ "
	uncheckedHint = " /*+ SET_VAR(foreign_key_checks=OFF) */"
)

// attempt runs f and takes back what it did when it refused any row.
func (x *tx) attempt(ctx context.Context, f func() ([]merge.RowError, error)) ([]merge.RowError, error) {
	if _, err := x.sql.ExecContext(ctx, "SAVEPOINT attempt"); err != nil {
		return nil, err
	}
	refused, err := f()
	if err != nil || len(refused) == 0 {
		return nil, err
	}
	_, err = x.sql.ExecContext(ctx, "ROLLBACK TO SAVEPOINT attempt")
	x.forget(true)
	return refused, err
}

// insertRing adds rows with their references to this table left out, and sets
// those once all are in. A refused row takes those with it that refer to it:
// everything is taken back and tried again without the refused ones.
func (x *tx) insertRing(ctx context.Context, t *sqlrow.Table, rows []merge.Row, self []string) ([]merge.RowError, error) {
	var refused []merge.RowError
	for len(rows) > 0 {
		bad, err := x.attempt(ctx, func() ([]merge.RowError, error) { return x.tryRing(ctx, t, rows, self) })
		if err != nil {
			return nil, wrap(err, "insert a ring of rows into "+t.Def.Name)
		}
		if len(bad) == 0 {
			break
		}
		refused = append(refused, bad...)
		rows = slices.DeleteFunc(rows, func(r merge.Row) bool {
			return slices.ContainsFunc(bad, func(e merge.RowError) bool { return e.Key == r.Key })
		})
	}
	return refused, nil
}

// tryRing returns the rows that were refused at the first step that refused any.
func (x *tx) tryRing(ctx context.Context, t *sqlrow.Table, rows []merge.Row, self []string) ([]merge.RowError, error) {
	in := &inserting{tx: x, t: t, later: self}
	if err := in.run(ctx, rows); err != nil {
		return nil, err
	}
	if len(in.refused) > 0 {
		return in.refused, nil
	}
	links := make([]merge.Row, len(rows))
	for i, row := range rows {
		links[i] = merge.Row{Key: row.Key}
		for c, name := range row.Columns {
			if slices.Contains(self, name) {
				links[i].Columns = append(links[i].Columns, name)
				links[i].Values = append(links[i].Values, row.Values[c])
			}
		}
	}
	return x.update(ctx, t, links)
}
