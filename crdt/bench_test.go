package crdt_test

import (
	"fmt"
	"testing"

	"baraza/clock"
	"baraza/crdt"
)

// BenchmarkDecodeEntry: an update of one row, by a writer who had seen something new
// of so many sites.
func BenchmarkDecodeEntry(b *testing.B) {
	for _, sites := range []int{4, 49} {
		b.Run(fmt.Sprint(sites, "-sites"), func(b *testing.B) {
			e := crdt.Entry{First: true, Last: true, Through: 9 << 40, Changes: []crdt.Change{{
				Table: "person", Key: crdt.MakeKey(crdt.Text("5946f880-b197-400b-9caa-a3c661d23041")), Time: 9 << 40,
				Columns: []string{"name", "weight"}, Values: []crdt.Value{crdt.Text("Ada"), crdt.Int(61)},
			}}}
			for i := range sites {
				e.Context.Set(clock.Entry{Site: clock.SiteID{byte(i)}, Seq: uint64(1000 + i), Through: 8 << 40})
			}
			raw := e.Encode()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := crdt.DecodeEntry(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
