package hooks

import (
	"context"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Watch returns the database with every transaction's rows noted for the hooks
// once it is committed. Without hooks it is the database itself.
func (s *Set) Watch(db merge.Database) merge.Database {
	if len(s.hooks) == 0 {
		return db
	}
	return &watched{db, s}
}

type watched struct {
	merge.Database

	set *Set
}

// Begin implements merge.Database.
func (w *watched) Begin(ctx context.Context) (merge.Tx, error) {
	tx, err := w.Database.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &watchedTx{Tx: tx, set: w.set}, nil
}

// watchedTx notes rows before it knows whether the database takes them: to tell
// of a row that did not change does no harm.
type watchedTx struct {
	merge.Tx

	set     *Set
	written Changes
}

// Insert implements merge.Tx.
func (w *watchedTx) Insert(ctx context.Context, t *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	w.note(t, rows)
	return w.Tx.Insert(ctx, t, rows)
}

// Update implements merge.Tx.
func (w *watchedTx) Update(ctx context.Context, t *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	w.note(t, rows)
	return w.Tx.Update(ctx, t, rows)
}

// Delete implements merge.Tx.
func (w *watchedTx) Delete(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]merge.RowError, error) {
	for _, k := range keys {
		w.written.Add(t.Name, k, true)
	}
	return w.Tx.Delete(ctx, t, keys)
}

func (w *watchedTx) note(t *schema.Table, rows []merge.Row) {
	for i := range rows {
		w.written.Add(t.Name, rows[i].Key, false)
	}
}

// Commit implements merge.Tx. Where it fails nobody knows yet whether the rows
// are in, so they are told all the same.
func (w *watchedTx) Commit() error {
	if w.written.Empty() {
		return w.Tx.Commit()
	}
	if err := w.set.begin(&w.written); err != nil {
		_ = w.Tx.Rollback() // the first error is the one to report
		return err
	}
	defer w.set.end(&w.written)
	return w.Tx.Commit()
}
