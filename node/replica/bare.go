package replica

import (
	"context"
	"errors"
	"fmt"

	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// A bare table is one that has no row when the bring-up begins, as all tables
// of an empty site. Whatever it has later was taken over, or is a local write
// that is not captured yet; so rows need not be looked for before they are
// written, nor remembered one by one. That a table was bare is remembered in
// their place, in the store, before the first row is written: an attempt after
// this one may find rows there that the member has deleted since.
//
// A row that an application writes meanwhile to a bare table is found as a
// duplicate, and the chunk is taken over as to any table. That a row was written
// and deleted again is seen by the delete, which is not captured yet.
//
// States are not staged: those of an attempt that does not come to its end are
// dropped when the next begins.

var metaBare = []byte("mbare/") // table -> nothing

func bareKey(table string) []byte { return append(append([]byte{}, metaBare...), table...) }

// loadBare reads which tables were bare before an earlier attempt.
func (b *BringUp) loadBare() error {
	err := b.r.cfg.Store.Scan(metaBare, kv.After(metaBare), func(k, _ []byte) bool {
		b.bare[string(k[len(metaBare):])] = true
		return true
	})
	if err != nil {
		return fmt.Errorf("read which tables were empty: %w", err)
	}
	return nil
}

// noteEmpty notes that a table has no row at this attempt, nor had any before. One
// whose last rows an application has deleted since the site waits to join had some:
// only they tell the others what these rows were.
func (b *BringUp) noteEmpty(ctx context.Context, table string) error {
	switch {
	case b.again || b.remembered[table] && !b.bare[table]:
		return nil
	case !b.bare[table]:
		if any, err := b.anyDeleted(ctx, table); any || err != nil {
			return err
		}
	}
	b.empty[table] = true
	return nil
}

// anyDeleted reports whether rows of a table have local deletes that are not
// captured yet.
func (b *BringUp) anyDeleted(ctx context.Context, table string) (bool, error) {
	reading, err := b.r.cfg.Source.Read(ctx)
	if err != nil {
		return false, fmt.Errorf("read local changes: %w", err)
	}
	defer reading.Close()
	for {
		part, err := reading.Next(ctx, b.r.limits.captureRows)
		if err != nil {
			return false, fmt.Errorf("read local changes: %w", err)
		}
		if part == nil {
			return false, nil
		}
		for i := range part.Rows {
			if part.Rows[i].Delete && part.Rows[i].Table == table {
				return true, nil
			}
		}
	}
}

// writeBare makes the store know that a table was bare.
func (b *BringUp) writeBare(table string) error {
	if b.bare[table] {
		return nil
	}
	w := &kv.Batch{}
	w.Set(bareKey(table), nil)
	if err := b.r.cfg.Store.Write(w, true); err != nil {
		return fmt.Errorf("note that table %s was empty: %w", table, err)
	}
	b.bare[table] = true
	return nil
}

// putBare takes over a chunk of a bare table. It reports false when the chunk
// must be taken over as that of any table, since applications write.
func (b *BringUp) putBare(ctx context.Context, c *Chunk) (done bool, err error) {
	if !b.empty[c.Table] {
		return false, nil
	}
	if err := b.writeBare(c.Table); err != nil {
		return false, err
	}
	pending, err := b.r.pendingIn(ctx, c)
	if err != nil || len(pending.rows) > 0 {
		return false, err
	}
	tx, err := b.r.cfg.Database.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("begin a transaction: %w", err)
	}
	t := b.r.newTxn()
	if err = b.fillBare(ctx, tx, t, c, pending); err != nil || t.spilled {
		_ = tx.Rollback() // the first error is the one to report
		if err == nil || errors.Is(err, merge.ErrRetry) {
			b.r.unsettled = b.r.unsettled || t.tried
			return false, b.r.resettle(ctx)
		}
		return false, b.r.abandon(t, err)
	}
	t.tried = true
	if err := tx.Commit(); err != nil {
		return false, b.r.abandon(t, fmt.Errorf("commit rows of table %s: %w", c.Table, err))
	}
	return true, b.r.keep(t)
}

func (b *BringUp) fillBare(ctx context.Context, tx merge.Tx, t *txn, c *Chunk, p *uncaptured) error {
	keys, rows := make([]crdt.Key, len(c.Items)), make([]crdt.Row, len(c.Items))
	for i := range c.Items {
		it := &c.Items[i]
		if it.Same {
			return fmt.Errorf("%w: a row of a table that is empty here is said to be the same", errChunk)
		}
		keys[i] = it.Key
		it.rowInto(&rows[i])
	}
	return b.r.merger.Fill(ctx, tx, fresh{t}, c.Table, keys, rows, p.away)
}

// fresh is a step in which the rows that are put have no state before. That they
// get none is nothing to remember.
type fresh struct{ *txn }

// Put implements merge.States.
func (f fresh) Put(id merge.RowID, s *merge.State, losses []crdt.Loss) error {
	if s == nil && len(losses) == 0 && f.rows[id] == nil {
		return nil
	}
	f.assumeNew(id)
	return f.txn.Put(id, s, losses)
}

// keep writes a step whose loss in a crash does no harm.
func (r *Replica) keep(t *txn) error {
	w := t.batch()
	t.names.flush(w)
	if w.Empty() {
		return nil
	}
	if err := r.cfg.Store.Write(w, false); err != nil {
		return r.abandon(t, fmt.Errorf("keep the states of rows: %w", err))
	}
	return nil
}
