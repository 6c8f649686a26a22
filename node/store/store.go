package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"baraza/internal/kv"
)

// Store is a kv.Store on disk. Only one Store may have a directory open.
type Store struct {
	dir string
	db  *pebble.DB

	// Pebble panics when it is used after Close or closed while in use. Every
	// call is counted in, and Close waits until all are out.
	mu     sync.Mutex
	idle   sync.Cond
	calls  int
	closed bool
}

// Open opens the store in o.Dir and creates it when it is not there.
func Open(o Options) (*Store, error) {
	o.defaults()
	return openWith(&o, o.pebble())
}

func openWith(o *Options, opts *pebble.Options) (*Store, error) {
	db, err := pebble.Open(o.Dir, opts)
	if err != nil {
		return nil, openError(o.Dir, err)
	}
	s := &Store{dir: o.Dir, db: db}
	s.idle.L = &s.mu
	return s, nil
}

// openError says what to do about the errors that an administrator meets.
func openError(dir string, err error) error {
	text := oneLine(err.Error())
	switch {
	case strings.Contains(text, "lock held by"):
		return fmt.Errorf("the store in %s is already open in this process: close it first", dir)
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) && holder(dir) != "":
		return fmt.Errorf("the store in %s is open in another baraza process%s: stop that one first, or use another --data", dir, holder(dir))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the store in %s may not be opened by this user (%s): run baraza as the owner of the directory", dir, text)
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("the store in %s is damaged (%s): move it away and join again, the database's rows are merged", dir, text)
	}
	return fmt.Errorf("cannot open the store in %s: %s", dir, text)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// enter counts a call in; the caller calls leave unless it gets an error.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return kv.ErrClosed
	}
	s.calls++
	return nil
}

func (s *Store) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls--
	if s.calls == 0 {
		s.idle.Broadcast()
	}
}

// Get implements kv.Reader.
func (s *Store) Get(key []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.get(s.db, key)
}

// GetMany implements kv.ManyReader.
func (s *Store) GetMany(keys [][]byte, each func(i int, value []byte)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.getMany(s.db, keys, each)
}

// Scan implements kv.Reader.
func (s *Store) Scan(lower, upper []byte, each func(key, value []byte) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.scan(s.db, lower, upper, each)
}

// Write implements kv.Store. Concurrent synced writes share one fsync.
func (s *Store) Write(b *kv.Batch, sync bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	batch := s.db.NewBatchWithSize(b.Size() + 16*len(b.Ops) + 16)
	for _, op := range b.Ops {
		if err := s.add(batch, op); err != nil {
			return s.wrap("write", err)
		}
	}
	if batch.Empty() && sync {
		// Even an empty synced write promises that all before it is safe.
		if err := batch.LogData(nil, nil); err != nil {
			return s.wrap("write", err)
		}
	}
	if err := batch.Commit(&pebble.WriteOptions{Sync: sync}); err != nil {
		return s.wrap("write", err)
	}
	if err := batch.Close(); err != nil { // its memory is used again
		return s.wrap("write", err)
	}
	return nil
}

func (s *Store) add(batch *pebble.Batch, op kv.Op) error {
	if op.Value == nil {
		return batch.Delete(op.Key, nil)
	}
	return batch.Set(op.Key, op.Value, nil)
}

// Snapshot implements kv.Store.
func (s *Store) Snapshot() kv.Snapshot {
	if s.enter() != nil {
		return &snapshot{store: s, closed: true}
	}
	defer s.leave()
	return &snapshot{store: s, snap: s.db.NewSnapshot()}
}

// Close implements kv.Store. It waits for calls that are under way; snapshots
// must be closed before.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return kv.ErrClosed
	}
	s.closed = true
	for s.calls > 0 {
		s.idle.Wait()
	}
	s.mu.Unlock()
	if err := s.db.Close(); err != nil {
		return s.wrap("close", err)
	}
	return nil
}

// DiskBytes returns how much disk the store uses, its log included.
func (s *Store) DiskBytes() (uint64, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	return s.db.Metrics().DiskSpaceUsage(), nil
}

func (s *Store) get(r pebble.Reader, key []byte) ([]byte, error) {
	value, done, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, s.wrap("read", err)
	}
	value = append([]byte{}, value...)
	if err := done.Close(); err != nil {
		return nil, s.wrap("read", err)
	}
	return value, nil
}

// getMany reads with one iterator, which finds what comes next near what came
// before. Unlike Get it asks the filters of the last level too: most keys asked
// for are of new rows, and absent.
func (s *Store) getMany(r pebble.Reader, keys [][]byte, each func(i int, value []byte)) error {
	it, err := r.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return s.wrap("read", err)
	}
	for i, key := range keys {
		if !it.SeekPrefixGE(key) {
			if it.Error() != nil {
				break
			}
			each(i, nil)
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return s.wrap("read", errors.Join(err, it.Close()))
		}
		if value == nil {
			value = []byte{} // there, and empty
		}
		each(i, value)
	}
	if err := it.Close(); err != nil { // also the error that ended the loop
		return s.wrap("read", err)
	}
	return nil
}

func (s *Store) scan(r pebble.Reader, lower, upper []byte, each func(key, value []byte) bool) error {
	if len(lower) == 0 {
		lower = nil // the same to a caller; Pebble built with -race panics at an empty bound
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return s.wrap("read", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return s.wrap("read", errors.Join(err, it.Close()))
		}
		if !each(it.Key(), value) {
			break
		}
	}
	if err := it.Close(); err != nil { // also the error that ended the loop
		return s.wrap("read", err)
	}
	return nil
}

func (s *Store) wrap(verb string, err error) error {
	return fmt.Errorf("cannot %s the store in %s: %s", verb, s.dir, oneLine(err.Error()))
}

// snapshot is a fixed view of a Store.
type snapshot struct {
	store *Store
	snap  *pebble.Snapshot
	// mu is held for reading by reads, so that Close waits for them.
	mu     sync.RWMutex
	closed bool
}

func (s *snapshot) enter() error {
	s.mu.RLock()
	err := kv.ErrClosed
	if !s.closed {
		err = s.store.enter()
	}
	if err != nil {
		s.mu.RUnlock()
	}
	return err
}

func (s *snapshot) leave() {
	s.store.leave()
	s.mu.RUnlock()
}

func (s *snapshot) Get(key []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.store.get(s.snap, key)
}

// GetMany implements kv.ManyReader.
func (s *snapshot) GetMany(keys [][]byte, each func(i int, value []byte)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.store.getMany(s.snap, keys, each)
}

func (s *snapshot) Scan(lower, upper []byte, each func(key, value []byte) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.store.scan(s.snap, lower, upper, each)
}

func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return kv.ErrClosed
	}
	s.closed = true
	return s.snap.Close()
}
