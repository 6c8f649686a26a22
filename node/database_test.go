package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
	"baraza/node/config"
	"baraza/schema"
)

// modelDB is the model database as a site's server: it outlives the process,
// serves the engine and applications at once, and can be away.
type modelDB struct {
	mu    sync.Mutex
	db    *memdb.DB
	owner clock.SiteID
	away  bool
	lacks string // a table that the server does not have
}

var (
	clinic  = dbtest.Model()
	errAway = errors.New("the database server is away")
)

func newModelDB(first int64) *modelDB {
	return &modelDB{db: memdb.New(memdb.Config{
		Model: clinic, First: first, Now: func() int64 { return time.Now().UnixMicro() },
	})}
}

// open is Ports.Database.
func (d *modelDB) open(context.Context, config.DSN) (Database, error) { return d, d.check() }

func (d *modelDB) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usable()
}

func (d *modelDB) usable() error {
	if d.away {
		return errAway
	}
	return nil
}

// freeze lets nobody in, as when the machine stops: an open transaction is
// rolled back. thaw lets them in again.
func (d *modelDB) freeze() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = true
	d.db.Disconnect()
}

func (d *modelDB) thaw() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = false
}

// app runs a transaction of an application, which waits for the engine's.
func (d *modelDB) app(writes ...memdb.Write) error {
	for {
		d.mu.Lock()
		busy, err := d.db.Busy(), error(nil)
		if !busy {
			err = d.db.App(writes...)
		}
		d.mu.Unlock()
		if !busy {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func (d *modelDB) rows(table string) []merge.Row {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.db.Rows(table)
}

func (d *modelDB) Load(context.Context, schema.Options) (*schema.Model, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := dbtest.Model()
	delete(m.Tables, d.lacks)
	return m, d.usable()
}

// lose takes a table away; the one that was is back.
func (d *modelDB) lose(table string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lacks = table
}

func (d *modelDB) Reserve(context.Context) error { return nil }

func (d *modelDB) Owner(context.Context) (clock.SiteID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.owner, d.usable()
}

func (d *modelDB) Claim(_ context.Context, self clock.SiteID, _ string, takeOver bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owner.IsZero() || takeOver {
		d.owner = self
	}
	if d.owner != self {
		return fmt.Errorf("this database belongs to site %s", d.owner)
	}
	return d.usable()
}

func (d *modelDB) Install(context.Context, *schema.Model) error { return d.check() }

func (d *modelDB) AsApplication(context.Context, *schema.Model, func(context.Context, merge.Tx) error) error {
	return errors.New("the model's applications write by themselves")
}

func (d *modelDB) Open(context.Context, *schema.Model) (merge.Database, capture.Source, error) {
	return d, modelSource{d}, d.check()
}

func (d *modelDB) Scanner(*schema.Model) merge.Scanner { return d }

func (d *modelDB) Pending(context.Context) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return uint64(d.db.Pending()), d.usable()
}

func (d *modelDB) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.db.Disconnect()
}

// Scan implements merge.Scanner.
func (d *modelDB) Scan(ctx context.Context) (merge.Scan, error) {
	return with(d, func() (merge.Scan, error) { return d.db.Scan(ctx) })
}

// Mark implements merge.Database.
func (d *modelDB) Mark(ctx context.Context) (merge.Mark, error) {
	return with(d, func() (merge.Mark, error) { return d.db.Mark(ctx) })
}

// Begin implements merge.Database.
func (d *modelDB) Begin(ctx context.Context) (merge.Tx, error) {
	return with(d, func() (merge.Tx, error) {
		tx, err := d.db.Begin(ctx)
		return modelTx{d, tx}, err
	})
}

func with[T any](d *modelDB, f func() (T, error)) (zero T, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return zero, err
	}
	return f()
}

// modelSource is the database's capture.Source, and a capture.Poller as that
// of a server is.
type modelSource struct{ d *modelDB }

func (s modelSource) Poll(context.Context) (bool, error) {
	return with(s.d, func() (bool, error) { return s.d.db.Pending() > 0, nil })
}

func (s modelSource) Read(ctx context.Context) (capture.Reading, error) {
	return with(s.d, func() (capture.Reading, error) { return s.d.db.Read(ctx) })
}

func (s modelSource) Release(ctx context.Context, ids capture.IDs) error {
	_, err := with(s.d, func() (any, error) { return nil, s.d.db.Release(ctx, ids) })
	return err
}

func (s modelSource) Noted(ctx context.Context, after uint64, limit int) ([]capture.Noted, error) {
	return with(s.d, func() ([]capture.Noted, error) { return s.d.db.Noted(ctx, after, limit) })
}

func (s modelSource) Kind() string { return s.d.db.Kind() }

// modelTx is a transaction of it.
type modelTx struct {
	d  *modelDB
	tx merge.Tx
}

func (x modelTx) Lock(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]merge.Row, error) {
	return with(x.d, func() ([]merge.Row, error) { return x.tx.Lock(ctx, t, keys) })
}

func (x modelTx) Resolve(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]bool, error) {
	return with(x.d, func() ([]bool, error) { return x.tx.Resolve(ctx, t, keys) })
}

func (x modelTx) Referrers(ctx context.Context, parent *schema.Table, by *schema.Referrer, keys []crdt.Key, limit int) ([]merge.Link, error) {
	return with(x.d, func() ([]merge.Link, error) { return x.tx.Referrers(ctx, parent, by, keys, limit) })
}

func (x modelTx) Holders(ctx context.Context, t *schema.Table, row merge.Row) ([]merge.Holder, error) {
	return with(x.d, func() ([]merge.Holder, error) { return x.tx.Holders(ctx, t, row) })
}

func (x modelTx) Insert(ctx context.Context, t *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	return with(x.d, func() ([]merge.RowError, error) { return x.tx.Insert(ctx, t, rows) })
}

func (x modelTx) Update(ctx context.Context, t *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	return with(x.d, func() ([]merge.RowError, error) { return x.tx.Update(ctx, t, rows) })
}

func (x modelTx) Delete(ctx context.Context, t *schema.Table, keys []crdt.Key) ([]merge.RowError, error) {
	return with(x.d, func() ([]merge.RowError, error) { return x.tx.Delete(ctx, t, keys) })
}

func (x modelTx) Release(ctx context.Context, ids capture.IDs) error {
	_, err := with(x.d, func() (any, error) { return nil, x.tx.Release(ctx, ids) })
	return err
}

func (x modelTx) SetMark(ctx context.Context, before, after merge.Mark) error {
	_, err := with(x.d, func() (any, error) { return nil, x.tx.SetMark(ctx, before, after) })
	return err
}

func (x modelTx) Commit() error {
	_, err := with(x.d, func() (any, error) { return nil, x.tx.Commit() })
	return err
}

func (x modelTx) Rollback() error {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	return x.tx.Rollback()
}

func (d *modelDB) Signal(context.Context) (string, error) { return "", d.check() }

func (d *modelDB) Gaps(context.Context, *schema.Model) ([]string, error) { return nil, d.check() }

func (d *modelDB) Numbers(context.Context, *schema.Model) (map[string]int64, error) {
	return nil, d.check()
}
