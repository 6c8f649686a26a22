package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"baraza/capture"
	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// lockWait is how long a statement waits for a row that an application holds
// before the transaction is tried again.
const lockWait = 2 * time.Second

// Execer runs a statement; a transaction is one.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Release removes captured log rows within a transaction.
type Release func(ctx context.Context, tx Execer, ids capture.IDs) error

// DB is one site's database.
type DB struct {
	pool     *sql.DB
	database string
	tables   *sqlrow.Tables
	release  Release
}

// Open returns the database that the DSN names. It does not connect yet.
func Open(dsn string, model *schema.Model, release Release) (*DB, error) {
	name, err := sqlrow.Database(dsn)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, schema.ErrNoDatabase
	}
	pool, err := sqlrow.OpenApply(dsn, lockWait)
	if err != nil {
		return nil, err
	}
	db := &DB{pool: pool, database: name, release: release}
	if err := db.SetModel(model); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return db, nil
}

// SetModel takes a new model after the schema changed. No transaction is open.
func (db *DB) SetModel(model *schema.Model) error {
	tables, err := sqlrow.NewTables(model)
	if err != nil {
		return err
	}
	db.tables = tables
	return nil
}

// Close ends all connections.
func (db *DB) Close() error { return db.pool.Close() }

// Prepare creates what Mark and Tx.SetMark need, unless it is there.
func (db *DB) Prepare(ctx context.Context) error {
	for _, statement := range []string{
		`CREATE DATABASE IF NOT EXISTS baraza`,
		`CREATE TABLE IF NOT EXISTS baraza.applied (
			db VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
			mark BIGINT UNSIGNED NOT NULL
		) ENGINE=InnoDB COMMENT='the last transaction that baraza applied to each database'`,
	} {
		if _, err := db.pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create baraza.applied: %w; grant the rights that the command doctor prints", err)
		}
	}
	_, err := db.pool.ExecContext(ctx, `INSERT IGNORE INTO baraza.applied (db, mark) VALUES (?, 0)`, db.database)
	return wrap(err, "start the count of applied transactions")
}

// Mark implements merge.Database. It asks on whatever connection works.
func (db *DB) Mark(ctx context.Context) (n uint64, err error) {
	err = db.pool.QueryRowContext(ctx, `SELECT mark FROM baraza.applied WHERE db = ?`, db.database).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("baraza.applied has no row for database %s; was it removed? run init", db.database)
	}
	return n, wrap(err, "read baraza.applied")
}

// Begin implements merge.Database.
func (db *DB) Begin(ctx context.Context) (merge.Tx, error) {
	sqlTx, err := db.pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, wrap(err, "begin a transaction")
	}
	return &tx{
		db:     db,
		sql:    sqlTx,
		refs:   sqlrow.NewRefs(),
		found:  make(map[*sqlrow.Table]map[crdt.Key][]crdt.Value),
		locals: make(map[target]map[crdt.Key]crdt.Value),
	}, nil
}
