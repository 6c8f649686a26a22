package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// job is a number of transactions, written by some connections at full speed.
type job struct {
	// rows in all, perTx in each transaction.
	rows, perTx, conns int
	// update changes rows that are there, spread over the first hot obs_ids;
	// otherwise rows are inserted.
	update bool
	hot    int
	// seed makes the rows.
	seed uint64
	// pause is waited before each transaction.
	pause time.Duration
}

// write does the job and returns how long it took. The statements are made
// while they are sent; that costs every variant the same.
func write(ctx context.Context, db *sql.DB, j job) (time.Duration, error) {
	conns := make([]*sql.Conn, j.conns)
	for i := range conns {
		c, err := db.Conn(ctx)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		conns[i] = c
	}
	start := time.Now()
	failed := make([]error, j.conns)
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { failed[i] = j.run(ctx, c, i) })
	}
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return 0, fmt.Errorf("writing rows: %w", err)
	}
	return time.Since(start), nil
}

// run is the share of one connection.
func (j job) run(ctx context.Context, c *sql.Conn, conn int) error {
	gen := newGenerator(j.seed, uint64(conn))
	share := j.rows / j.conns
	if conn < j.rows%j.conns {
		share++
	}
	for at := 0; at < share; {
		n := min(j.perTx, share-at)
		var text string
		if j.update {
			text = gen.update(j.target(gen, conn, n), n)
		} else {
			text = gen.insert(conn, at, n)
		}
		time.Sleep(j.pause)
		if _, err := c.ExecContext(ctx, text); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// target chooses the first row of an update. Ranges of several rows are taken
// from a part of the table that is the connection's own: no deadlocks.
func (j job) target(gen *generator, conn, n int) int {
	if n == 1 {
		return 1 + gen.rand.IntN(j.hot)
	}
	part := max(j.hot/j.conns, n)
	return 1 + conn*part + gen.rand.IntN(part-n+1)
}

// fillSeed makes the rows that are there before a measurement; no measurement
// uses it.
const fillSeed = 1 << 40

// fill inserts rows that are not measured, the same on every server.
func fill(ctx context.Context, s *server, rows int) error {
	const perStatement = 500
	_, err := write(ctx, s.db, job{rows: rows, perTx: perStatement, conns: 1, seed: fillSeed})
	return err
}
