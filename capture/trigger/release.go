package trigger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"baraza/capture"
)

const (
	// releaseBatch is how many log rows one statement deletes.
	releaseBatch = 500
	// releaseTx is how many log rows one transaction deletes.
	releaseTx = 10_000
)

// Execer is a transaction or a connection.
type Execer interface {
	queryer
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Release implements capture.Source.
func (s *Source) Release(ctx context.Context, ids capture.IDs) error {
	for _, some := range split(ids, releaseTx) {
		tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		if err := s.releaser.In(ctx, tx, some); err != nil {
			_ = tx.Rollback() // the first error says more
			return err
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("release log rows: %w", err)
		}
	}
	return nil
}

// Releaser releases within transactions of others. The zero value is ready, for
// one server.
type Releaser struct {
	server atomic.Int32 // serverMariaDB, serverMySQL, 0 for not asked yet
}

const (
	serverMariaDB = 1
	serverMySQL   = 2
)

// In deletes log rows, and the deleted rows that belong to them, in the
// transaction of tx, which is READ COMMITTED. It locks these rows and nothing
// else: applications go on adding to the log meanwhile.
func (r *Releaser) In(ctx context.Context, tx Execer, ids capture.IDs) error {
	if r.server.Load() == 0 {
		mariadb, err := isMariaDB(ctx, tx)
		if err != nil {
			return err
		}
		r.server.Store(serverMySQL)
		if mariadb {
			r.server.Store(serverMariaDB)
		}
	}
	if r.server.Load() == serverMariaDB {
		return releaseRuns(ctx, tx, ids)
	}
	return releaseJoined(ctx, tx, flatten(ids))
}

func isMariaDB(ctx context.Context, q queryer) (yes bool, err error) {
	rows, err := q.QueryContext(ctx, "SELECT VERSION() LIKE '%MariaDB%'")
	if err != nil {
		return false, fmt.Errorf("ask for the server's version: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&yes); err != nil {
			return false, err
		}
	}
	return yes, rows.Err()
}

func flatten(ids capture.IDs) []uint64 {
	list := make([]uint64, 0, ids.Len())
	for _, r := range ids {
		for id := r.First; id <= r.Last; id++ {
			list = append(list, id)
		}
	}
	return list
}

// releaseJoined finds every row by itself, in a join.
func releaseJoined(ctx context.Context, tx Execer, ids []uint64) error {
	for chunk := range slices.Chunk(ids, releaseBatch) {
		deletes, err := deletesAmong(ctx, tx, chunk)
		if err != nil {
			return fmt.Errorf("release log rows: %w", err)
		}
		for table, ids := range deletes {
			if err := deleteIDs(ctx, tx, goneTable(table), goneID, ids); err != nil && !isMissing(err) {
				return err
			}
		}
		if err := deleteIDs(ctx, tx, "log", "id", chunk); err != nil {
			return err
		}
	}
	return nil
}

// byID is a table and its rows with these ids, found one by one. Whatever the
// isolation level, a search for one value of a unique index locks the one row
// that has it. With a plain IN list the optimizer reads a small table from end
// to end, hint or no hint, and waits for every row that an application has not
// committed; with a range the search locks the gap behind it, where the
// applications insert. A forced join leaves it no choice.
func byID(table, column string, ids []uint64) string {
	b := []byte("(SELECT ")
	for i, id := range ids {
		if i > 0 {
			b = append(b, " UNION ALL SELECT "...)
		}
		b = strconv.AppendUint(b, id, 10)
		if i == 0 {
			b = append(b, " AS id"...)
		}
	}
	return fmt.Sprintf("%s) n STRAIGHT_JOIN %s.%s x FORCE INDEX (PRIMARY) ON x.%s = n.id", b, home, table, column)
}

// deletesAmong returns by generation those of the log rows that are deletes. It
// locks the rows, and so sees them even where the transaction's snapshot is
// older than they are.
func deletesAmong(ctx context.Context, tx Execer, ids []uint64) (map[int][]uint64, error) {
	rows, err := tx.QueryContext(ctx, fmt.Sprintf("SELECT x.tbl, x.id FROM %s WHERE x.op = %d FOR UPDATE", byID("log", "id", ids), opDelete))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	deletes := make(map[int][]uint64)
	for rows.Next() {
		var table int
		var id uint64
		if err := rows.Scan(&table, &id); err != nil {
			return nil, err
		}
		deletes[table] = append(deletes[table], id)
	}
	return deletes, rows.Err()
}

func deleteIDs(ctx context.Context, tx Execer, table, column string, ids []uint64) error {
	if _, err := tx.ExecContext(ctx, "DELETE x FROM "+byID(table, column, ids)); err != nil {
		return fmt.Errorf("release rows of %s.%s: %w", home, table, err)
	}
	return nil
}
