package kv

import (
	"encoding/binary"
	"slices"
)

// leaf is up to leafKeysMax keys in order. A search in a large store would mostly
// wait for the keys to come from memory, one after the other: so of each key the
// first bytes by which they differ lie side by side in heads, and only of keys that
// do not differ there more is looked at.
type leaf struct {
	epoch uint64
	items []item
	// skip is how many bytes all keys begin with alike, and heads the next ones of
	// each key as a number, which orders as they do.
	skip  int
	heads []uint64
}

// item is a key and its value. Neither is ever written in place: snapshots, and
// what Swap returns, share them.
type item struct{ key, value []byte }

// headBytes is how many bytes of a key are in its head.
const headBytes = 8

// headOf returns the bytes of a key from skip on, with zeros where it ends.
func headOf(key []byte, skip int) uint64 {
	if rest := key[skip:]; len(rest) >= headBytes {
		return binary.BigEndian.Uint64(rest)
	}
	var b [headBytes]byte
	copy(b[:], key[skip:])
	return binary.BigEndian.Uint64(b[:])
}

// common returns how many bytes two keys begin with alike.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// find returns where a key is or should be.
func (l *leaf) find(key []byte) (int, bool) {
	if len(l.items) == 0 {
		return 0, false
	}
	at := 0
	if len(key) >= l.skip {
		var found bool
		if at, found = l.findAlike(key); found {
			return at, true
		}
	}
	if first := l.items[0].key; len(key) < l.skip || string(key[:l.skip]) != string(first[:l.skip]) {
		if string(key) < string(first) {
			return 0, false // before all of them
		}
		return len(l.items), false
	}
	return at, false
}

// findAlike is find for a key that begins as all do; if it does not, it is not found.
// So of a key that is there no other key is looked at, mostly.
func (l *leaf) findAlike(key []byte) (int, bool) {
	head := headOf(key, l.skip)
	lo, hi := 0, len(l.heads)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if h := l.heads[mid]; h > head || h == head && string(l.items[mid].key) >= string(key) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, lo < len(l.heads) && l.heads[lo] == head && string(l.items[lo].key) == string(key)
}

// get returns the value itself, nil when the key is absent.
func (l *leaf) get(key []byte) []byte {
	if i, found := l.find(key); found {
		return l.items[i].value
	}
	return nil
}

// insert puts a new key at place i.
func (l *leaf) insert(i int, it item) {
	l.items = slices.Insert(l.items, i, it)
	if len(l.items) == 1 {
		l.skip = len(it.key)
	}
	if n := common(l.items[0].key, it.key); n < l.skip || i == 0 && common(l.items[len(l.items)-1].key, it.key) < l.skip {
		l.setHeads()
		return
	}
	l.heads = slices.Insert(l.heads, i, headOf(it.key, l.skip))
}

func (l *leaf) delete(i int) {
	l.items = slices.Delete(l.items, i, i+1)
	l.heads = slices.Delete(l.heads, i, i+1)
}

// split cuts off the keys from place cut on, which may be none.
func (l *leaf) split(cut int) *leaf {
	right := &leaf{epoch: l.epoch, items: make([]item, 0, leafKeysMax)}
	right.items = append(right.items, l.items[cut:]...)
	clear(l.items[cut:])
	l.items = l.items[:cut]
	l.setHeads()
	right.setHeads()
	return right
}

// setHeads finds what the keys have in common, and their heads, anew.
func (l *leaf) setHeads() {
	if l.heads = l.heads[:0]; len(l.items) == 0 {
		return
	}
	if cap(l.heads) == 0 {
		l.heads = make([]uint64, 0, leafKeysMax)
	}
	l.skip = common(l.items[0].key, l.items[len(l.items)-1].key) // and so all between
	for i := range l.items {
		l.heads = append(l.heads, headOf(l.items[i].key, l.skip))
	}
}

// copy returns a leaf of its own with the same keys.
func (l *leaf) copy(epoch uint64) *leaf {
	c := &leaf{epoch: epoch, items: make([]item, len(l.items), leafKeysMax), skip: l.skip, heads: make([]uint64, len(l.heads), leafKeysMax)}
	copy(c.items, l.items)
	copy(c.heads, l.heads)
	return c
}
