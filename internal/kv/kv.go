package kv

// Reader reads keys. Keys order as bytes.
type Reader interface {
	// Get returns a copy of the value; nil, nil when the key is absent.
	Get(key []byte) ([]byte, error)
	// Scan calls each for the keys in [lower, upper) in order until it returns
	// false. A nil upper means to the end. The slices are valid during the
	// call only.
	Scan(lower, upper []byte, each func(key, value []byte) bool) error
}

// Lasting is a Reader whose values last: who got one in a Scan may keep it after the call,
// and nobody writes to it.
type Lasting interface{ Lasts() }

// Store is a Reader that takes writes. Implementations are safe for use by
// several goroutines.
type Store interface {
	Reader
	// Write applies the batch atomically. With sync it returns only when the
	// batch, and every batch written before it, survives a crash of the
	// machine; without, the batch may be lost in a crash, but never without
	// every later one. The store does not keep the batch.
	Write(b *Batch, sync bool) error
	// Snapshot returns a view that later writes do not change. The caller
	// closes it.
	Snapshot() Snapshot
	Close() error
}

// Snapshot is a fixed view of a store.
type Snapshot interface {
	Reader
	Close() error
}

// Batch collects writes. The zero value is empty and ready for use. Later
// operations on a key win over earlier ones. Batch keeps the slices given.
type Batch struct {
	Ops  []Op
	size int
}

// Op is one write. A nil Value deletes the key; an empty one does not.
type Op struct {
	Key, Value []byte
	// Given: nobody writes to the value any more, so a store in memory may keep
	// it.
	Given bool
}

// Set writes a key. A nil value is written as an empty one.
func (b *Batch) Set(key, value []byte) {
	if value == nil {
		value = []byte{}
	}
	b.add(Op{Key: key, Value: value})
}

// Give is Set with a value that nobody will write to.
func (b *Batch) Give(key, value []byte) {
	b.Set(key, value)
	b.Ops[len(b.Ops)-1].Given = true
}

// Delete removes a key; removing an absent key is no error.
func (b *Batch) Delete(key []byte) { b.add(Op{Key: key}) }

func (b *Batch) add(op Op) {
	b.Ops = append(b.Ops, op)
	b.size += len(op.Key) + len(op.Value)
}

// Size returns the bytes of all keys and values.
func (b *Batch) Size() int { return b.size }

// Reset empties the batch; what it had room for is used again.
func (b *Batch) Reset() { b.Ops, b.size = b.Ops[:0], 0 }

// Empty reports whether the batch has no writes.
func (b *Batch) Empty() bool { return len(b.Ops) == 0 }

// After returns the first key after all keys that start with prefix; nil when
// there is none.
func After(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			next := append([]byte(nil), prefix[:i+1]...)
			next[i]++
			return next
		}
	}
	return nil
}
