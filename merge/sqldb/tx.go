package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	"baraza/capture"
	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// rememberMax bounds what a transaction remembers of one table, in rows. What
// it forgets it looks up again.
const rememberMax = 50_000

// tx implements merge.Tx.
type tx struct {
	db   *DB
	sql  *sql.Tx
	refs *sqlrow.Refs
	// found are the primary keys of rows that are locked here.
	found map[*sqlrow.Table]map[crdt.Key][]crdt.Value
	// locals are the values by which rows are referred to. The rows are locked
	// against their removal.
	locals map[target]map[crdt.Key]crdt.Value
	buf    []byte
}

// target is a column that references point to.
type target struct {
	table  *sqlrow.Table
	column string
}

func (x *tx) table(def *schema.Table) (*sqlrow.Table, error) {
	if t := x.db.tables.Table(def.Name); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("table %s is not in the model", def.Name)
}

// Lock implements merge.Tx.
func (x *tx) Lock(ctx context.Context, def *schema.Table, keys []crdt.Key) ([]merge.Row, error) {
	t, err := x.table(def)
	if err != nil {
		return nil, err
	}
	found, err := x.lock(ctx, t, keys)
	if err != nil {
		return nil, err
	}
	rows := make([]merge.Row, len(found))
	for i, r := range found {
		rows[i] = merge.Row{Key: r.Key, Columns: t.Columns, Values: r.Values}
	}
	return rows, nil
}

// lock reads and locks the rows that keys name and remembers where they are.
func (x *tx) lock(ctx context.Context, t *sqlrow.Table, keys []crdt.Key) ([]sqlrow.Row, error) {
	rows, err := x.refs.Rows(ctx, x.sql, t, keys, "FOR UPDATE")
	if err != nil {
		return nil, wrap(err, "lock rows of "+t.Def.Name)
	}
	known := x.found[t]
	if known == nil || len(known)+len(rows) > rememberMax {
		known = make(map[crdt.Key][]crdt.Value, len(rows))
		x.found[t] = known
	}
	for _, r := range rows {
		known[r.Key] = r.PK
	}
	return rows, nil
}

// locate returns the primary keys of rows; nil for those that are not there.
func (x *tx) locate(ctx context.Context, t *sqlrow.Table, keys []crdt.Key) ([][]crdt.Value, error) {
	pks := make([][]crdt.Value, len(keys))
	var ask []crdt.Key
	for i, key := range keys {
		if pks[i] = x.found[t][key]; pks[i] == nil {
			ask = append(ask, key)
		}
	}
	if len(ask) == 0 {
		return pks, nil
	}
	rows, err := x.lock(ctx, t, ask)
	if err != nil {
		return nil, err
	}
	asked := make(map[crdt.Key][]crdt.Value, len(rows))
	for _, r := range rows {
		asked[r.Key] = r.PK
	}
	for i, key := range keys {
		if pks[i] == nil {
			pks[i] = asked[key]
		}
	}
	return pks, nil
}

// Resolve implements merge.Tx.
func (x *tx) Resolve(ctx context.Context, def *schema.Table, keys []crdt.Key) ([]bool, error) {
	t, err := x.table(def)
	if err != nil {
		return nil, err
	}
	column := def.Identity.Columns[0]
	if len(def.PrimaryKey) > 0 {
		column = def.PrimaryKey[0] // what most references point to
	}
	values, err := x.resolve(ctx, target{t, column}, keys)
	if err != nil {
		return nil, err
	}
	there := make([]bool, len(keys))
	for i, key := range keys {
		_, there[i] = values[key]
	}
	return there, nil
}

// resolve returns the values by which columns that point to the target refer
// to the rows, and keeps these rows from being removed. It may return more
// than was asked for. Keys that name no row are absent.
func (x *tx) resolve(ctx context.Context, to target, keys []crdt.Key) (map[crdt.Key]crdt.Value, error) {
	known := x.locals[to]
	if known == nil || len(known)+len(keys) > rememberMax {
		known = make(map[crdt.Key]crdt.Value, len(keys))
		x.locals[to] = known
	}
	ask := make([]crdt.Key, 0, len(keys))
	asked := make(map[crdt.Key]bool, len(keys))
	for _, key := range keys {
		if _, ok := known[key]; !ok && !asked[key] {
			asked[key] = true
			ask = append(ask, key)
		}
	}
	if len(ask) == 0 {
		return known, nil
	}
	found, err := x.refs.Locals(ctx, x.sql, to.table, to.column, ask, "LOCK IN SHARE MODE")
	if err != nil {
		return nil, wrap(err, "look up references to "+to.table.Def.Name)
	}
	maps.Copy(known, found)
	return known, nil
}

// forget drops what an insert or a delete may have made untrue.
func (x *tx) forget(deleted bool) {
	x.refs = sqlrow.NewRefs()
	if deleted { // and perhaps rows of any table with it
		clear(x.locals)
		clear(x.found)
	}
}

// Release implements merge.Tx.
func (x *tx) Release(ctx context.Context, ids capture.IDs) error {
	if len(ids) == 0 {
		return nil
	}
	return wrap(x.db.releaser.In(ctx, x.sql, ids), "release captured changes")
}

// SetMark implements merge.Tx.
func (x *tx) SetMark(ctx context.Context, before, after merge.Mark) error {
	result, err := x.sql.ExecContext(ctx, `UPDATE baraza.applied SET mark = ?, boot = ?, nonce = ? WHERE db = ? AND mark = ? AND boot = ? AND nonce = ?`,
		after.Number, after.Boot, after.Nonce, x.db.database, before.Number, before.Boot, before.Nonce)
	if err != nil {
		return wrap(err, "write baraza.applied")
	}
	if rows, err := result.RowsAffected(); err != nil || rows != 1 {
		return errors.Join(err, fmt.Errorf("%w: baraza.applied has another mark for database %s", merge.ErrSetBack, x.db.database))
	}
	return nil
}

// Commit implements merge.Tx.
func (x *tx) Commit() error { return wrap(x.sql.Commit(), "commit") }

// Rollback implements merge.Tx.
func (x *tx) Rollback() error {
	if err := x.sql.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return wrap(err, "roll back")
	}
	return nil
}
