package memdb_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
)

func open(config memdb.Config) *memdb.DB {
	now := int64(1_700_000_000_000_000)
	config.Model, config.Now = dbtest.Model(), func() int64 { now++; return now }
	return memdb.New(config)
}

func TestConformance(t *testing.T) {
	dbtest.Run(t, func(*testing.T) dbtest.Harness {
		db := open(memdb.Config{First: 1001, Stride: 3})
		return dbtest.Harness{Model: dbtest.Model(), DB: db, Source: db, App: db.App, Rows: db.Rows}
	})
}

func person(n int, name string) merge.Row {
	uuid := fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	return merge.Row{
		Key:     crdt.MakeKey(crdt.Text(uuid)),
		Columns: []string{"uuid", "name"},
		Values:  []crdt.Value{crdt.Text(uuid), crdt.Text(name)},
	}
}

func insert(r merge.Row) memdb.Write {
	return memdb.Write{Kind: memdb.Insert, Table: "person", Row: r}
}

// Two sites number from the same start, so the same number means different
// people; what one ships keeps its key and gets a number of the other's own.
func TestLocalNumbersCollide(t *testing.T) {
	a, b := open(memdb.Config{First: 1001}), open(memdb.Config{First: 1001})
	ada, bo := person(1, "Ada"), person(2, "Bo")
	if err := errors.Join(a.App(insert(ada)), b.App(insert(bo))); err != nil {
		t.Fatal(err)
	}
	tx, _ := b.Begin(t.Context())
	if _, err := tx.Insert(t.Context(), dbtest.Model().Tables["person"], []merge.Row{ada}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		db   *memdb.DB
		key  crdt.Key
		want int64
	}{{a, ada.Key, 1001}, {b, bo.Key, 1001}, {b, ada.Key, 1002}} {
		if got := c.db.LocalNumber("person", c.key); got != crdt.Int(c.want) {
			t.Errorf("number %s, want %d", got, c.want)
		}
	}
}

// A failed commit has either no effect or all of it, as the step says.
func TestCommitFaults(t *testing.T) {
	for _, step := range []memdb.Step{memdb.StepCommit, memdb.StepCommitted} {
		lost := errors.New("connection lost")
		db := open(memdb.Config{Fault: func(s memdb.Step) error {
			if s == step {
				return lost
			}
			return nil
		}})
		tx, err := db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Insert(t.Context(), dbtest.Model().Tables["person"], []merge.Row{person(1, "Ada")}); err != nil {
			t.Fatal(err)
		}
		if err := tx.SetMark(t.Context(), merge.Mark{}, merge.Mark{Number: 7}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); !errors.Is(err, lost) {
			t.Fatalf("commit: %v", err)
		}
		rows, mark := 0, merge.Mark{}
		if step == memdb.StepCommitted {
			rows, mark = 1, merge.Mark{Number: 7}
		}
		if got, _ := db.Mark(t.Context()); got != mark || db.Len("person") != rows {
			t.Errorf("%s: mark %v and %d rows, want %v and %d", step, got, db.Len("person"), mark, rows)
		}
		if tx, err := db.Begin(t.Context()); err != nil || tx.Rollback() != nil {
			t.Errorf("%s: no transaction can begin afterwards: %v", step, err)
		}
	}
}

// A reading sees what is committed, also while a transaction is open.
func TestReadBesideTransaction(t *testing.T) {
	db := open(memdb.Config{})
	ada := person(1, "Ada")
	if err := db.App(insert(ada)); err != nil {
		t.Fatal(err)
	}
	def := dbtest.Model().Tables["person"]
	tx, _ := db.Begin(t.Context())
	ada.Values = []crdt.Value{ada.Values[0], crdt.Text("changed")}
	if _, err := tx.Update(t.Context(), def, []merge.Row{ada}); err != nil {
		t.Fatal(err)
	}
	if err := db.App(insert(person(2, "Bo"))); err == nil {
		t.Error("an application could write beside an open transaction")
	}
	reading, err := db.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	part, err := reading.Next(t.Context(), 10)
	if err != nil || len(part.Rows) != 1 || part.Rows[0].Values[1] != crdt.Text("Ada") {
		t.Errorf("read %+v, %v", part, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := db.Rows("person")[0].Values[1]; got != crdt.Text("changed") {
		t.Errorf("the name is %s", got)
	}
}

// Columns that were written at different times are rows of their own.
func TestTimes(t *testing.T) {
	now := int64(0)
	db := memdb.New(memdb.Config{Model: dbtest.Model(), Now: func() int64 { return now }})
	ada := person(1, "Ada")
	at := func(micros int64, w memdb.Write) {
		t.Helper()
		now = micros
		if err := db.App(w); err != nil {
			t.Fatal(err)
		}
	}
	set := func(column, v string) memdb.Write {
		return memdb.Write{Kind: memdb.Update, Table: "person", Row: merge.Row{
			Key: ada.Key, Columns: []string{column}, Values: []crdt.Value{crdt.Text(v)},
		}}
	}
	at(10, insert(ada))
	at(20, set("name", "Ann"))
	at(30, set("note", "n"))
	at(30, set("name", "Anna"))
	reading, err := db.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	part, err := reading.Next(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range part.Rows {
		got = append(got, fmt.Sprint(r.At, r.Columns))
	}
	if want := []string{"10 [uuid weight]", "30 [name note]"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}
