package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"baraza/internal/kv"
	"baraza/merge"
)

// What happens when store and database no longer fit each other
// (docs/decisions/0006-restored.md). Every transaction of ours in the database
// carries a mark, and goes through only if the one before it is there; the
// store knows which mark it left, and which it may have left before a crash.
// Any other mark means that one of the two was restored from a backup:
//
//	recover.go          noticing
//	history.go          which log rows of a restored database are no news
//	recover_bringup.go  getting the missed changes back from a member

// ErrRecover says that the database was restored from an older backup; until
// the missed changes are back the site neither captures nor applies.
var ErrRecover = errors.New("the database was restored from an older backup, and the changes since are not back yet")

// ErrStoreBehind says that the store is older than the database, or that
// another data directory has served the database since.
var ErrStoreBehind = errors.New("the data directory is older than the database: it was restored from a backup, or another data directory serves this database")

// checkInterval is how often an idle site compares the mark.
const checkIntervalMillis = 1000

// Recovering reports whether the database was set back and is not brought up
// again yet, and when that was noticed, in milliseconds since the Unix epoch.
func (r *Replica) Recovering() (since int64, yes bool) { return r.since, r.recovering }

// left is what the store knows of the mark that the database should have.
type left struct {
	known bool // false in the store of a new site, or of an older version
	mark  merge.Mark
	// renewed is what the last start may have made of it.
	renewed    merge.Mark
	hasRenewed bool
	// staged is the mark of the group in the staging area.
	staged    merge.Mark
	hasStaged bool
	// taken: a release may have been committed that the store does not know of.
	taken bool
}

// found is what a mark in the database means.
type found int

const (
	asLeft     found = iota
	asStaged         // the staged group was committed
	asReleased       // the log rows taken last were released
	setBack          // the database is older than the store
	storeBehind
)

// judge says what a mark means, as far as the marks tell.
func (l *left) judge(db merge.Mark) found {
	switch {
	case l.hasStaged && db == l.staged:
		return asStaged
	case !l.known || db == l.mark || l.hasRenewed && db == l.renewed:
		return asLeft
	case l.taken && db == l.mark.Next():
		return asReleased
	case l.hasRenewed && db.Boot < l.renewed.Boot:
		// Before it was renewed it was found as left: this is a backup that is
		// newer than the one restored then.
		return setBack
	case db.Boot < l.mark.Boot, db.Boot == l.mark.Boot && db.Nonce == l.mark.Nonce && db.Number < l.mark.Number:
		return setBack
	}
	return storeBehind
}

// setMark notes in a step which mark the database has after it.
func (t *txn) setMark(m merge.Mark) {
	t.set(metaMark, appendMark(t.mem.room(markBytes), m))
	t.set(metaRenewed, nil)
}

// loadLeft reads what the store knows. A staged step without a number holds
// whatever the database has, and is completed first.
func loadLeft(store kv.Store) (*left, error) {
	l := &left{}
	staged, err := store.Get(metaStaged)
	switch {
	case err != nil || staged == nil:
	case binary.BigEndian.Uint64(staged) == 0:
		err = finishStaged(store, true)
	default:
		l.staged, l.hasStaged, err = loadStagedMark(store, staged)
	}
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	for _, key := range [][]byte{metaMark, metaRenewed, metaTaken} {
		v, err := store.Get(key)
		if err != nil {
			return nil, fmt.Errorf("read the store: %w", err)
		}
		switch {
		case len(v) == 0:
		case string(key) == string(metaMark):
			l.mark, l.known = decodeMark(v), true
		case string(key) == string(metaRenewed):
			l.renewed, l.hasRenewed = decodeMark(v), true
		case string(key) == string(metaTaken):
			l.taken = true
		}
	}
	return l, nil
}

// loadStagedMark reads which mark the database has if it committed the staged
// step: one of the step's writes says it.
func loadStagedMark(store kv.Store, staged []byte) (m merge.Mark, ok bool, err error) {
	if len(staged) > stagedNumber {
		b := &kv.Batch{}
		if err := readOps(staged[stagedNumber:], b); err != nil {
			return m, false, err
		}
		for _, op := range b.Ops {
			if string(op.Key) == string(metaMark) {
				return decodeMark(op.Value), true, nil
			}
		}
		return m, false, errStaged
	}
	v, err := store.Get(append([]byte{keyStaged}, metaMark...))
	if err != nil || v == nil {
		return m, false, err
	}
	return decodeMark(stagedValue(v)), true, nil
}

// judge says what the database's mark means.
func (r *Replica) judge(ctx context.Context, l *left, db merge.Mark) (found, error) {
	f := l.judge(db)
	switch {
	case f == storeBehind:
		return f, fmt.Errorf("%w (it knows transaction %d of start %d, the database has %d of start %d): stop, and join again with a new --data directory",
			ErrStoreBehind, l.mark.Number, l.mark.Boot, db.Number, db.Boot)
	case f == asLeft && l.known && db == l.mark && l.taken:
		there, err := r.takenThere(ctx)
		if err != nil {
			return f, err
		}
		if !there {
			f = setBack
		}
	}
	return f, nil
}

// noteSetBack remembers that the database is to be brought up again, from the
// mark on that it has now, and returns the mark that it is to get. Both are noted
// at once: a newer backup put in its place at any moment after this is older than
// the start that is noted, and so is told from a store that is behind. A site that
// waits for its first rows begins anew without further ado.
func (r *Replica) noteSetBack(db merge.Mark) (next merge.Mark, err error) {
	b := &kv.Batch{}
	next, err = r.noteRenewed(b, db)
	if err != nil {
		return next, err
	}
	waits, err := r.cfg.Store.Get(metaBringUp)
	if err != nil {
		return next, err
	}
	if err := r.noteShown(b, db); err != nil {
		return next, fmt.Errorf("note that the database was set back: %w", err)
	}
	if waits == nil {
		b.Set(metaRecover, binary.BigEndian.AppendUint64(nil, uint64(r.cfg.NowMillis())))
	}
	if err := r.cfg.Store.Write(b, true); err != nil {
		return next, fmt.Errorf("note that the database was set back: %w", err)
	}
	return next, nil
}

func (r *Replica) loadRecover() error {
	b, err := r.cfg.Store.Get(metaRecover)
	if err != nil {
		return err
	}
	r.recovering, r.since = b != nil, 0
	if r.recovering {
		r.since = int64(binary.BigEndian.Uint64(b))
	}
	return nil
}

// renew gives the database a mark of this start: from now on a database that
// is set back to before it, and goes on from there, is told from this one,
// however many transactions it makes. The store says first which mark that is
// to be, so that a crash leaves no doubt.
func (r *Replica) renew(ctx context.Context) error {
	if r.cfg.Nonce == 0 {
		return nil
	}
	if err := r.releaseTaken(ctx); err != nil {
		return err
	}
	next, err := r.writeRenewed(r.mark)
	if err != nil {
		return err
	}
	return r.giveMark(ctx, next)
}

// noteRenewed notes in a batch which mark the database has, and which it is to get
// next: that of this start, if it has one.
func (r *Replica) noteRenewed(b *kv.Batch, has merge.Mark) (next merge.Mark, err error) {
	b.Set(metaMark, encodeMark(has))
	b.Delete(metaTaken)
	if r.cfg.Nonce == 0 {
		b.Delete(metaRenewed)
		return has, nil
	}
	boots, err := r.boots()
	if err != nil {
		return has, err
	}
	last := has.Boot
	if len(boots) > 0 {
		last = max(last, boots[0].Count)
	}
	next = merge.Mark{Number: has.Number + 1, Boot: last + 1, Nonce: r.cfg.Nonce + r.renewed}
	r.renewed++
	b.Set(metaRenewed, encodeMark(next))
	b.Set(metaBoots, boots.with(next).encode())
	return next, nil
}

// writeRenewed is noteRenewed, written by itself.
func (r *Replica) writeRenewed(has merge.Mark) (next merge.Mark, err error) {
	b := &kv.Batch{}
	next, err = r.noteRenewed(b, has)
	if err != nil {
		return next, err
	}
	if err := r.cfg.Store.Write(b, true); err != nil {
		r.unsettled = true
		return next, fmt.Errorf("renew the mark: %w", err)
	}
	return next, nil
}

// markTries is how often a transaction that only gives the database a mark, or
// releases log rows, is tried where the database asks for that: a site starts with
// both.
const markTries = 5

// giveMark gives the database the mark that noteRenewed returned.
func (r *Replica) giveMark(ctx context.Context, next merge.Mark) error {
	if next == r.mark {
		return nil
	}
	err := r.setMark(ctx, next)
	for try := 1; errors.Is(err, merge.ErrRetry) && try < markTries; try++ {
		err = r.setMark(ctx, next)
	}
	if err != nil {
		r.unsettled = true
		return fmt.Errorf("renew the mark: %w", err)
	}
	return nil
}

// setMark is a transaction that does nothing but set the mark.
func (r *Replica) setMark(ctx context.Context, next merge.Mark) error {
	tx, err := r.cfg.Database.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err := tx.SetMark(ctx, r.mark, next); err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	r.mark = next
	return nil
}

// check makes sure that the database is the one that we left.
func (r *Replica) check(ctx context.Context) error {
	mark, err := r.cfg.Database.Mark(ctx)
	if err != nil {
		return err
	}
	r.checkedAt = r.cfg.NowMillis()
	if mark != r.mark {
		r.unsettled = true
		return fmt.Errorf("%w: its mark is %v, not %v", merge.ErrSetBack, mark, r.mark)
	}
	return nil
}

// checkNow is check, now and then, and refuses work while the database is to
// be brought up again.
func (r *Replica) checkNow(ctx context.Context) error {
	if r.recovering {
		return ErrRecover
	}
	if since := r.cfg.NowMillis() - r.checkedAt; since >= 0 && since < checkIntervalMillis {
		return nil
	}
	return r.check(ctx)
}

// markBytes is what a mark takes in the store, in bytes.
const markBytes = 24

func encodeMark(m merge.Mark) []byte { return appendMark(nil, m) }

func appendMark(b []byte, m merge.Mark) []byte {
	b = binary.BigEndian.AppendUint64(b, m.Number)
	b = binary.BigEndian.AppendUint64(b, m.Boot)
	return binary.BigEndian.AppendUint64(b, m.Nonce)
}

func decodeMark(b []byte) merge.Mark {
	if len(b) != markBytes {
		return merge.Mark{}
	}
	return merge.Mark{
		Number: binary.BigEndian.Uint64(b), Boot: binary.BigEndian.Uint64(b[8:]), Nonce: binary.BigEndian.Uint64(b[16:]),
	}
}
