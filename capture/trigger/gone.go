package trigger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"baraza/capture"
	"baraza/crdt"
	"baraza/internal/sqlrow"
)

// gone is a deleted row.
type gone struct {
	id     uint64
	row    sqlrow.Row
	leaves []crdt.Value
}

// goneRows reads deleted rows of a generation. A column that the table did not
// have then reads as NULL; so does what this generation did not note of the
// identity.
func (r *reading) goneRows(ctx context.Context, n *numbered, where string) ([]gone, error) {
	fields, leaves := n.now.Fields(), n.now.Leaves()
	columns := []sqlrow.Column{idColumn}
	columns = append(columns, fields...)
	for i := range columns[1:] {
		if !slices.Contains(n.columns, columns[i+1].Name) {
			columns[i+1].Expr = "NULL"
		}
	}
	for i, leaf := range leaves {
		column := leaf.Column
		column.Expr = column.ExprFor(fmt.Sprintf(goneLeaf, i))
		if !strings.Contains(n.gone, fmt.Sprintf(goneLeaf, i)+" ") {
			column.Expr = "NULL"
		}
		columns = append(columns, column)
	}
	var rows []gone
	query := "SELECT " + sqlrow.SelectList(columns) + " FROM " + home + "." + goneTable(n.id) + " WHERE " + where
	err := sqlrow.Each(ctx, r.conn, query, columns, func(v []crdt.Value) {
		id, _ := v[0].AsUint()
		last := 1 + len(fields)
		rows = append(rows, gone{id: id, row: n.now.Row(v[1:last:last]), leaves: v[last:]})
	})
	if isMissing(err) {
		return nil, nil // State has said so; what was in it is lost
	}
	if err != nil {
		return nil, fmt.Errorf("read %s.%s: %w", home, goneTable(n.id), err)
	}
	return rows, nil
}

var idColumn = sqlrow.NumberColumn(goneID)

// name puts deleted rows into portable form.
func (r *reading) name(ctx context.Context, n *numbered, rows []gone) error {
	plain := make([]sqlrow.Row, len(rows))
	for i := range rows {
		plain[i] = rows[i].row
	}
	if err := r.refs.Portable(ctx, r.conn, n.now, plain); err != nil {
		return err
	}
	for i := range rows {
		n.now.NameByLeaves(&plain[i], rows[i].leaves)
		rows[i].row = plain[i]
	}
	return nil
}

// deleted adds the deletes of one generation to the part. A row whose key names
// a row in the view was inserted again: that insert says all.
func (r *reading) deleted(ctx context.Context, d *deleteWork, part *capture.Part) error {
	t := d.gen.now
	latest := make(map[crdt.Key]capture.Row)
	var keys []crdt.Key
	for ids := range slices.Chunk(d.ids, sqlrow.Batch) {
		rows, err := r.goneRows(ctx, d.gen, goneID+" IN ("+inList(ids)+")")
		if err != nil {
			return err
		}
		if err := r.name(ctx, d.gen, rows); err != nil {
			return err
		}
		for _, g := range rows {
			at := d.at[g.id]
			old, twice := latest[g.row.Key]
			if g.row.Key == "" || (twice && old.At >= at) {
				continue
			}
			if !twice {
				keys = append(keys, g.row.Key)
			}
			latest[g.row.Key] = capture.Row{Table: t.Def.Name, Key: g.row.Key, Delete: true, At: at, Columns: t.Columns, Values: g.row.Values}
		}
	}
	alive, err := r.refs.Locals(ctx, r.conn, t, t.Def.PrimaryKey[0], keys, "")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, ok := alive[key]; !ok {
			part.Rows = append(part.Rows, latest[key])
		}
	}
	return nil
}

// missing names rows that are no longer in their table but among the deleted
// ones of this view: what a deleted row referred to is often deleted with it.
func (r *reading) missing(ctx context.Context, t *sqlrow.Table, target string, values []crdt.Value) (map[crdt.Value]crdt.Key, error) {
	keys := make(map[crdt.Value]crdt.Key)
	column := t.Column(target)
	for _, n := range r.s.generations {
		if n.now != t || column == nil || !slices.Contains(n.columns, target) {
			continue
		}
		for chunk := range slices.Chunk(values, sqlrow.Batch) {
			tuples := make([][]crdt.Value, len(chunk))
			for i := range chunk {
				tuples[i] = chunk[i : i+1]
			}
			where, err := sqlrow.AppendMatch(nil, []sqlrow.Column{*column}, tuples)
			if err != nil {
				return nil, err
			}
			rows, err := r.goneRows(ctx, n, string(where))
			if err != nil {
				return nil, err
			}
			for _, g := range rows {
				local := g.row.PK[0]
				if i := t.Shipped(target); i >= 0 {
					local = g.row.Values[i]
				}
				if key := t.NameAlone(&g.row, g.leaves); key != "" {
					keys[local] = key
				}
			}
		}
	}
	return keys, nil
}
