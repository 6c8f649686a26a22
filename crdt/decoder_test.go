package crdt_test

import (
	"slices"
	"testing"

	"baraza/crdt"
)

// TestDecoder: entries that are read one after the other into one memory are what
// each is by itself, until the memory is reset, whatever else was read, damaged
// entries too.
func TestDecoder(t *testing.T) {
	var m crdt.Memory
	dec := crdt.NewDecoder(&m)
	for step := range uint64(*lawTests / 4) {
		var want []*crdt.Entry
		var changes [][]crdt.Change
		for i := range step % 5 {
			b := randomEntry(step*5 + i).Encode()
			if cut := int(step) % (len(b) + 1); cut < len(b) {
				if _, err := dec.Decode(b[:cut]); err == nil {
					t.Fatalf("the first %d of %d bytes of randomEntry(%d) decode", cut, len(b), step*5+i)
				}
			}
			alone, err := crdt.DecodeEntry(b)
			if err != nil {
				t.Fatal(err)
			}
			e, err := dec.Decode(b)
			if err != nil || !same(alone, e) {
				t.Fatalf("randomEntry(%d): error %v, decoded\n%+v\nnot\n%+v", step*5+i, err, e, alone)
			}
			clear(b)
			want, changes = append(want, alone), append(changes, e.Changes)
		}
		for i := range want {
			if e := *want[i]; !same(&e, &crdt.Entry{First: e.First, Last: e.Last, Context: e.Context, Unseen: e.Unseen, Through: e.Through, Changes: changes[i]}) {
				t.Fatalf("step %d: entry %d is another since later ones were read", step, i)
			}
		}
		m.Reset()
	}
}

// TestMemory: what is taken from a memory is empty, apart from all else that was
// taken since the last reset, and not written to by appending to others.
func TestMemory(t *testing.T) {
	var m crdt.Memory
	for step := range 50 {
		var all [][]crdt.Value
		for n := range 40 {
			v := m.Values(n * (step % 12))
			if len(v) != 0 || cap(v) < n*(step%12) || slices.ContainsFunc(v[:cap(v)], func(v crdt.Value) bool { return v != crdt.Null }) {
				t.Fatalf("step %d: room for %d is %q, of %d", step, n*(step%12), v[:cap(v)], cap(v))
			}
			for range cap(v) + n%2 { // one more than there is room for
				v = append(v, crdt.Int(int64(n)))
			}
			all = append(all, v)
		}
		for n, list := range all {
			for _, v := range list {
				if v != crdt.Int(int64(n)) {
					t.Fatalf("step %d: %v was written over by %v", step, crdt.Int(int64(n)), v)
				}
			}
		}
		m.Reset()
	}
	if v := (*crdt.Memory)(nil).Names(3); len(v) != 0 || cap(v) != 3 {
		t.Errorf("no memory gives %q, of %d", v, cap(v))
	}
}
