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
	n      int64 // among those of the log row
	row    sqlrow.Row
	leaves []crdt.Value
}

// goneRows reads deleted rows of a generation. A column that the table did not
// have then reads as NULL; so does what this generation did not note of the
// identity.
func (r *reading) goneRows(ctx context.Context, n *numbered, where string) ([]gone, error) {
	fields, leaves := n.now.Fields(), n.now.Leaves("OLD")
	columns := append([]sqlrow.Column{}, numberColumns...)
	columns = append(columns, fields...)
	own := columns[len(numberColumns):]
	for i := range own {
		if !slices.Contains(n.columns, own[i].Name) {
			own[i].Expr = "NULL"
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
		number, _ := v[1].AsInt()
		v = v[len(numberColumns):]
		last := len(fields)
		rows = append(rows, gone{id: id, n: number, row: n.now.Row(v[:last:last]), leaves: v[last:]})
	})
	if isMissing(err) {
		return nil, nil // State has said so; what was in it is lost
	}
	if err != nil {
		return nil, fmt.Errorf("read %s.%s: %w", home, goneTable(n.id), err)
	}
	return rows, nil
}

var numberColumns = []sqlrow.Column{sqlrow.NumberColumn(goneID), sqlrow.NumberColumn(goneN)}

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

// stillThere lists those of the deleted rows that the view shows: they were
// inserted again, which says all, or the statement that was to delete them did not
// after all. MariaDB fires the triggers of an UPDATE IGNORE and of a DELETE IGNORE
// for rows that it then leaves as they were; and what a foreign key does is noted
// before it is done.
func (r *reading) stillThere(ctx context.Context, t *sqlrow.Table, rows []gone) (map[crdt.Key]bool, error) {
	pks := make([][]crdt.Value, len(rows))
	for i := range rows {
		pks[i] = rows[i].row.PK
	}
	have, err := t.ByPK(ctx, r.conn, pks, "")
	if err != nil {
		return nil, err
	}
	if err := r.refs.Portable(ctx, r.conn, t, have); err != nil {
		return nil, err
	}
	there := make(map[crdt.Key]bool, len(have))
	for i := range have {
		there[have[i].Key] = true
	}
	return there, nil
}

// deleted adds deletes of one generation to the part, at most limit, and returns how
// many it has read. A row that was inserted again after its delete is left out:
// that insert says all. tw is what was written to the table; nil for nothing.
func (r *reading) deleted(ctx context.Context, d *deleteWork, tw *tableWork, part *capture.Part, limit int) (int, error) {
	t := d.gen.now
	latest := make(map[crdt.Key]capture.Row)
	var keys []crdt.Key
	read := 0
	for len(d.ids) > 0 && read < limit {
		ids := d.ids[:min(len(d.ids), sqlrow.Batch)]
		room := min(limit-read, sqlrow.Batch)
		rows, err := r.goneRows(ctx, d.gen, fmt.Sprintf("%s ORDER BY %s, %s LIMIT %d", d.where(ids), goneID, goneN, room))
		if err != nil {
			return read, err
		}
		d.done(ids, rows, len(rows) < room)
		read += len(rows)
		if err := r.name(ctx, d.gen, rows); err != nil {
			return read, err
		}
		there, err := r.stillThere(ctx, t, rows)
		if err != nil {
			return read, err
		}
		for _, g := range rows {
			at := d.at[g.id]
			old, twice := latest[g.row.Key]
			if g.row.Key == "" || there[g.row.Key] || (twice && old.At >= at) || (tw != nil && tw.lastID[g.row.Key] > g.id) {
				continue
			}
			if !twice {
				keys = append(keys, g.row.Key)
			}
			latest[g.row.Key] = capture.Row{Table: t.Def.Name, Key: g.row.Key, Delete: true, At: at, Columns: t.Columns, Values: g.row.Values}
		}
	}
	for _, key := range keys {
		part.Rows = append(part.Rows, latest[key])
	}
	return read, nil
}

// writtenBefore adds what was written in this view to rows that were deleted
// later in it, with the values that they last had. Other sites may bring such a
// row back (R2), and must then have the same values. Rows that are gone without
// a delete in the log were removed by baraza itself.
func (r *reading) writtenBefore(ctx context.Context, tw *tableWork, part *capture.Part) error {
	var pks [][]crdt.Value
	for _, row := range tw.rows {
		if !row.there {
			pks = append(pks, row.pk)
		}
	}
	for chunk := range slices.Chunk(pks, sqlrow.Batch) {
		where, err := sqlrow.AppendMatch(nil, tw.table.PrimaryKey(), chunk)
		if err != nil {
			return err
		}
		for _, n := range r.s.byNumber() {
			if n.now != tw.table {
				continue
			}
			rows, err := r.goneRows(ctx, n, string(where)+" ORDER BY "+goneID)
			if err != nil {
				return err
			}
			if err := r.name(ctx, n, rows); err != nil {
				return err
			}
			for i := range rows {
				r.lastWrites(tw, &rows[i], part)
			}
		}
	}
	return nil
}

// lastWrites adds the writes to a deleted row that came before its delete.
func (r *reading) lastWrites(tw *tableWork, g *gone, part *capture.Part) {
	row := tw.byPK[tw.table.LocalKey(g.row.PK)]
	if row == nil || g.row.Key == "" {
		return
	}
	var before, rest []write
	for _, w := range row.writes {
		if w.id < g.id {
			before = append(before, w)
		} else {
			rest = append(rest, w) // of a later row with the same number
		}
	}
	row.writes = rest
	part.Rows = r.s.appendWrites(part.Rows, tw.table, &g.row, before)
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
