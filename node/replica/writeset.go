package replica

import (
	"bytes"
	"slices"
)

// rawWrite is a write of a key; a nil value deletes it. given: see kv.Op.
type rawWrite struct {
	key, value []byte
	given      bool
}

// writeSet is the writes of a step, the last one of each key. Most steps have a
// dozen: those are looked through; more are found by a map.
type writeSet struct {
	list  []rawWrite
	index map[string]int // of list; nil while there are few
}

// fewWrites is how many writes are looked through one by one.
const fewWrites = 16

func (w *writeSet) find(key []byte) int {
	if len(w.list) <= fewWrites {
		for i := range w.list {
			if string(w.list[i].key) == string(key) {
				return i
			}
		}
		return -1
	}
	if w.index == nil {
		w.index = make(map[string]int, 2*len(w.list))
		for i := range w.list {
			w.index[string(w.list[i].key)] = i
		}
	}
	if i, ok := w.index[string(key)]; ok {
		return i
	}
	return -1
}

// get returns what a key becomes; ok is false when it is not written.
func (w *writeSet) get(key []byte) (value []byte, ok bool) {
	if i := w.find(key); i >= 0 {
		return w.list[i].value, true
	}
	return nil, false
}

// deletes reports whether a key is deleted.
func (w *writeSet) deletes(key []byte) bool {
	value, ok := w.get(key)
	return ok && value == nil
}

// set writes a key, and keeps both slices.
func (w *writeSet) set(key, value []byte) {
	if i := w.find(key); i >= 0 {
		w.list[i].value, w.list[i].given = value, false
		return
	}
	w.list = append(w.list, rawWrite{key: key, value: value})
	if w.index != nil {
		w.index[string(key)] = len(w.list) - 1
	}
}

// sorted returns the writes in key order.
func (w *writeSet) sorted() []rawWrite {
	w.index = nil
	slices.SortFunc(w.list, func(a, b rawWrite) int { return bytes.Compare(a.key, b.key) })
	return w.list
}

func (w *writeSet) clear() {
	clear(w.list)
	w.list, w.index = w.list[:0], nil
}

// arena is the memory of the keys and values of a step, which are small and all
// given up together.
type arena struct{ chunk []byte }

// arenaChunk is how much is taken at a time, in bytes.
const arenaChunk = 8 << 10

// room returns an empty slice with room for n bytes. Whoever appends more gets
// memory of its own.
func (a *arena) room(n int) []byte {
	if cap(a.chunk)-len(a.chunk) < n {
		a.chunk = make([]byte, 0, max(n, arenaChunk))
	}
	at := len(a.chunk)
	a.chunk = a.chunk[:at+n]
	return a.chunk[at : at : at+n]
}

// used makes room of what was not used of the slice that room gave last.
func (a *arena) used(b []byte) []byte {
	if at := len(a.chunk) - cap(b); at >= 0 && len(b) > 0 && &a.chunk[at] == &b[0] {
		a.chunk = a.chunk[:at+len(b)]
	}
	return b[:len(b):len(b)]
}

// clear gives up everything that room gave; the last chunk is used again.
func (a *arena) clear() { a.chunk = a.chunk[:0] }
