package trigger

import (
	"context"
	"errors"
	"strings"

	"baraza/crdt"
	"baraza/internal/sqlrow"

	"github.com/go-sql-driver/mysql"
)

// An update that was noted before the triggers knew a column may have written
// that column or not. What decides is the row: where the column shows its default,
// as ALTER TABLE leaves it, nobody wrote it. For all log rows of the old triggers
// are committed when the new ones are made, which waits for every transaction on
// the table, and are first read after that: there was no reading in between that
// could have captured another value.
//
// A column that an update counts as written without need does harm: the NULL of a
// site that got the column while its process was stopped would beat the values
// that other sites have written to it meanwhile.

// dropDefaults takes the columns out of updates that they have perhaps not
// written. rows are as they were read, references not yet translated.
func (r *reading) dropDefaults(ctx context.Context, tw *tableWork, rows []sqlrow.Row) error {
	var asked mask
	for _, row := range tw.rows {
		for _, w := range row.writes {
			asked = asked.or(w.perhaps)
		}
	}
	if asked.empty() {
		return nil
	}
	defaults, err := r.defaults(ctx, tw.table, asked)
	if err != nil {
		return err
	}
	for i := range rows {
		row := tw.byPK[tw.table.LocalKey(rows[i].PK)]
		if row == nil {
			continue
		}
		for j := range row.writes {
			w := &row.writes[j]
			w.perhaps.each(func(c int) {
				if v, ok := defaults[c]; ok && v == rows[i].Values[c] {
					w.mask.clear(c)
				}
			})
		}
	}
	return nil
}

// defaults reads the default values of columns, by their places. One that has
// none, or one that is not the same for every row, is left out.
func (r *reading) defaults(ctx context.Context, t *sqlrow.Table, of mask) (map[int]crdt.Value, error) {
	const noDefault, defaultIsExpression = 1364, 3773
	found := map[int]crdt.Value{}
	var failed error
	of.each(func(i int) {
		c := t.Fields()[i]
		name := sqlrow.QuoteName(c.Name)
		c.Expr = strings.ReplaceAll(c.Expr, name, "DEFAULT("+name+")")
		err := sqlrow.Each(ctx, r.conn, "SELECT "+c.Expr+" FROM "+sqlrow.QuoteName(t.Def.Name)+" LIMIT 1", []sqlrow.Column{c},
			func(v []crdt.Value) { found[i] = v[0] })
		var e *mysql.MySQLError
		if errors.As(err, &e) && (e.Number == noDefault || e.Number == defaultIsExpression) {
			return
		}
		if failed == nil {
			failed = err
		}
	})
	return found, failed
}
