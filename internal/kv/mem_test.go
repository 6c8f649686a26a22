package kv_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"baraza/internal/kv"
	"baraza/internal/kv/kvtest"
)

func TestMem(t *testing.T) {
	kvtest.Run(t, func(*testing.T) kv.Store { return kv.NewMem() })
}

func TestAfter(t *testing.T) {
	for _, test := range []struct{ prefix, want string }{
		{"a", "b"}, {"ab", "ac"}, {"a\xff", "b"}, {"a\xff\xff", "b"}, {"\x00", "\x01"},
	} {
		if got := kv.After([]byte(test.prefix)); string(got) != test.want {
			t.Errorf("After(%q) = %q, want %q", test.prefix, got, test.want)
		}
	}
	for _, prefix := range []string{"", "\xff", "\xff\xff"} {
		if got := kv.After([]byte(prefix)); got != nil {
			t.Errorf("After(%q) = %q, want nil", prefix, got)
		}
	}
}

// BenchmarkMemWrite is the simulator's pattern: small batches of keys in
// order, with reads and a short scan between.
func BenchmarkMemWrite(b *testing.B) {
	s := kv.NewMem()
	value := make([]byte, 100)
	key := func(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	for n := 0; b.Loop(); n++ {
		var batch kv.Batch
		batch.Set(key(n), value)
		batch.Set(key((n*7919)%100_000), value)
		if err := s.Write(&batch, false); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Get(key(n / 2)); err != nil {
			b.Fatal(err)
		}
		if err := s.Scan(key(max(n-5, 0)), key(n), func(_, _ []byte) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMemLasts: what a scan gave stays as it was, whatever is written later.
func TestMemLasts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	m := kv.NewMem()
	var kept, copies [][]byte
	undo := []kv.Op{}
	for n := range 2000 {
		b := &kv.Batch{}
		for range 1 + rnd.IntN(4) {
			key := []byte{byte(rnd.IntN(100))}
			switch rnd.IntN(4) {
			case 0:
				b.Delete(key)
			case 1:
				b.Give(key, bytes.Repeat([]byte{byte(n)}, rnd.IntN(200)))
			default:
				b.Set(key, bytes.Repeat([]byte{byte(n)}, rnd.IntN(100)))
			}
		}
		var err error
		switch {
		case n%3 == 0:
			undo, err = m.Swap(b, undo[:0])
		case n%3 == 1 && n%2 == 0:
			slices.Reverse(undo)
			err = m.Write(&kv.Batch{Ops: undo}, true)
		default:
			err = m.Write(b, true)
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Ops { // a batch that was written is its owner's again
			if !b.Ops[i].Given {
				clear(b.Ops[i].Value)
			}
		}
		err = m.Scan([]byte{byte(rnd.IntN(100))}, nil, func(_, v []byte) bool {
			kept, copies = append(kept, v), append(copies, bytes.Clone(v))
			return rnd.IntN(3) > 0
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range kept {
		if !bytes.Equal(kept[i], copies[i]) {
			t.Fatalf("value %d of %d was %x when it was read, and is %x", i, len(kept), copies[i], kept[i])
		}
	}
}
