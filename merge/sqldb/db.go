package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"baraza/capture/trigger"
	"baraza/crdt"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/schema"
)

// DB is one site's database.
type DB struct {
	pool     *sql.DB
	database string
	tables   *sqlrow.Tables
	bad      error // what is wrong with the model
	releaser trigger.Releaser
}

// New returns the database behind a pool of connections that sqlrow.Open made
// for applying. It does not connect yet. After a change of the schema, another
// is made on the same pool.
func New(pool *sql.DB, model *schema.Model) *DB {
	tables, err := sqlrow.NewTables(model)
	return &DB{pool: pool, database: model.Database, tables: tables, bad: err}
}

// Prepare creates what Mark and Tx.SetMark need, unless it is there.
func (db *DB) Prepare(ctx context.Context) error {
	if db.bad != nil {
		return db.bad
	}
	for _, statement := range []string{
		`CREATE DATABASE IF NOT EXISTS baraza`,
		`CREATE TABLE IF NOT EXISTS baraza.applied (
			db VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
			mark BIGINT UNSIGNED NOT NULL,
			boot BIGINT UNSIGNED NOT NULL DEFAULT 0,
			nonce BIGINT UNSIGNED NOT NULL DEFAULT 0
		) ENGINE=InnoDB COMMENT='the last transaction that baraza applied to each database'`,
	} {
		if _, err := db.pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create baraza.applied: %w; grant the rights that the command doctor prints", err)
		}
	}
	if err := db.addBoot(ctx); err != nil {
		return err
	}
	_, err := db.pool.ExecContext(ctx, `INSERT IGNORE INTO baraza.applied (db, mark) VALUES (?, 0)`, db.database)
	return wrap(err, "start the count of applied transactions")
}

// addBoot adds the columns that an older version did not make.
func (db *DB) addBoot(ctx context.Context) error {
	var n int
	err := db.pool.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.COLUMNS
		WHERE TABLE_SCHEMA = 'baraza' AND TABLE_NAME = 'applied' AND COLUMN_NAME = 'boot'`).Scan(&n)
	if err == nil && n == 0 {
		_, err = db.pool.ExecContext(ctx, `ALTER TABLE baraza.applied
			ADD COLUMN boot BIGINT UNSIGNED NOT NULL DEFAULT 0, ADD COLUMN nonce BIGINT UNSIGNED NOT NULL DEFAULT 0`)
	}
	return wrap(err, "complete baraza.applied")
}

// Mark implements merge.Database. It asks on whatever connection works.
func (db *DB) Mark(ctx context.Context) (m merge.Mark, err error) {
	// The lock waits for a transaction whose process was killed, or whose connection
	// broke, after COMMIT was sent: it may be committed yet.
	err = db.pool.QueryRowContext(ctx, `SELECT mark, boot, nonce FROM baraza.applied WHERE db = ? LOCK IN SHARE MODE`, db.database).Scan(&m.Number, &m.Boot, &m.Nonce)
	if errors.Is(err, sql.ErrNoRows) {
		return m, fmt.Errorf("baraza.applied has no row for database %s; was it removed? run init", db.database)
	}
	return m, wrap(err, "read baraza.applied")
}

// Begin implements merge.Database.
func (db *DB) Begin(ctx context.Context) (merge.Tx, error) {
	if db.bad != nil {
		return nil, db.bad
	}
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
