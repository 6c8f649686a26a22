package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/replica"
	"baraza/schema"
)

// circled has two tables that refer to each other: a nurse goes with her ward, and a
// ward with its head, but a deputy must not go before the ward.
var circled = func() *schema.Model {
	text := func(name string, nullable bool) schema.Column {
		return schema.Column{Name: name, Type: "varchar(20)", Base: "varchar", Charset: "utf8mb4", Nullable: nullable}
	}
	to := func(column, table, onDelete string) schema.Reference {
		return schema.Reference{Column: column, Table: table, Target: "code", Declared: true, OnDelete: onDelete, OnUpdate: "RESTRICT"}
	}
	table := func(name string, columns []schema.Column, references ...schema.Reference) *schema.Table {
		return &schema.Table{
			Name: name, Replicated: true, Engine: "InnoDB", PrimaryKey: []string{"code"},
			Identity: schema.Identity{Columns: []string{"code"}}, Columns: columns, References: references,
		}
	}
	return &schema.Model{Database: "app", Tables: map[string]*schema.Table{
		"ward": table("ward", []schema.Column{text("code", false), text("deputy", true), text("head", true)},
			to("head", "nurse", "CASCADE"), to("deputy", "nurse", "RESTRICT")),
		"nurse": table("nurse", []schema.Column{text("code", false), text("ward", false)}, to("ward", "ward", "CASCADE")),
	}}
}()

func circles(t *testing.T, sites int) *world {
	t.Helper()
	w, err := newWorldOf(circled, func(f *faults) (disk, error) { return newCrashStore(f), nil }, sites, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Two nurses are deleted, each of whom a ward needs that goes with the other: both
// wards and both nurses go, whichever delete comes first, and though each nurse, for
// herself, has to stay.
//
// Seen to fail when a removal looks at nothing but what goes with the deleted row
// ("4 rows stay").
func TestCircleGoes(t *testing.T) {
	for _, c := range []struct {
		name string
		from []int // site 3 hears of the delete of site 1 or 2 first
	}{{"one first", []int{0, 1}}, {"the other first", []int{1, 0}}} {
		t.Run(c.name, func(t *testing.T) {
			w := circles(t, 3)
			w.sites[2].do(t, coded(memdb.Insert, "ward", "home"), coded(memdb.Insert, "nurse", "a", "ward", "home"), coded(memdb.Insert, "nurse", "b", "ward", "home"))
			w.settle(t)
			for i, nurse := range []string{"a", "b"} {
				w.sites[i].do(t, coded(memdb.Delete, "nurse", nurse))
				w.sites[i].capture(t)
			}
			s := w.sites[2]
			s.do(t, coded(memdb.Insert, "ward", "1", "deputy", "b", "head", "a"), coded(memdb.Insert, "ward", "2", "deputy", "a", "head", "b"))
			s.capture(t)
			for _, i := range c.from {
				if err := s.take(w.sites[i], w.sites[i].id, 1<<20, seeded(1)); err != nil {
					t.Fatal(err)
				}
				s.apply(t)
			}
			if err := w.talk(); err != nil { // nothing is left to a retry
				t.Fatal(err)
			}
			for _, s := range w.sites {
				if n := s.db.Len("nurse") + s.db.Len("ward") - 1; n != 0 {
					t.Errorf("site %d: %d rows stay that could go", s.n, n)
				}
				gone := 0
				err := s.r.Conflicts(func(l replica.Conflict) bool {
					if l.Place == merge.Gone {
						gone++
					}
					return true
				})
				if err != nil || gone != 2 {
					t.Errorf("site %d lists %d rows that went, want 2 wards: %v", s.n, gone, err)
				}
			}
		})
	}
}

// chained has one table whose rows refer to others of it, which must not go before them.
var chained = func() *schema.Model {
	up := schema.Column{Name: "up", Type: "varchar(20)", Base: "varchar", Charset: "utf8mb4", Nullable: true}
	code := up
	code.Name, code.Nullable = "code", false
	return &schema.Model{Database: "app", Tables: map[string]*schema.Table{"item": {
		Name: "item", Replicated: true, Engine: "InnoDB", PrimaryKey: []string{"code"},
		Identity: schema.Identity{Columns: []string{"code"}}, Columns: []schema.Column{code, up},
		References: []schema.Reference{{Column: "up", Table: "item", Target: "code", Declared: true, OnDelete: "RESTRICT", OnUpdate: "RESTRICT"}},
	}}}
}()

// Two rows of one table that keep each other by nothing but RESTRICT, as they were made to
// refer to each other apart, go when both are deleted: the first stays until the second
// is.
//
// Seen to fail when what keeps a deleted row is not looked at in tables without CASCADE:
// both stay at the site that hears of one thing after the other.
func TestRowsThatKeepEachOtherGo(t *testing.T) {
	w, err := newWorldOf(chained, func(f *faults) (disk, error) { return newCrashStore(f), nil }, 2, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	one, two := w.sites[0], w.sites[1]
	one.do(t, coded(memdb.Insert, "item", "a"), coded(memdb.Insert, "item", "b"))
	w.settle(t)
	one.do(t, coded(memdb.Update, "item", "b", "up", "a"))
	one.do(t, coded(memdb.Delete, "item", "b"))
	one.capture(t)
	two.do(t, coded(memdb.Update, "item", "a", "up", "b"))
	two.capture(t)
	if err := one.take(two, two.id, 1<<20, seeded(1)); err != nil {
		t.Fatal(err)
	}
	one.apply(t)
	if one.db.Len("item") != 2 {
		t.Fatal("the first is to be back for the second")
	}
	two.do(t, coded(memdb.Delete, "item", "a"))
	two.capture(t)
	if err := w.talk(); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.sites {
		if n := s.db.Len("item"); n != 0 {
			t.Errorf("site %d: %d rows stay that could go", s.n, n)
		}
	}
}

// named is chained where each row may have a name of its own.
var named = func() *schema.Model {
	item := *chained.Tables["item"]
	name := *item.Column("up")
	name.Name = "name"
	item.Columns = append(slices.Clone(item.Columns), name)
	item.Unique = []schema.Index{{Name: "name", Columns: []string{"name"}}}
	return &schema.Model{Database: "app", Tables: map[string]*schema.Table{"item": &item}}
}()

// A row that comes brings back a deleted one of its own table, to which it refers (R4) and
// whose name another had first (R5): the deleted row comes back without the name, and the
// other with it, though the database refuses both at first.
//
// Seen to fail when a row that is refused for its reference is set aside: it stays away for
// ever, and with it the deleted row.
func TestReferrerOfRefusedRow(t *testing.T) {
	w, err := newWorldOf(named, func(f *faults) (disk, error) { return newCrashStore(f), nil }, 3, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind memdb.Kind, code, name string) memdb.Write {
		x := coded(kind, "item", code)
		x.Row.Columns, x.Row.Values = append(x.Row.Columns, "name"), append(x.Row.Values, crdt.Text(name))
		return x
	}
	hear := func(s, from *site) {
		t.Helper()
		from.capture(t)
		if err := s.take(from, from.id, 1<<20, seeded(1)); err != nil {
			t.Fatal(err)
		}
		s.apply(t)
	}
	one, two, three := w.sites[0], w.sites[1], w.sites[2]
	one.do(t, write(memdb.Insert, "first", "n"))
	one.capture(t)
	two.do(t, write(memdb.Insert, "gone", "n"))
	hear(three, two)
	three.do(t, coded(memdb.Insert, "item", "child", "up", "gone"))
	two.do(t, coded(memdb.Delete, "item", "gone"))
	hear(one, two)
	hear(one, three)
	if err := w.talk(); err != nil { // nothing is left to a retry
		t.Fatal(err)
	}
	for _, s := range w.sites {
		for code, want := range map[string]crdt.Value{"first": crdt.Text("n"), "gone": crdt.Null, "child": crdt.Null} {
			row, there := s.db.Row("item", crdt.MakeKey(crdt.Text(code)))
			if at := slices.Index(row.Columns, "name"); !there || at < 0 || row.Values[at] != want {
				t.Errorf("site %d shows %v for %s, want the name %s", s.n, row, code, want)
			}
		}
	}
}

// ring is a run of sites that write a few nurses and wards.
type ring struct{ w *world }

func (c *ring) code(rnd *rand.Rand) string { return fmt.Sprintf("c%d", 1+rnd.IntN(3)) }

// write lets an application write a row; one that the database refuses is no error.
func (c *ring) write(s *site, rnd *rand.Rand) {
	table := []string{"ward", "nurse"}[rnd.IntN(2)]
	key := crdt.MakeKey(crdt.Text(c.code(rnd)))
	row, there := s.db.Row(table, key)
	set := func(column, to string, nullable bool) {
		v := crdt.Null
		if target := crdt.MakeKey(crdt.Text(c.code(rnd))); s.db.Has(to, target) && (!nullable || rnd.IntN(4) > 0) {
			v = crdt.Ref(target)
		}
		row.Columns, row.Values = append(row.Columns, column), append(row.Values, v)
	}
	kind := memdb.Insert
	if there {
		kind = []memdb.Kind{memdb.Update, memdb.Update, memdb.Delete}[rnd.IntN(3)]
	}
	row = merge.Row{Key: key}
	if kind == memdb.Insert {
		row.Columns, row.Values = []string{"code"}, []crdt.Value{key.Values()[0]}
	}
	if table == "ward" {
		set("deputy", "nurse", true)
		set("head", "nurse", true)
	} else {
		set("ward", "ward", false)
	}
	err := s.db.App(memdb.Write{Kind: kind, Table: table, Row: row})
	c.w.note("site %d writes %v %s %s: %v", s.n, kind, table, showRow(row), err)
}

// Whatever is written to the circle, at whichever site, and in whatever order it comes:
// all sites show what the rules make of all changes.
//
// Seen to fail when dead rows above those that keep a row are not decided about with it;
// when a row that is written below a dead one does not have that one tried again (seed
// 1720); when rows that wait for each other come in though they go (442); when nobody
// looks once more at a row that came back for one that goes; and when a row that was
// written in the same transaction is removed by what its references were before.
func TestCircles(t *testing.T) {
	first, last := uint64(1), uint64(6**flagRuns)
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	for seed := first; seed <= last; seed++ {
		rnd := seeded(seed)
		w := circles(t, 2+rnd.IntN(2))
		c := &ring{w: w}
		var err error
		for range 20 + int(min(seed, 60)) {
			s := w.sites[rnd.IntN(len(w.sites))]
			w.micros += int64(rnd.IntN(3)) * 700
			switch o := []opKind{opWrite, opWrite, opCapture, opTransfer, opApply}[rnd.IntN(5)]; o {
			case opWrite:
				c.write(s, rnd)
			default:
				err = w.run(op{o, s.n - 1, rnd.Uint64()})
			}
			if err != nil {
				break
			}
		}
		if err = errors.Join(err, w.talk()); err == nil {
			err = w.check() // nothing is left to a retry
		}
		if err != nil {
			t.Fatalf("%v\n  %s\nreplay: go test ./node/replica -run %s -seed %d", err, strings.Join(w.trace, "\n  "), t.Name(), seed)
		}
		for _, s := range w.sites {
			_ = s.store.Close()
		}
	}
}
