package replica

import (
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// StagedEmpty reports whether the staging area is empty.
func (r *Replica) StagedEmpty() (bool, error) {
	empty := true
	err := r.cfg.Store.Scan([]byte{keyStaged}, []byte{keyStaged + 1}, func(_, _ []byte) bool { empty = false; return false })
	mark, e := r.cfg.Store.Get(metaStaged)
	return empty && mark == nil, firstError(err, e)
}

// EachState calls each for every row state in the store.
func (r *Replica) EachState(each func(merge.RowID, *merge.State)) error {
	var bad error
	err := r.cfg.Store.Scan([]byte{keyState}, []byte{keyState + 1}, func(k, v []byte) bool {
		var s *merge.State
		if s, bad = r.names.decodeState(v); bad == nil {
			each(rowIDs(k)[0], s)
		}
		return bad == nil
	})
	return firstError(err, bad)
}

// EachIndexed calls each for every row that the indexes of waiting and not
// placed rows name; missing is empty in the latter.
func (r *Replica) EachIndexed(each func(row, missing merge.RowID)) error {
	err := r.cfg.Store.Scan([]byte{keyWaiting}, []byte{keyWaiting + 1}, func(k, _ []byte) bool {
		ids := rowIDs(k)
		each(ids[1], ids[0])
		return true
	})
	e := r.cfg.Store.Scan([]byte{keyAside}, []byte{keyAside + 1}, func(k, _ []byte) bool {
		each(rowIDs(k)[0], merge.RowID{})
		return true
	})
	return firstError(err, e)
}

// Batches returns an origin's whole log as batches, with their full contexts.
func Batches(origin clock.SiteID, log [][]byte) ([]crdt.Batch, error) {
	var all []crdt.Batch
	var context clock.VersionVector
	for i, raw := range log {
		seq := uint64(i + 1)
		e, err := decode(raw, origin, seq)
		if err != nil {
			return nil, err
		}
		if e.First {
			context = context.Clone()
			context.Merge(e.Context)
			all = append(all, crdt.Batch{Origin: origin, First: seq, Context: context})
		}
		b := &all[len(all)-1]
		b.Last, b.Changes = seq, append(b.Changes, e.Changes...)
		if e.Last {
			b.Through = e.Through
		}
	}
	return all, nil
}

// SetLimits makes the limits small, so that small tests reach them.
func (r *Replica) SetLimits(rows, bytes int) {
	r.limits = limits{captureRows: rows, pendingRows: 1000, groupRows: rows, groupBytes: bytes, entryBytes: bytes, stepRows: rows, stepBytes: 4 * bytes}
}

// Store returns the replica's store.
func (r *Replica) Store() kv.Store { return r.cfg.Store }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Left is what a store knows of the database's mark.
type Left struct {
	Known                 bool
	Mark, Renewed, Staged merge.Mark
	HasRenewed, HasStaged bool
	Taken                 bool
}

// Judge says what a mark means.
func (l Left) Judge(db merge.Mark) string {
	in := left{
		known: l.Known, mark: l.Mark, renewed: l.Renewed, hasRenewed: l.HasRenewed,
		staged: l.Staged, hasStaged: l.HasStaged, taken: l.Taken,
	}
	return [...]string{"as left", "as staged", "as released", "set back", "store behind"}[in.judge(db)]
}

// WakeRows returns the rows that the next Apply places.
func (r *Replica) WakeRows() []merge.RowID { return r.wake }
