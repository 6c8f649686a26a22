package replica

import (
	"fmt"
	"testing"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// BenchmarkLosses: a write to a row with so many conflicts, that makes one more. It
// tells the bytes that are written to the store.
func BenchmarkLosses(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			store := kv.NewMem()
			names, err := loadNames(store)
			if err != nil {
				b.Fatal(err)
			}
			r := &Replica{cfg: Config{Store: store}, names: names, limits: defaultLimits}
			id := merge.RowID{Table: "person", Key: crdt.MakeKey(crdt.Int(7))}
			write := func(losses []crdt.Loss) int {
				x := r.newTxn()
				defer r.done(x)
				if _, err := x.Losses(id); err != nil {
					b.Fatal(err)
				}
				if err := x.Put(id, &merge.State{HasLoss: true}, losses); err != nil {
					b.Fatal(err)
				}
				batch := x.batch()
				if err := store.Write(batch, true); err != nil {
					b.Fatal(err)
				}
				return batch.Size()
			}
			var losses []crdt.Loss
			for i := range n {
				losses = append(losses, crdt.Loss{Column: "note", Value: "t8 of 10 were", Stamp: clock.Stamp{Time: clock.Timestamp(i + 1)}})
			}
			write(losses)
			more := append(losses[:n:n], crdt.Loss{Column: "note", Value: "t9 of 10 were", Stamp: clock.Stamp{Time: 1 << 20}})
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = write(more)
				write(losses)
			}
			b.ReportMetric(float64(size), "store-B/op")
		})
	}
}
