package replica_test

import (
	"errors"
	"fmt"

	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/memdb"
)

var errCrash = errors.New("the machine is down")

// faults brings a site down at a chosen point: the after-th store write or
// database step from now, counted together.
type faults struct {
	after int // 0: never
	kind  faultKind
	down  bool
	lost  bool // the answer of a commit is to be lost
	at    string
	seen  []memdb.Step // of the database, since someone emptied it
	held  int          // so many updates from now somebody holds a row
	asks  int          // so many steps of the database, of those named, ask to try again
	asked memdb.Step   // which
}

type faultKind int

const (
	// crashBefore: the step does not happen and the machine goes down.
	crashBefore faultKind = iota
	// crashAfter: the step happens, then the machine goes down.
	crashAfter
	// failOnce: the step fails and everything else goes on.
	failOnce
	// loseAnswer: the step happens, the answer is an error, and everything
	// else goes on.
	loseAnswer
	faultKinds
)

// step counts a step and tells what becomes of it.
func (f *faults) step(name string) (before, after error) {
	if f.down {
		return errCrash, nil
	}
	if f.after == 0 {
		return nil, nil
	}
	if f.after--; f.after > 0 {
		return nil, nil
	}
	f.at = fmt.Sprintf("%s, kind %d", name, f.kind)
	switch f.kind {
	case crashBefore:
		f.down = true
		return errCrash, nil
	case crashAfter:
		f.down = true
		return nil, errCrash
	case loseAnswer:
		return nil, errCrash
	case failOnce:
		return errCrash, nil
	default:
		panic("unknown kind of fault")
	}
}

// database is the Fault of a memdb.
func (f *faults) database(step memdb.Step) error {
	f.seen = append(f.seen, step)
	if step == memdb.StepUpdate && f.held > 0 {
		if f.held--; f.held == 0 {
			return merge.ErrRetry
		}
	}
	if step == f.asked && f.asks > 0 {
		f.asks--
		return merge.ErrRetry
	}
	if step == memdb.StepCommitted {
		// What happens after a commit was decided at the commit.
		if f.down || f.lost {
			f.lost = false
			return errCrash
		}
		return nil
	}
	before, after := f.step(string(step))
	if step == memdb.StepCommit {
		f.lost = after != nil
		return before
	}
	return errors.Join(before, after)
}

// disk is a store and what a crash leaves of it.
type disk interface {
	kv.Store
	// restart returns the store after a crash: with all that was synced and, of
	// what was not, nothing (0), a part (1) or the most there may be (2).
	restart(kept int) (disk, error)
}

// crashStore is a store that loses what was not synced when its machine goes
// down, and whose writes count as steps.
type crashStore struct {
	*kv.Mem
	faults  *faults
	durable *kv.Mem
	pending []*kv.Batch
}

func newCrashStore(f *faults) *crashStore {
	return &crashStore{Mem: kv.NewMem(), durable: kv.NewMem(), faults: f}
}

func (s *crashStore) Write(b *kv.Batch, sync bool) error {
	before, after := s.faults.step(fmt.Sprintf("store write, sync %v", sync))
	if before != nil {
		return before
	}
	kept := &kv.Batch{}
	for _, op := range b.Ops {
		if op.Value == nil {
			kept.Delete(append([]byte(nil), op.Key...))
		} else {
			kept.Set(append([]byte(nil), op.Key...), append([]byte{}, op.Value...))
		}
	}
	s.pending = append(s.pending, kept)
	if err := s.Mem.Write(kept, sync); err != nil {
		return err
	}
	if sync {
		if err := s.sync(len(s.pending)); err != nil {
			return err
		}
	}
	return after
}

func (s *crashStore) Get(key []byte) ([]byte, error) {
	if s.faults.down {
		return nil, errCrash
	}
	return s.Mem.Get(key)
}

func (s *crashStore) sync(n int) error {
	for _, b := range s.pending[:n] {
		if err := s.durable.Write(b, true); err != nil {
			return err
		}
	}
	s.pending = s.pending[n:]
	return nil
}

// restart returns the store as a crash leaves it: with all that was synced and
// the first kept of the batches that were not.
func (s *crashStore) restart(kept int) (disk, error) {
	if err := s.sync(min(kept, len(s.pending))); err != nil {
		return nil, err
	}
	next := newCrashStore(s.faults)
	b := &kv.Batch{}
	err := s.durable.Scan(nil, nil, func(k, v []byte) bool {
		b.Set(append([]byte(nil), k...), append([]byte{}, v...))
		return true
	})
	if err != nil {
		return nil, err
	}
	next.durable = s.durable
	return next, next.Mem.Write(b, true)
}
