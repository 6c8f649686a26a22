package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// A site whose database was set back is brought up from a member like a new
// one, with one difference: what its tables hold is old, and no news. A row
// that differs becomes the member's, a row that the member does not have was
// deleted. News is only what applications wrote after the restore: the log rows
// that went into no batch. The member must have all that this site had, so that
// nothing is lost with what the database has no more; entries that it lacks it
// gets from this site's log first, as sessions go on meanwhile.

// ErrMemberBehind says that a member lacks entries that this site had applied.
var ErrMemberBehind = errors.New("it has not applied all yet that this site had")

// ErrOwnAhead says that a member has entries of this site that its store lacks.
var ErrOwnAhead = errors.New("it has entries of this site that the data directory lacks")

// Needs returns what a member must have applied to bring this site up again.
func (r *Replica) Needs() clock.VersionVector {
	need := r.applied.Clone()
	need.Merge(clock.VersionVector{{Site: r.cfg.Self, Seq: r.log.Vector().Seq(r.cfg.Self)}})
	return need
}

// startRecovery is StartBringUp after a restore.
func (r *Replica) startRecovery(ctx context.Context, h *Header) (*BringUp, error) {
	self := r.cfg.Self
	switch {
	case h.Site == self:
		return nil, errors.New("a site cannot be brought up from itself")
	case h.Vector.Seq(self) > r.log.Vector().Seq(self):
		return nil, fmt.Errorf("site %s: %w", h.Site.Short(), ErrOwnAhead)
	case !h.Vector.Includes(r.Needs()):
		return nil, fmt.Errorf("site %s: %w", h.Site.Short(), ErrMemberBehind)
	case h.Clock.Millis() > r.cfg.NowMillis()+r.cfg.MaxDriftMillis:
		return nil, fmt.Errorf("site %s has changes of %s, but the clock here says less: set this site's clock, or that one's", h.Site.Short(), h.Clock)
	}
	if err := r.dropOld(ctx); err != nil {
		return nil, err
	}
	if err := r.noteLives(); err != nil {
		return nil, fmt.Errorf("note which rows the database shows: %w", err)
	}
	for _, kind := range []byte{keyState, keyLoss, keyWaiting, keyAside} {
		if err := r.dropRows(kind); err != nil {
			return nil, fmt.Errorf("forget the states of rows that the database has not: %w", err)
		}
	}
	if err := r.forgetCounters(); err != nil {
		return nil, fmt.Errorf("forget the states of rows that the database has not: %w", err)
	}
	// What an attempt before took over, perhaps from another member, is as old as
	// the backup: this member may lack it, since it was deleted or has not come.
	if err := dropKeys(r.cfg.Store, keyTaken); err != nil {
		return nil, fmt.Errorf("forget an earlier attempt: %w", err)
	}
	return &BringUp{
		r: r, header: h, different: map[string]Different{}, again: true,
		bare: map[string]bool{}, empty: map[string]bool{}, remembered: map[string]bool{},
	}, nil
}

// dropOld releases the log rows that came back with the backup and went into a
// batch before.
func (r *Replica) dropOld(ctx context.Context) error {
	lister, ok := r.cfg.Source.(capture.Lister)
	if !ok {
		return nil
	}
	noted, err := listNoted(ctx, lister, 0, math.MaxUint64)
	if err != nil {
		return fmt.Errorf("list the changes that came back with the backup: %w", err)
	}
	old, err := r.captured(noted)
	if err != nil {
		return err
	}
	for rest := old; len(rest) > 0; {
		var some capture.IDs
		some, rest = splitIDs(rest, releaseRows)
		if err := r.dropSome(ctx, some); err != nil {
			r.unsettled = true
			return fmt.Errorf("drop the changes that came back with the backup: %w", err)
		}
	}
	return nil
}

// dropSome releases log rows that are no news, and with that gives the database another
// mark: a backup of just before has them still, and must not be taken for the same.
func (r *Replica) dropSome(ctx context.Context, ids capture.IDs) error {
	next, err := r.writeRenewed(r.mark)
	if err != nil {
		return err
	}
	return r.releaseTries(ctx, ids, next)
}

// RecoverAlone takes the database as it is, where there is no other member to
// get anything back from: what was captured after the backup is forgotten.
func (r *Replica) RecoverAlone(ctx context.Context) error {
	if err := r.resettle(ctx); err != nil || !r.recovering {
		return err
	}
	if err := r.dropOld(ctx); err != nil {
		return err
	}
	for _, kind := range []byte{keyState, keyLoss, keyWaiting, keyAside} {
		if err := r.dropRows(kind); err != nil {
			return fmt.Errorf("forget the states of rows that the database has not: %w", err)
		}
	}
	if err := r.forgetCounters(); err != nil {
		return fmt.Errorf("forget the states of rows that the database has not: %w", err)
	}
	t := r.newTxn()
	t.set(metaRecover, nil)
	t.setMark(r.mark)
	if err := t.commit(); err != nil {
		return r.abandon(t, fmt.Errorf("complete the recovery: %w", err))
	}
	r.recovering, r.wake, r.retried = false, nil, nil
	return nil
}

// dropRows removes what is kept of the rows of tables other than baraza's own.
func (r *Replica) dropRows(kind byte) error {
	for lower := []byte{kind}; lower != nil; {
		b := &kv.Batch{}
		var next []byte
		err := r.cfg.Store.Scan(lower, []byte{kind + 1}, func(k, _ []byte) bool {
			if b.Size() > moveBytes {
				next = slices.Clone(k)
				return false
			}
			if !merge.IsSystem(rowIDs(k)[0].Table) {
				b.Delete(slices.Clone(k))
			}
			return true
		})
		if err == nil && !b.Empty() {
			err = r.cfg.Store.Write(b, false)
		}
		if err != nil {
			return err
		}
		lower = next
	}
	return nil
}

// notAsked reports whether nothing can be said of a table's rows after a
// restore, since the member does not replicate it.
func (b *BringUp) notAsked(table string) bool {
	return b.again && !slices.Contains(b.header.Tables, table)
}

// Prune removes, after a restore, the rows that the member does not have: they
// were deleted since the backup. It comes after the last Put and before Finish.
// Rows that applications wrote since stay, and those that such rows refer to.
//
// A row that the member has as deleted was taken over, and it stayed if rows that
// are to go now referred to it (R4). It is tried with them: what it refers to itself
// can go only after it, and would else be taken for news.
func (b *BringUp) Prune(ctx context.Context, scanner merge.Scanner, alive func(table string, rows int64) error) error {
	// Rows of one table may refer to each other, so that some go only after
	// others, and those that refer to each other in a circle only together; what
	// goes neither way is referred to by what stays.
	together := false
	for before := -1; b.again; {
		p, err := b.prunePass(ctx, scanner, before >= 0, alive)
		if err != nil {
			return err
		}
		stuck := p.tried == before
		if !p.old || stuck && together {
			return nil
		}
		if stuck {
			if err := b.prune(ctx, p.first); err != nil {
				return err
			}
		}
		before, together = p.tried, stuck
	}
	return nil
}

// prunePass is what one round of Prune tried to remove.
type prunePass struct {
	tried int
	old   bool          // the member does not have all of them
	first []merge.RowID // of them, as many as go into one transaction
}

// prunePass tries to remove every row once; withKept: also those that were taken over.
func (b *BringUp) prunePass(ctx context.Context, scanner merge.Scanner, withKept bool, alive func(table string, rows int64) error) (p prunePass, err error) {
	scan, err := scanner.Scan(ctx)
	if err != nil {
		return p, fmt.Errorf("open a view of the database: %w", err)
	}
	defer scan.Close()
	for _, table := range slices.Backward(b.Tables()) { // children before parents
		d, ok := b.different[table]
		if !ok || !d.Any() || b.notAsked(table) {
			continue
		}
		anyKept, err := b.r.newTxn().NotPlaced(table, 1)
		if err != nil {
			return p, err
		}
		rows := int64(0)
		err = scan.Rows(ctx, b.r.cfg.Model.Tables[table], func(part []merge.Row) error {
			var ids []merge.RowID
			for i := range part {
				id := merge.RowID{Table: table, Key: part[i].Key}
				if !d.has(id.Key) {
					continue
				}
				old, kept, err := b.toPrune(id, withKept && len(anyKept) > 0)
				if err != nil {
					return err
				}
				if p.old = p.old || old; old || kept {
					ids = append(ids, id)
				}
			}
			rows += int64(len(part))
			p.tried += len(ids)
			p.first = append(p.first, ids[:min(len(ids), b.r.limits.groupRows-len(p.first))]...)
			for some := range slices.Chunk(ids, b.r.limits.groupRows) {
				if err := b.prune(ctx, some); err != nil {
					return err
				}
			}
			return alive(table, rows)
		})
		if err != nil {
			return p, fmt.Errorf("remove rows of table %s that were deleted since the backup: %w", table, err)
		}
	}
	return p, nil
}

// toPrune reports whether a row is old, one that the member does not have or need not
// remember as deleted, or one that was taken over as deleted and stayed; anyKept: there
// may be such rows.
func (b *BringUp) toPrune(id merge.RowID, anyKept bool) (old, kept bool, err error) {
	taken, err := b.r.cfg.Store.Get(rowKey(keyTaken, id))
	if err != nil || taken == nil {
		return taken == nil, false, err
	}
	k, err := decodeTakeover(taken)
	if err != nil || k.Back || !anyKept {
		return err == nil && k.Back, false, err
	}
	s, err := b.r.stateOf(id)
	return false, err == nil && s != nil && s.Dead() && s.Place == merge.Kept, err
}

// prune removes some rows, in one transaction, in smaller ones
// where the database asks to try again.
func (b *BringUp) prune(ctx context.Context, ids []merge.RowID) error {
	for try := 1; ; try++ {
		err := b.pruneOnce(ctx, ids)
		switch {
		case !errors.Is(err, merge.ErrRetry) || try == publishTries:
			return err
		case len(ids) > 1:
			half := len(ids) / 2
			if err := b.prune(ctx, ids[:half]); err != nil {
				return err
			}
			return b.prune(ctx, ids[half:])
		}
	}
}

func (b *BringUp) pruneOnce(ctx context.Context, ids []merge.RowID) error {
	if err := b.r.resettle(ctx); err != nil {
		return err
	}
	tx, err := b.r.cfg.Database.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	t := b.r.newTxn()
	if err = b.fillPrune(ctx, tx, t, ids); err == nil {
		err = tx.SetMark(ctx, b.r.mark, b.r.mark.Next())
	}
	if err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return b.r.abandon(t, err)
	}
	return b.r.commitBoth(tx, t)
}

func (b *BringUp) fillPrune(ctx context.Context, tx merge.Tx, t *txn, ids []merge.RowID) error {
	locked := b.r.merger.NewAdoption(ids)
	locked.Follow()
	if err := locked.Lock(ctx, tx, t); err != nil {
		return err
	}
	items := map[merge.RowID]*Item{}
	for _, id := range locked.Rows() {
		items[id] = &Item{}
	}
	pending, err := b.r.pendingOf(ctx, func() map[merge.RowID]*Item { return items })
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id merge.RowID) bool { return pending.rows[id] != nil || locked.InTable(id) == nil })
	if len(ids) == 0 {
		return nil
	}
	p := b.r.merger.NewAdoption(ids)
	p.Follow()
	p.Away(pending.away)
	if err := p.Lock(ctx, tx, t); err != nil {
		return err
	}
	rows := make(map[merge.RowID]*crdt.Row, len(items))
	for _, id := range p.Rows() {
		if items[id] == nil || pending.rows[id] != nil {
			p.LeaveOut(id)
			continue
		}
		if rows[id], err = b.toGo(t, id, p.InTable(id)); err != nil {
			return err
		}
	}
	return p.Adopt(ctx, tx, t, rows)
}

// toGo returns what becomes of a row when rows are removed: one that the member does not
// have goes, and one that was taken over, or is the same at the member, is what it is.
func (b *BringUp) toGo(t *txn, id merge.RowID, inTable *merge.Row) (*crdt.Row, error) {
	if inTable == nil {
		return nil, fmt.Errorf("%w: row %s of table %s has just been deleted", merge.ErrRetry, id.Key, id.Table)
	}
	taken, err := t.get(rowKey(keyTaken, id))
	if d := b.different[id.Table]; err != nil || taken == nil && d.Any() && d.has(id.Key) {
		return &crdt.Row{}, err
	}
	s, err := t.State(id)
	if err != nil {
		return nil, err
	}
	losses, err := t.Losses(id)
	if err != nil {
		return nil, err
	}
	row := merge.Logical(inTable, s, losses)
	row.Number = b.r.number(id.Table)
	return row, nil
}
