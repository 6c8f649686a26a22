package kv_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/internal/kv"
)

// TestSwap: what Swap appends takes the batches back, the last first, whatever
// was written, also over snapshots.
func TestSwap(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 5))
		s := kv.NewMem()
		batch := func() *kv.Batch {
			b := &kv.Batch{}
			for range rnd.IntN(12) {
				n := rnd.IntN(100)
				key := append([]byte{'k', byte(n)}, make([]byte, n%3*8)...)
				if rnd.IntN(3) == 0 {
					b.Delete(key)
				} else {
					b.Set(key, []byte(strings.Repeat("v", rnd.IntN(100))+string(key)))
				}
			}
			return b
		}
		if err := s.Write(batch(), true); err != nil {
			t.Fatal(err)
		}
		var want []string
		var undo [][]kv.Op
		for range 1 + rnd.IntN(20) {
			if want == nil || rnd.IntN(8) == 0 {
				want, undo = all(t, s), nil
			}
			b := batch()
			ops, err := s.Swap(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range b.Ops { // the store keeps none of it
				clear(op.Key)
				clear(op.Value)
			}
			undo = append(undo, ops)
			if rnd.IntN(4) == 0 {
				defer s.Snapshot().Close()
			}
		}
		back := &kv.Batch{}
		for _, ops := range slices.Backward(undo) {
			for _, op := range slices.Backward(ops) {
				back.Ops = append(back.Ops, op)
			}
		}
		if err := s.Write(back, true); err != nil {
			t.Fatal(err)
		}
		if got := all(t, s); !slices.Equal(got, want) {
			t.Fatalf("seed %d: taken back, the store has\n%q\nand not\n%q", seed, got, want)
		}
	}
}

func all(t *testing.T, s *kv.Mem) (list []string) {
	t.Helper()
	err := s.Scan(nil, nil, func(k, v []byte) bool {
		list = append(list, string(k)+"="+string(v))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(list, "end")
}
