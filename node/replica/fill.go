package replica

import (
	"context"
	"errors"
	"fmt"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// The rows of a bare table (bare.go) need no mark: each chunk is a transaction
// for itself, and whichever of them a crash leaves, the next attempt finds them.
// So the database may work on several at a time, while the next is made ready:
// Fill, and later Settle, in place of Put.
//
// That holds for chunks that only insert. A row that refers to one of its own table
// must find it there, and a row that others have waited for places those, so such
// chunks are Put, when nothing else is under way.

// Filling is a chunk that the database is taking in.
type Filling struct {
	b *BringUp
	t *txn
	// Chunk is what to Put when Settle says so.
	Chunk *Chunk
	wait  func() error
}

// errInOrder says that a chunk needs more than one insert.
var errInOrder = errors.New("the chunk does not only insert rows")

// Fill begins to take over the rows of a chunk, in the background. It returns nil
// when the chunk must be Put, after Settle of all that are under way.
func (b *BringUp) Fill(ctx context.Context, c *Chunk) (*Filling, error) {
	if len(c.Items) == 0 || !b.empty[c.Table] || b.inOrder[c.Table] || b.r.unsettled {
		return nil, nil
	}
	if err := b.writeBare(c.Table); err != nil {
		return nil, err
	}
	pending, err := b.r.pendingIn(ctx, c)
	if err != nil || len(pending.rows) > 0 {
		return nil, err
	}
	tx, err := b.r.cfg.Database.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	t := b.r.newTxn()
	only := &onlyInsert{Tx: tx, table: c.Table}
	behind, can := tx.(merge.Behind)
	if can {
		err = b.fillBare(ctx, only, t, c, pending)
	}
	if can && err == nil && !t.spilled && only.def != nil {
		return &Filling{b, t, c, behind.InsertBehind(ctx, only.def, only.rows)}, nil
	}
	_ = tx.Rollback() // nothing was written
	b.r.unsettled = b.r.unsettled || t.tried
	b.inOrder[c.Table] = b.inOrder[c.Table] || !can || errors.Is(err, errInOrder)
	if err != nil && !errors.Is(err, errInOrder) && !errors.Is(err, merge.ErrRetry) {
		return nil, err
	}
	return nil, nil
}

// Settle waits for the database. It reports false when the database took no row:
// then the chunk must be Put, after Settle of all others. After an error the
// bring-up is started anew, once all others have ended.
func (f *Filling) Settle() (done bool, err error) {
	err = f.wait()
	switch {
	case err == nil:
		return true, f.b.r.keep(f.t)
	case errors.Is(err, merge.ErrRefused) || errors.Is(err, merge.ErrRetry):
		return false, nil
	default:
		return false, f.b.r.abandon(f.t, fmt.Errorf("fill table %s: %w", f.Chunk.Table, err))
	}
}

// onlyInsert is a transaction that puts an insert off, and refuses all else but
// to look for rows of other tables.
type onlyInsert struct {
	merge.Tx
	table string
	def   *schema.Table // nil while there is nothing to insert
	rows  []merge.Row
}

func (o *onlyInsert) Insert(_ context.Context, t *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	if o.def != nil || t.Name != o.table {
		return nil, errInOrder
	}
	o.def, o.rows = t, rows
	return nil, nil
}

func (o *onlyInsert) Resolve(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]bool, error) {
	if o.def != nil || t.Name == o.table {
		return nil, errInOrder
	}
	return o.Tx.Resolve(ctx, t, keys)
}

func (o *onlyInsert) Lock(context.Context, *schema.Table, []crdt.Key) ([]merge.Row, error) {
	return nil, errInOrder
}

func (o *onlyInsert) Referrers(context.Context, *schema.Table, *schema.Referrer, []crdt.Key, int) ([]merge.Link, error) {
	return nil, errInOrder
}

func (o *onlyInsert) Holders(context.Context, *schema.Table, merge.Row) ([]merge.Holder, error) {
	return nil, errInOrder
}

func (o *onlyInsert) Update(context.Context, *schema.Table, []merge.Row) ([]merge.RowError, error) {
	return nil, errInOrder
}

func (o *onlyInsert) Delete(context.Context, *schema.Table, []crdt.Key) ([]merge.RowError, error) {
	return nil, errInOrder
}
