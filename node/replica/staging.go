package replica

import (
	"encoding/binary"
	"errors"
	"slices"

	"baraza/internal/kv"
)

// The staging area holds what the store is to become when the database has
// committed. A step that fits into memory is one value: its number, then its
// writes. A larger one has its writes beside it, each under its key with
// keyStaged in front. (Each write under a key of its own costs the store three
// writes and leaves deleted keys in the way of the next step.)

// stagedNumber is the length of a step's number, in bytes.
const stagedNumber = 8

var errStaged = errors.New("the staging area of the store is damaged")

// appendOps appends the writes of a batch. The length of a value is written
// plus one; 0 is a delete.
func appendOps(b []byte, ops *kv.Batch) []byte {
	b = slices.Grow(b, opsMax(ops))
	for _, op := range ops.Ops {
		b = binary.AppendUvarint(b, uint64(len(op.Key)))
		b = append(b, op.Key...)
		if op.Value == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(op.Value))+1)
		b = append(b, op.Value...)
	}
	return b
}

// opsMax bounds what appendOps writes, but for extraordinary lengths.
func opsMax(ops *kv.Batch) int { return ops.Size() + 6*len(ops.Ops) }

// readOps adds the writes that appendOps wrote to a batch.
func readOps(b []byte, to *kv.Batch) error {
	take := func(n uint64) []byte {
		v := b[:n:n]
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return errStaged
		}
		b = b[size:]
		key := take(n)
		n, size = binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size)+1 {
			return errStaged
		}
		b = b[size:]
		if n == 0 {
			to.Delete(key)
			continue
		}
		to.Set(key, take(n-1))
	}
	return nil
}

func staged(v []byte) []byte {
	if v == nil {
		return []byte{0}
	}
	return append([]byte{1}, v...)
}

// stagedValue undoes staged: nil for a delete.
func stagedValue(v []byte) []byte {
	if v[0] == 0 {
		return nil
	}
	return slices.Clone(v[1:])
}

// moveBytes bounds one batch of moving staged writes, in bytes.
const moveBytes = 4 << 20

// finishStaged moves the staged writes to their place. It can be repeated. With
// sync they are durable there: a database that is set back to just before the
// step makes it no step that never was.
func finishStaged(store kv.Store, sync bool) error {
	mark, err := store.Get(metaStaged)
	if err != nil {
		return err
	}
	if len(mark) > stagedNumber {
		b := &kv.Batch{}
		if err := readOps(mark[stagedNumber:], b); err != nil {
			return err
		}
		b.Delete(metaStaged)
		return store.Write(b, sync)
	}
	return drainStaged(store, sync, func(b *kv.Batch, k, v []byte) {
		if val := stagedValue(v); val == nil {
			b.Delete(slices.Clone(k[1:]))
		} else {
			b.Set(slices.Clone(k[1:]), val)
		}
	})
}

// dropStaged forgets the staged writes.
func dropStaged(store kv.Store) error {
	return drainStaged(store, false, func(*kv.Batch, []byte, []byte) {})
}

func drainStaged(store kv.Store, sync bool, move func(b *kv.Batch, k, v []byte)) error {
	lower := []byte{keyStaged}
	for {
		b := &kv.Batch{}
		more := false
		err := store.Scan(lower, []byte{keyStaged + 1}, func(k, v []byte) bool {
			if b.Size() > moveBytes {
				more = true
				return false
			}
			move(b, k, v)
			b.Delete(slices.Clone(k))
			return true
		})
		if err != nil {
			return err
		}
		if !more {
			b.Delete(metaStaged)
			return store.Write(b, sync)
		}
		if err := store.Write(b, false); err != nil {
			return err
		}
	}
}
