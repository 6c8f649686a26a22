package memdb_test

import (
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
)

// BenchmarkWrite is one application update of a row, captured and released.
func BenchmarkWrite(b *testing.B) {
	db := open(memdb.Config{})
	ada := person(1, "Ada")
	if err := db.App(insert(ada)); err != nil {
		b.Fatal(err)
	}
	names := []crdt.Value{crdt.Text("a"), crdt.Text("b")}
	for i := 0; b.Loop(); i++ {
		w := memdb.Write{Kind: memdb.Update, Table: "person", Row: merge.Row{Key: ada.Key, Columns: []string{"name"}, Values: names[i%2 : i%2+1]}}
		if err := db.App(w); err != nil {
			b.Fatal(err)
		}
		reading, _ := db.Read(b.Context())
		part, _ := reading.Next(b.Context(), 100)
		if err := db.Release(b.Context(), part.IDs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply is one transaction that locks and updates one row.
func BenchmarkApply(b *testing.B) {
	db := open(memdb.Config{})
	ada := person(1, "Ada")
	if err := db.App(insert(ada)); err != nil {
		b.Fatal(err)
	}
	def := dbtest.Model().Tables["person"]
	names := []crdt.Value{crdt.Text("a"), crdt.Text("b")}
	keys := []crdt.Key{ada.Key}
	for i := 0; b.Loop(); i++ {
		tx, _ := db.Begin(b.Context())
		_, err := tx.Lock(b.Context(), def, keys)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = tx.Update(b.Context(), def, []merge.Row{{Key: ada.Key, Columns: []string{"name"}, Values: names[i%2 : i%2+1]}})
		_ = tx.SetMark(b.Context(), merge.Mark{Number: uint64(i)}, merge.Mark{Number: uint64(i + 1)})
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}
