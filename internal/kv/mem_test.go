package kv_test

import (
	"encoding/binary"
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
