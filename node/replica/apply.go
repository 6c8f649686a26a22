package replica

import (
	"context"
	"errors"
	"fmt"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
)

// ErrCaptureFirst says that there are more local changes than an apply step takes;
// call Capture, then Apply again.
var ErrCaptureFirst = errors.New("local changes must be captured first")

// Result is what one Apply did.
type Result struct {
	Changes int // row changes applied
	Local   int // local row changes taken on the way
	Batches int
	Woken   int  // rows that waited and were tried again
	System  bool // rows of system tables are among the changes
}

// Apply merges the next batches of other sites into the database, in one
// transaction, as many as fit and are due: a batch is due when it is whole and
// everything that its writer had seen is applied. When none is, rows that were
// woken are tried again. When there is neither, Result.Batches and Result.Woken
// are 0. After merge.ErrRetry the caller tries again, perhaps with a smaller
// limit; 0 means the default.
func (r *Replica) Apply(ctx context.Context, limit int) (Result, error) {
	if limit <= 0 {
		limit = r.limits.groupRows
	}
	if err := r.begin(ctx); err != nil {
		return Result{}, err
	}
	if len(r.wake) == 0 && !r.log.beyond(r.applied) {
		return Result{}, nil // asked a hundred times a second
	}
	g, err := r.nextGroup(limit)
	if err != nil {
		return Result{}, err
	}
	if len(g.batches) == 0 {
		if len(r.wake) == 0 {
			return Result{}, nil
		}
		g.woken = min(len(r.wake), r.limits.groupRows)
		g.retry = r.wake[:g.woken]
	}
	return r.applyGroup(ctx, g)
}

func (r *Replica) applyGroup(ctx context.Context, g *group) (Result, error) {
	tx, err := r.cfg.Database.Begin(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("begin a transaction: %w", err)
	}
	t := r.newTxn()
	l := r.newLocal(t)
	res, err := r.fill(ctx, g, tx, t, l)
	if err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return Result{}, r.abandon(t, err)
	}
	if res.Batches == 0 && res.Local == 0 && len(t.order) == 0 {
		r.done(t)
		return res, tx.Rollback()
	}
	if err := r.commitBoth(tx, t); err != nil {
		return Result{}, err
	}
	r.adoptGroup(g, l)
	for _, p := range g.done {
		r.merger.Done(p)
	}
	r.done(t)
	r.doneGroup(g)
	if res.System {
		return res, r.loadRules()
	}
	return res, nil
}

// commitBoth commits a step to the store and the database, which has the
// step's number already.
func (r *Replica) commitBoth(tx merge.Tx, t *txn) error {
	next := r.mark.Next()
	t.setMark(next)
	if err := t.stage(next.Number); err != nil {
		_ = tx.Rollback()
		return r.abandon(t, fmt.Errorf("stage group %d: %w", next.Number, err))
	}
	if err := tx.Commit(); err != nil {
		return r.abandon(t, fmt.Errorf("commit group %d: %w", next.Number, err))
	}
	if err := t.finish(); err != nil {
		return r.abandon(t, fmt.Errorf("finish group %d: %w", next.Number, err))
	}
	r.mark = next
	return nil
}

// adoptGroup makes the group's outcome the replica's.
func (r *Replica) adoptGroup(g *group, l *local) {
	if r.appliedOwn {
		r.spareApplied = r.applied
	}
	r.applied, r.appliedOwn = g.applied, true
	r.gained(g.gains)
	r.clock.Observe(g.observed)
	r.wake = r.wake[g.woken:]
	l.adopt()
}

// fill writes the group into the transaction and the step.
func (r *Replica) fill(ctx context.Context, g *group, tx merge.Tx, t *txn, l *local) (Result, error) {
	var res Result
	if g.large {
		if err := r.lockAll(ctx, g, tx, t); err != nil {
			return res, err
		}
		if err := r.takePending(ctx, tx, l); err != nil {
			return res, err
		}
	}
	for i := 0; ; i++ {
		in, err := g.piece(r, i)
		if err != nil {
			return res, err
		}
		if in == nil {
			break
		}
		p := r.merger.NewPiece(in)
		if err := t.prefetch(p.Rows()); err != nil {
			return res, err
		}
		if err := p.Lock(ctx, tx, t); err != nil {
			return res, err
		}
		if !g.large {
			if err := r.takePending(ctx, tx, l); err != nil {
				return res, err
			}
		}
		if err := p.Merge(ctx, tx, t); err != nil {
			return res, err
		}
		l.wake = append(l.wake, p.Deferred...)
		if !g.large {
			g.done = append(g.done, p)
		}
		for j := range in {
			res.Changes += len(in[j].Changes)
			for k := range in[j].Changes {
				res.System = res.System || merge.IsSystem(in[j].Changes[k].Table)
			}
		}
	}
	if p := r.merger.PieceOf(g.retry); p != nil {
		if err := r.retryPiece(ctx, p, tx, t, l); err != nil {
			return res, err
		}
	}
	res.Batches, res.Woken, res.Local = len(g.batches), len(g.retry), l.changes
	if err := l.finish(); err != nil {
		return res, err
	}
	if l.changes > 0 {
		l.gain(&g.gains)
		g.applied.Set(l.applied.Get(r.cfg.Self))
	}
	r.saveVectors(t, g.applied, g.gains, max(g.observed, l.clock.Last()))
	return res, tx.SetMark(ctx, r.mark, r.mark.Next())
}

// lockAll locks the rows of all pieces. Local changes can be taken only once in
// a transaction, as the source gives them again until it is committed; and they
// are taken when every row is locked.
func (r *Replica) lockAll(ctx context.Context, g *group, tx merge.Tx, t *txn) error {
	for i := 0; ; i++ {
		in, err := g.piece(r, i)
		if err != nil || in == nil {
			return err
		}
		if err := r.merger.NewPiece(in).Lock(ctx, tx, t); err != nil {
			return err
		}
	}
}

// retryPiece places rows once more that wait, are held or set aside.
func (r *Replica) retryPiece(ctx context.Context, p *merge.Piece, tx merge.Tx, t *txn, l *local) error {
	if err := p.Lock(ctx, tx, t); err != nil {
		return err
	}
	if err := r.takePending(ctx, tx, l); err != nil {
		return err
	}
	err := p.Merge(ctx, tx, t)
	l.wake = append(l.wake, p.Deferred...)
	return err
}

// takePending takes the local changes that were committed before the rows were
// locked, so that the merge sees their stamps. They are read in a view of
// their own, opened after the locks: whatever changed the locked rows is in it.
func (r *Replica) takePending(ctx context.Context, tx merge.Tx, l *local) error {
	reading, err := r.cfg.Source.Read(ctx)
	if err != nil {
		return fmt.Errorf("read local changes: %w", err)
	}
	defer reading.Close()
	part, err := reading.Next(ctx, r.limits.pendingRows)
	if err != nil {
		return fmt.Errorf("read local changes: %w", err)
	}
	if part == nil {
		return nil
	}
	more, err := reading.Next(ctx, 1)
	if err != nil {
		return fmt.Errorf("read local changes: %w", err)
	}
	if more != nil {
		return ErrCaptureFirst
	}
	if err := l.add(part); err != nil {
		return err
	}
	return tx.Release(ctx, part.IDs)
}

// group is the batches that one transaction applies.
type group struct {
	batches  []pending
	applied  clock.VersionVector
	gains    gains
	observed clock.Timestamp
	// rows are those that the batches change, in so many changes and bytes of
	// entries; nil as long as there are fewer changes than rows may be.
	rows           map[merge.RowID]bool
	changes, bytes int
	// large: the single batch is read entry by entry.
	large bool
	// retry are rows to place once more; the last woken of them are the first
	// of Replica.wake.
	retry []merge.RowID
	woken int
	// done are the pieces that were merged, but for those of a large batch; in is
	// the memory of what they are made of.
	done []*merge.Piece
	in   []merge.Incoming
}

// newGroup begins a step that applies: what the one before had in memory is given
// up.
func (r *Replica) newGroup() *group {
	r.memory.Reset()
	g := r.spareGroup
	r.spareGroup = nil
	if g == nil {
		g = &group{}
	}
	g.applied, g.observed = append(r.spareApplied[:0], r.applied...), r.clock.Last()
	r.spareApplied = nil
	return g
}

// doneGroup keeps the memory of a group that is applied for the next one.
func (r *Replica) doneGroup(g *group) {
	if cap(g.batches) > spareRows {
		return
	}
	clear(g.batches)
	clear(g.in)
	clear(g.gains)
	clear(g.done)
	*g = group{batches: g.batches[:0], in: g.in[:0], gains: g.gains[:0], done: g.done[:0]}
	r.spareGroup = g
}

// settledOf returns what an origin had said is settled when it wrote a batch
// that says what said says.
func (g *group) settledOf(r *Replica, origin clock.SiteID, said *published) clock.VersionVector {
	if said == nil {
		said = g.gains.said(origin)
	}
	if said != nil {
		return said.settled
	}
	return r.settledOf(origin)
}

// pending is a batch that is due.
type pending struct {
	origin      clock.SiteID
	first, last uint64
	context     clock.VersionVector
	settled     clock.VersionVector // see merge.Incoming
	unseen      clock.VersionVector // its After
	changes     []crdt.Change       // not for a large batch
}

// piece returns the i-th piece of the group; nil after the last.
func (g *group) piece(r *Replica, i int) ([]merge.Incoming, error) {
	if !g.large {
		if i > 0 || len(g.batches) == 0 {
			return nil, nil
		}
		g.in = g.in[:0]
		for j := range g.batches {
			b := &g.batches[j]
			g.in = append(g.in, merge.Incoming{Origin: b.origin, Context: b.context, Settled: b.settled, After: b.unseen, Changes: b.changes})
		}
		return g.in, nil
	}
	b := g.batches[0]
	seq := b.first + uint64(i)
	if seq > b.last {
		return nil, nil
	}
	e, err := r.entry(b.origin, seq)
	if err != nil {
		return nil, err
	}
	return []merge.Incoming{{Origin: b.origin, Context: b.context, Settled: b.settled, After: b.unseen, Changes: e.Changes}}, nil
}
