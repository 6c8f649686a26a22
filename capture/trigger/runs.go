package trigger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"baraza/capture"
)

const (
	// releaseList is how many single log rows one statement deletes.
	releaseList = 1000
	// runMin is how long a run of ids must be to have a statement of its own.
	runMin = 50
)

// split divides a set into sets of at most so many ids.
func split(ids capture.IDs, most uint64) []capture.IDs {
	var sets []capture.IDs
	room := uint64(0)
	for _, r := range ids {
		for r.First <= r.Last {
			if room == 0 {
				sets, room = append(sets, nil), most
			}
			last := min(r.Last, r.First+room-1)
			sets[len(sets)-1] = append(sets[len(sets)-1], capture.IDRange{First: r.First, Last: last})
			room -= last - r.First + 1
			r.First = last + 1
		}
	}
	return sets
}

// releaseRuns is a release for MariaDB, with a fifth of the server's work: runs
// of ids and lists of ids, no joins.
//
// What a DELETE touches is what it locks, and waits for. A row that an
// application has not committed may lie before the rows to delete, behind them
// and between them. So the server must neither read the log from its beginning,
// which it prefers as long as the log is small (sql_safe_updates makes
// MariaDB, but not MySQL, use the condition's ranges), nor read on behind a
// range (the LIMIT ends it at its last row, all of them being there; a range of
// one id ends by itself).
func releaseRuns(ctx context.Context, tx Execer, ids capture.IDs) error {
	var single []uint64
	for _, r := range ids {
		done, err := releaseWhole(ctx, tx, r)
		if err != nil {
			return err
		}
		for id := r.First; !done && id <= r.Last; id++ {
			single = append(single, id)
		}
	}
	for list := range slices.Chunk(single, releaseList) {
		where := "id IN (" + inList(list) + ")"
		if err := releaseGone(ctx, tx, where); err != nil {
			return err
		}
		if err := deleteWhere(ctx, tx, "log", where); err != nil {
			return err
		}
	}
	return nil
}

// releaseWhole deletes a run of log rows, if it is long and all are there.
func releaseWhole(ctx context.Context, tx Execer, r capture.IDRange) (bool, error) {
	n := r.Last - r.First + 1
	if n < runMin {
		return false, nil
	}
	where := fmt.Sprintf("id BETWEEN %d AND %d", r.First, r.Last)
	there, err := numbers(ctx, tx, "SELECT COUNT(*), COALESCE(SUM(op = "+strconv.Itoa(opDelete)+"), 0) FROM "+home+".log WHERE "+where)
	if err != nil || there[n] == nil {
		return false, err
	}
	if there[n][0] > 0 {
		if err := releaseGone(ctx, tx, where); err != nil {
			return false, err
		}
	}
	return true, deleteWhere(ctx, tx, "log", fmt.Sprintf("%s ORDER BY id LIMIT %d", where, n))
}

// releaseGone deletes the deleted rows that belong to log rows.
func releaseGone(ctx context.Context, tx Execer, where string) error {
	gone, err := numbers(ctx, tx, fmt.Sprintf("SELECT tbl, id FROM %s.log WHERE op = %d AND %s", home, opDelete, where))
	if err != nil {
		return err
	}
	for _, table := range slices.Sorted(maps.Keys(gone)) {
		for list := range slices.Chunk(gone[table], releaseList) {
			if err := deleteWhere(ctx, tx, goneTable(int(table)), goneID+" IN ("+inList(list)+")"); err != nil && !isMissing(err) {
				return err
			}
		}
	}
	return nil
}

// numbers returns the second numbers of a query's rows by their first.
func numbers(ctx context.Context, tx Execer, query string) (map[uint64][]uint64, error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("release log rows: %w", err)
	}
	defer rows.Close()
	found := make(map[uint64][]uint64)
	for rows.Next() {
		var k, v uint64
		if err := rows.Scan(&k, &v); err != nil {
			return nil, err
		}
		found[k] = append(found[k], v)
	}
	return found, rows.Err()
}

func deleteWhere(ctx context.Context, tx Execer, table, where string) error {
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("SET STATEMENT sql_safe_updates=1 FOR DELETE FROM %s.%s WHERE %s", home, table, where)); err != nil {
		return fmt.Errorf("release rows of %s.%s: %w", home, table, err)
	}
	return nil
}

func inList(ids []uint64) string {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, id, 10)
	}
	return string(b)
}
