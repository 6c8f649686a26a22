package kv

import (
	"errors"
	"slices"
	"sync"
)

// ErrClosed is what every call on a closed store or snapshot returns.
var ErrClosed = errors.New("the store is closed; open it again")

// leafKeysMax bounds a leaf, and with it what one write moves or copies.
const leafKeysMax = 64

// Mem is a Store in memory: one sorted array, cut into leaves. It is
// deterministic: the same writes give the same store, and nothing in it
// depends on time or on the addresses of things.
//
// Snapshots cost nothing until the next write. Each snapshot starts a new
// epoch; a leaf, or the list of leaves, that an earlier epoch made belongs to
// the snapshots too and is copied before it is changed.
type Mem struct {
	mu     sync.RWMutex
	small  []byte // room for small values
	closed bool
	epoch  uint64
	tree   tree
	// near is the leaf that was written last, by the kind of key: the writes of one
	// kind mostly follow each other.
	near [nearKinds]int
}

// tree is a sorted list of non-empty sorted leaves, and of each the first key that
// it has, or had before that was removed: no key of the leaf is less, and none of
// those before is not. epoch is when the list, and the leaf, was copied last.
type tree struct {
	epoch  uint64
	leaves []*leaf
	firsts [][]byte
}

// NewMem returns an empty store.
func NewMem() *Mem { return &Mem{} }

// Get implements Reader.
func (m *Mem) Get(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, ErrClosed
	}
	return cloneSome(m.tree.get(key)), nil
}

// GetMany implements ManyReader.
func (m *Mem) GetMany(keys [][]byte, each func(i int, value []byte)) error {
	view, epoch, err := m.view() // each may write to the store
	if err != nil || len(keys) == 0 {
		return err
	}
	defer m.unview(epoch)
	at := m.guess(keys[0])
	for i, key := range keys {
		if len(view.leaves) == 0 {
			each(i, nil)
			continue
		}
		at = view.findNear(at, key)
		each(i, view.leaves[at].get(key))
	}
	return nil
}

// Scan implements Reader. It reads a snapshot, so each may write to the store.
func (m *Mem) Scan(lower, upper []byte, each func(key, value []byte) bool) error {
	view, epoch, err := m.view()
	if err != nil {
		return err
	}
	defer m.unview(epoch)
	view.scan(lower, upper, each)
	return nil
}

var _ Lasting = (*Mem)(nil)

// Lasts implements Lasting: a value is replaced, never written in place.
func (m *Mem) Lasts() {}

// Write implements Store; a store in memory has nothing to sync.
func (m *Mem) Write(b *Batch, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	for i := range b.Ops {
		m.put(&b.Ops[i])
	}
	return nil
}

// Swap is Write, and appends to undo what takes the batch back when it is
// written from the last operation to the first. What it appends is read only.
func (m *Mem) Swap(b *Batch, undo []Op) ([]Op, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return undo, ErrClosed
	}
	for i := range b.Ops {
		if was := m.put(&b.Ops[i]); was.Key != nil {
			undo = append(undo, was)
		}
	}
	return undo, nil
}

// Close implements Store.
func (m *Mem) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.closed, m.tree = true, tree{}
	return nil
}

// Snapshot implements Store.
func (m *Mem) Snapshot() Snapshot {
	view, epoch, err := m.view()
	return &memSnapshot{mem: m, view: view, epoch: epoch, closed: err != nil}
}

// view fixes the tree as it is: later writes copy what they change.
func (m *Mem) view() (tree, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return tree{}, 0, ErrClosed
	}
	m.epoch++
	return m.tree, m.epoch, nil
}

// unview gives up the view that began the epoch. If it was the last to begin
// and nothing was written since, what it held is the writers' again: a scan
// between two writes then costs no copy.
func (m *Mem) unview(epoch uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epoch == epoch && m.tree.epoch < epoch {
		m.epoch--
	}
}

// put applies one write and returns what takes it back; no key when it changed
// nothing.
func (m *Mem) put(op *Op) (was Op) {
	t := &m.tree
	near := &m.near[kindOf(op.Key)]
	at := t.findNear(*near, op.Key)
	*near = at
	var i int
	var found bool
	if at < len(t.leaves) {
		i, found = t.leaves[at].find(op.Key)
	}
	if op.Value == nil && !found {
		return was
	}
	m.own()
	switch {
	case op.Value == nil:
		l := m.ownLeaf(at)
		was = Op{l.items[i].key, l.items[i].value, true}
		l.delete(i)
		if len(l.items) == 0 {
			t.leaves, t.firsts = slices.Delete(t.leaves, at, at+1), slices.Delete(t.firsts, at, at+1)
		}
	case found:
		it := &m.ownLeaf(at).items[i]
		was = Op{it.key, it.value, true}
		it.value = m.keep(op)
	default:
		it := item{m.clone(op.Key), m.keep(op)}
		was = Op{Key: it.key, Given: true}
		m.insert(at, i, it)
	}
	return was
}

// smallValue is how large a value may be to share memory with those that were
// written before and after it, and smallRoom how much is taken at a time, in bytes:
// little, as one value that stays keeps all of it.
const (
	smallValue = 64
	smallRoom  = 512
)

// nearKinds is how many kinds of keys are told apart.
const nearKinds = 256

// kindOf is what keys that begin alike have in common: with log entries the origin,
// with rows the table.
func kindOf(key []byte) int {
	kind := byte(0)
	for _, c := range key[:min(len(key), 3)] {
		kind = kind*31 + c
	}
	return int(kind)
}

// guess returns where a key may be.
func (m *Mem) guess(key []byte) int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.near[kindOf(key)]
}

// keep returns the value of a write for the store to keep.
func (m *Mem) keep(op *Op) []byte {
	if op.Given {
		return op.Value
	}
	return m.clone(op.Value)
}

// clone copies a value; small ones cost no allocation each.
func (m *Mem) clone(value []byte) []byte {
	n := len(value)
	if n == 0 || n > smallValue {
		return clone(value)
	}
	if cap(m.small)-len(m.small) < n {
		m.small = make([]byte, 0, smallRoom)
	}
	at := len(m.small)
	m.small = append(m.small, value...)
	return m.small[at : at+n : at+n]
}

// insert puts a new key at place i of leaf at, and splits the leaf if full.
func (m *Mem) insert(at, i int, it item) {
	t := &m.tree
	if len(t.leaves) == 0 {
		t.leaves, t.firsts = append(t.leaves, &leaf{epoch: m.epoch}), append(t.firsts, nil)
	}
	l := m.ownLeaf(at)
	if len(l.items) == leafKeysMax {
		// Keys often arrive in order (log entries): a full last leaf then stays
		// full, and the new key begins the next one.
		cut := leafKeysMax / 2
		if at == len(t.leaves)-1 && i == leafKeysMax {
			cut = leafKeysMax
		}
		right := l.split(cut)
		t.leaves, t.firsts = slices.Insert(t.leaves, at+1, right), slices.Insert(t.firsts, at+1, nil)
		if len(right.items) > 0 {
			t.firsts[at+1] = right.items[0].key
		}
		if i >= cut {
			l, at, i = right, at+1, i-cut
		}
	}
	l.insert(i, it)
	if i == 0 {
		t.firsts[at] = it.key
	}
}

// own makes the list of leaves the writers' own.
func (m *Mem) own() {
	if m.tree.epoch != m.epoch {
		m.tree = tree{epoch: m.epoch, leaves: slices.Clone(m.tree.leaves), firsts: slices.Clone(m.tree.firsts)}
	}
}

// ownLeaf makes a leaf the writers' own; the list already is.
func (m *Mem) ownLeaf(at int) *leaf {
	l := m.tree.leaves[at]
	if l.epoch != m.epoch {
		l = l.copy(m.epoch)
		m.tree.leaves[at] = l
	}
	return l
}

// find returns the leaf that holds key or should. (sort.Search's calls would be
// most of the time.)
func (t *tree) find(key []byte) int {
	lo, hi := 0, len(t.leaves)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if string(t.firsts[mid]) > string(key) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return max(lo-1, 0)
}

// findNear is find with a guess.
func (t *tree) findNear(at int, key []byte) int {
	if len(t.leaves) <= 1 {
		return 0
	}
	if at < len(t.leaves) && string(t.firsts[at]) <= string(key) &&
		(at+1 == len(t.leaves) || string(key) < string(t.firsts[at+1])) {
		return at
	}
	return t.find(key)
}

// get returns the value itself, nil when the key is absent.
func (t *tree) get(key []byte) []byte {
	if len(t.leaves) == 0 {
		return nil
	}
	return t.leaves[t.find(key)].get(key)
}

func (t *tree) scan(lower, upper []byte, each func(key, value []byte) bool) {
	if len(t.leaves) == 0 {
		return
	}
	at := t.find(lower)
	i, _ := t.leaves[at].find(lower)
	for ; at < len(t.leaves); at, i = at+1, 0 {
		for _, it := range t.leaves[at].items[i:] {
			if upper != nil && string(it.key) >= string(upper) {
				return
			}
			if !each(it.key[:len(it.key):len(it.key)], it.value) {
				return
			}
		}
	}
}

// cloneSome is clone for a value that may be absent.
func cloneSome(value []byte) []byte {
	if value == nil {
		return nil
	}
	return clone(value)
}

// clone copies a value; unlike bytes.Clone it never gives nil.
func clone(value []byte) []byte { return append([]byte{}, value...) }

// memSnapshot is a fixed view of a Mem.
type memSnapshot struct {
	mem    *Mem
	mu     sync.RWMutex
	view   tree
	epoch  uint64
	closed bool
}

func (s *memSnapshot) open() (tree, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return tree{}, ErrClosed
	}
	return s.view, nil
}

func (s *memSnapshot) Get(key []byte) ([]byte, error) {
	view, err := s.open()
	if err != nil {
		return nil, err
	}
	return cloneSome(view.get(key)), nil
}

func (s *memSnapshot) Scan(lower, upper []byte, each func(key, value []byte) bool) error {
	view, err := s.open()
	if err != nil {
		return err
	}
	view.scan(lower, upper, each)
	return nil
}

func (s *memSnapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.closed, s.view = true, tree{}
	s.mem.unview(s.epoch)
	return nil
}
