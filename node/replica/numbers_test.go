package replica_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/replica"
	"baraza/schema"
)

// numbered has a table whose rows are named by numbers alone, which refer to rows
// that have to be there.
var numbered = &schema.Model{Database: "app", Tables: map[string]*schema.Table{
	"ward": {
		Name: "ward", Replicated: true, Engine: "InnoDB", PrimaryKey: []string{"code"},
		Identity: schema.Identity{Columns: []string{"code"}},
		Columns:  []schema.Column{{Name: "code", Type: "varchar(20)", Base: "varchar", Charset: "utf8mb4"}},
	},
	"visit": {
		Name: "visit", Replicated: true, Engine: "InnoDB", PrimaryKey: []string{"id"}, AutoIncrement: "id",
		Identity: schema.Identity{Columns: []string{"id"}},
		Columns: []schema.Column{
			{Name: "a", Type: "varchar(40)", Base: "varchar", Charset: "utf8mb4", Nullable: true},
			{Name: "b", Type: "varchar(40)", Base: "varchar", Charset: "utf8mb4", Nullable: true},
			{Name: "id", Type: "int", Base: "int"},
			{Name: "ward", Type: "varchar(20)", Base: "varchar", Charset: "utf8mb4"},
		},
		References: []schema.Reference{{Column: "ward", Table: "ward", Target: "code", Declared: true, OnDelete: "RESTRICT", OnUpdate: "RESTRICT"}},
	},
}}

// numbers are the visits that there may be: few, so that sites often insert the same.
const numbersMax = 3

// clash is a run of sites that insert the same numbers.
type clash struct {
	w       *world
	deletes bool
	// written are all values, true for those that an application replaced or deleted.
	written map[crdt.Value]bool
	serial  int
}

func visitKey(n int) crdt.Key { return crdt.MakeKey(crdt.Int(int64(n))) }

func tagOf(v crdt.Value) string { tag, _, _ := strings.Cut(v.Payload(), "/"); return tag }

// value is a new one that tells of which insert its row is.
func (c *clash) value(tag string) crdt.Value {
	c.serial++
	v := crdt.Text(fmt.Sprintf("%s/%d", tag, c.serial))
	c.written[v] = false
	return v
}

// write lets an application write one visit as its table shows it.
func (c *clash) write(s *site, rnd *rand.Rand) error {
	n := 1 + rnd.IntN(numbersMax)
	row, there := s.db.Row("visit", visitKey(n))
	var writes []memdb.Write
	switch {
	case !there:
		tag := fmt.Sprintf("site%d.%d", s.n, c.serial)
		ward := crdt.Text(fmt.Sprintf("w%d", s.n))
		if !s.db.Has("ward", crdt.MakeKey(ward)) {
			writes = append(writes, memdb.Write{Kind: memdb.Insert, Table: "ward", Row: merge.Row{Key: crdt.MakeKey(ward), Columns: []string{"code"}, Values: []crdt.Value{ward}}})
		}
		if rnd.IntN(2) == 0 { // so that another site may get the visit before its ward
			if err := s.db.App(writes...); err != nil {
				return err
			}
			if _, err := s.r.Capture(context.Background()); err != nil {
				return err
			}
			writes = nil
		}
		writes = append(writes, memdb.Write{Kind: memdb.Insert, Table: "visit", Row: merge.Row{
			Key: visitKey(n), Columns: []string{"a", "b", "id", "ward"},
			Values: []crdt.Value{c.value(tag), c.value(tag), crdt.Int(int64(n)), crdt.Ref(crdt.MakeKey(ward))},
		}})
	case c.deletes && rnd.IntN(4) == 0:
		c.written[row.Values[0]], c.written[row.Values[1]] = true, true
		writes = append(writes, memdb.Write{Kind: memdb.Delete, Table: "visit", Row: merge.Row{Key: row.Key}})
	default:
		i := rnd.IntN(2)
		c.written[row.Values[i]] = true
		writes = append(writes, memdb.Write{Kind: memdb.Update, Table: "visit", Row: merge.Row{
			Key: row.Key, Columns: row.Columns[i : i+1], Values: []crdt.Value{c.value(tagOf(row.Values[0]))},
		}})
	}
	err := s.db.App(writes...)
	c.w.note("site %d writes %s: %v", s.n, showWrites(writes), err)
	return err
}

func (c *clash) step(rnd *rand.Rand) error {
	s := c.w.sites[rnd.IntN(len(c.w.sites))]
	c.w.micros += int64(rnd.IntN(3)) * 700
	ctx := context.Background()
	switch rnd.IntN(5) {
	case 0, 1:
		return c.write(s, rnd)
	case 2:
		_, err := s.r.Capture(ctx)
		return err
	case 3:
		return s.transfer(c.w.sites[rnd.IntN(len(c.w.sites))], rnd)
	default:
		_, err := s.r.Apply(ctx, []int{0, 1, 3}[rnd.IntN(3)])
		c.w.note("site %d applies: %v", s.n, err)
		return err
	}
}

// check: the same rows and the same conflicts everywhere, no row of two inserts'
// values, and every value is in a row, replaced or in a conflict.
func (c *clash) check() error {
	var rows, lost string
	for i, s := range c.w.sites {
		found := map[crdt.Value]bool{}
		var here, gone []string
		for _, r := range s.db.Rows("visit") {
			if !c.deletes && tagOf(r.Values[0]) != tagOf(r.Values[1]) {
				return fmt.Errorf("site %d mixes two visits: %v", s.n, r)
			}
			found[r.Values[0]], found[r.Values[1]] = true, true
			here = append(here, fmt.Sprint(r))
		}
		err := s.r.Conflicts(func(l replica.Conflict) bool {
			found[l.Value] = true
			gone = append(gone, fmt.Sprintf("%s %s %s lost to %v, apart %v", l.ID.Key, l.Column, l.Value, l.Winner, l.Apart))
			return true
		})
		if err != nil {
			return err
		}
		for _, v := range slices.Sorted(maps.Keys(c.written)) {
			if !c.written[v] && !found[v] {
				return fmt.Errorf("site %d: %s is gone without a record", s.n, v)
			}
		}
		slices.Sort(here)
		slices.Sort(gone)
		r, l := strings.Join(here, "\n"), strings.Join(gone, "\n")
		if i == 0 {
			rows, lost = r, l
		}
		if r != rows || l != lost {
			return fmt.Errorf("site %d has\n%s\n%s\nsite 1 has\n%s\n%s", s.n, r, l, rows, lost)
		}
	}
	return nil
}

// R3 at whole sites: numbers that several sites gave out, also under a row that
// waits unseen.
//
// Seen to fail when capture knows no lives ("mixes two visits"), when apply does not,
// and when a row that is not in its place is not tried again after another one was
// inserted under its number.
func TestNumbers(t *testing.T) {
	first, last := uint64(1), uint64(*flagRuns)
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	apart := 0
	for seed := first; seed <= last; seed++ {
		rnd := seeded(seed)
		w, err := newWorldOf(numbered, func(f *faults) (disk, error) { return newCrashStore(f), nil }, 2+rnd.IntN(3), plain, rnd.IntN(2) == 0)
		if err != nil {
			t.Fatal(err)
		}
		c := &clash{w: w, deletes: seed%2 == 0, written: map[crdt.Value]bool{}}
		for range 10 + int(min(seed, 150)) {
			if err = c.step(rnd); err != nil {
				break
			}
		}
		err = errors.Join(err, w.exchange(), c.check())
		if err != nil {
			t.Fatalf("%v\n  %s\nreplay: go test ./node/replica -run %s -seed %d", err, strings.Join(w.trace, "\n  "), t.Name(), seed)
		}
		_ = w.sites[0].r.Conflicts(func(l replica.Conflict) bool {
			if l.Apart {
				apart++
			}
			return true
		})
		for _, s := range w.sites {
			_ = s.store.Close()
		}
	}
	if *flagSeed == 0 && apart < int(last) {
		t.Errorf("%d values of rows that are apart in %d histories: there should be more", apart, last)
	}
}

// An application inserts a number of which its site has a row that is not in the
// table: that row began before, so it keeps its place, and what the application
// wrote is a conflict, also what it writes in its row while it still sees it.
//
// Seen to fail when the row is not tried again at once, and when capture takes the
// row that the table shows for the one that is not there.
func TestNumberOfARowThatIsGone(t *testing.T) {
	model := *numbered
	model.Tables = maps.Clone(numbered.Tables)
	visit := *numbered.Tables["visit"]
	visit.References = slices.Clone(visit.References)
	visit.References[0].OnDelete = "CASCADE"
	model.Tables["visit"] = &visit
	w, err := newWorldOf(&model, func(f *faults) (disk, error) { return newCrashStore(f), nil }, 2, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := w.sites[0], w.sites[1]
	ward := func(kind memdb.Kind, code string) memdb.Write {
		r := merge.Row{Key: crdt.MakeKey(crdt.Text(code)), Columns: []string{"code"}, Values: []crdt.Value{crdt.Text(code)}}
		return memdb.Write{Kind: kind, Table: "ward", Row: r}
	}
	put := func(code, tag string) memdb.Write {
		return memdb.Write{Kind: memdb.Insert, Table: "visit", Row: merge.Row{
			Key: visitKey(7), Columns: []string{"a", "b", "id", "ward"},
			Values: []crdt.Value{crdt.Text(tag), crdt.Text(tag), crdt.Int(7), crdt.Ref(crdt.MakeKey(crdt.Text(code)))},
		}}
	}
	a.do(t, ward(memdb.Insert, "w"), ward(memdb.Insert, "v"))
	w.settle(t)
	w.micros += 5000
	b.do(t, put("w", "first"))
	w.micros += 5000
	a.do(t, ward(memdb.Delete, "w"))
	w.settle(t)
	if n := a.db.Len("visit") + b.db.Len("visit"); n != 0 {
		t.Fatalf("%d visits are in the tables, they should have gone with their ward", n)
	}
	w.micros += 5000
	a.do(t, put("v", "second"))
	a.capture(t)
	a.do(t, memdb.Write{Kind: memdb.Update, Table: "visit", Row: merge.Row{Key: visitKey(7), Columns: []string{"a"}, Values: []crdt.Value{crdt.Text("third")}}})
	a.capture(t)
	a.apply(t) // no Retry
	if n := a.db.Len("visit"); n != 0 {
		t.Error("the later visit keeps the place of one that is gone")
	}
	w.settle(t)
	b.do(t, ward(memdb.Insert, "w"))
	w.settle(t)
	for _, s := range w.sites {
		row, ok := s.db.Row("visit", visitKey(7))
		if !ok || row.Values[0] != crdt.Text("first") || row.Values[1] != crdt.Text("first") {
			t.Errorf("site %d: visit %v, want the first one", s.n, row)
		}
		var lost []string
		if err := s.r.Conflicts(func(c replica.Conflict) bool {
			if c.Apart {
				lost = append(lost, c.Column+"="+c.Value.Payload())
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(lost)
		if got := strings.Join(lost, " "); !strings.HasPrefix(got, "a=third b=second ward=") {
			t.Errorf("site %d: conflicts %q", s.n, got)
		}
	}
}

// replacing is a source that leaves out the delete of a row which was inserted again
// since, as triggers do: that insert says all.
type replacing struct{ *memdb.DB }

func (s replacing) Read(ctx context.Context) (capture.Reading, error) {
	r, err := s.DB.Read(ctx)
	return replacedReading{r}, err
}

type replacedReading struct{ capture.Reading }

func (r replacedReading) Next(ctx context.Context, maxRows int) (*capture.Part, error) {
	part, err := r.Reading.Next(ctx, maxRows)
	if part == nil || err != nil {
		return part, err
	}
	all := slices.Clone(part.Rows)
	part.Rows = slices.DeleteFunc(part.Rows, func(x capture.Row) bool {
		return x.Delete && slices.ContainsFunc(all, func(y capture.Row) bool { return !y.Delete && y.Table == x.Table && y.Key == x.Key })
	})
	return part, nil
}

// REPLACE of a row that the site has is a write to it: the number is not given out
// once more, so nothing is a conflict.
//
// Seen to fail when such a write keeps the number (noInsert).
func TestNumberReplaced(t *testing.T) {
	w, err := newWorldOf(numbered, func(f *faults) (disk, error) { return newCrashStore(f), nil }, 2, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	a, b := w.sites[0], w.sites[1]
	c := b.config()
	c.Source = replacing{b.db}
	if b.r, err = replica.Open(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	put := func(tag string) memdb.Write {
		return memdb.Write{Kind: memdb.Insert, Table: "visit", Row: merge.Row{
			Key: visitKey(7), Columns: []string{"a", "b", "id", "ward"},
			Values: []crdt.Value{crdt.Text(tag), crdt.Text(tag), crdt.Int(7), crdt.Ref(crdt.MakeKey(crdt.Text("w")))},
		}}
	}
	a.do(t, memdb.Write{Kind: memdb.Insert, Table: "ward", Row: merge.Row{
		Key: crdt.MakeKey(crdt.Text("w")), Columns: []string{"code"}, Values: []crdt.Value{crdt.Text("w")},
	}}, put("first"))
	w.settle(t)
	w.micros += 5000
	b.do(t, memdb.Write{Kind: memdb.Delete, Table: "visit", Row: merge.Row{Key: visitKey(7)}}, put("second"))
	w.settle(t)
	for _, s := range w.sites {
		row, ok := s.db.Row("visit", visitKey(7))
		if !ok || row.Values[0] != crdt.Text("second") || row.Values[1] != crdt.Text("second") {
			t.Errorf("site %d: visit %v, want the second", s.n, row)
		}
		if lost, err := s.conflicts(); err != nil || len(lost) > 0 {
			t.Errorf("site %d: %v, conflicts %v, want none", s.n, err, lost)
		}
	}
}

// An insert of another row under a number says nothing of the delete that was undone of
// the row which has it, though its writer knew that every site had that delete: only an
// insert of that row answers the conflict.
//
// Seen to fail when every insert answers it.
func TestInsertOfAnotherNumberAnswersNothing(t *testing.T) {
	at := func(ms int64, site byte) clock.Stamp {
		return clock.Stamp{Time: clock.At(ms, 0), Site: clock.SiteID{site}}
	}
	first, deleted := at(10, 1), at(20, 2)
	settled := clock.VersionVector{{Site: deleted.Site, Seq: 3, Through: deleted.Time}}
	insert := crdt.Change{Table: "visit", Key: visitKey(7), Whole: true, Time: clock.At(40, 0), Columns: []string{"id", "note"}, Values: []crdt.Value{crdt.Int(7), crdt.Text("x")}}
	again := insert
	again.Prior = crdt.Stamps{Deleted: deleted}.WithLife("id", first)
	for i, ch := range []*crdt.Change{&insert, &again} {
		row := crdt.Row{
			Number: "id", Exists: true, Columns: insert.Columns, Values: insert.Values,
			Stamps: crdt.Stamps{Row: first, Deleted: deleted, Cells: []crdt.CellStamp{{Column: "note", Stamp: at(30, 1)}}},
			Lost:   []crdt.Loss{{Stamp: deleted, Winner: at(30, 1)}},
		}
		merge.Answer(&row, ch, clock.SiteID{3}, settled)
		if stays := len(row.Lost) == 1; stays != (i == 0) {
			t.Errorf("insert %d: the row has lost %v", i, row.Lost)
		}
	}
}
