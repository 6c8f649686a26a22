package schema

import (
	"slices"
	"strings"
	"testing"
)

// tab makes a table from a column list such as
// "id int auto pk, uuid char unique, parent_id int null -> parent.id cascade".
func tab(name, columns string) *Table {
	t := &Table{Name: name, Engine: "InnoDB"}
	for def := range strings.SplitSeq(columns, ",") {
		def, ref, hasRef := strings.Cut(def, "->")
		f := strings.Fields(def)
		c := Column{Name: f[0], Type: f[1], Base: f[1]}
		for _, word := range f[2:] {
			switch word {
			case "auto":
				t.AutoIncrement = c.Name
			case "pk":
				t.PrimaryKey = append(t.PrimaryKey, c.Name)
			case "unique":
				t.Unique = append(t.Unique, Index{c.Name, []string{c.Name}})
			case "null":
				c.Nullable = true
			case "generated":
				c.Generated = true
			default:
				panic("unknown word " + word)
			}
		}
		if hasRef {
			r := strings.Fields(ref)
			parent, target, _ := strings.Cut(r[0], ".")
			onDelete := "RESTRICT"
			if len(r) > 1 {
				onDelete = strings.ToUpper(strings.Join(r[1:], " "))
			}
			t.References = append(t.References, Reference{c.Name, parent, target, true, onDelete, "RESTRICT"})
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

func build(t *testing.T, opts Options, tables ...*Table) *Model {
	t.Helper()
	m := &Model{Database: "app", Tables: make(map[string]*Table)}
	for _, x := range tables {
		m.Tables[x.Name] = x
	}
	if err := finish(m, opts); err != nil {
		t.Fatal(err)
	}
	return m
}

func names(tables []*Table) string {
	list := make([]string, len(tables))
	for i, t := range tables {
		list[i] = t.Name
	}
	return strings.Join(list, " ")
}

func TestIdentity(t *testing.T) {
	person := func() *Table { return tab("person", "person_id int auto pk, uuid char unique, name varchar") }
	for _, c := range []struct {
		table   *Table
		opts    Options
		columns string
		local   bool
		unsure  bool
		shipped string
		unique  string
	}{
		{table: person(), columns: "uuid", local: true, shipped: "uuid name", unique: "uuid"},
		{table: tab("patient", "patient_id int pk -> person.person_id, a int"), columns: "patient_id", shipped: "patient_id a"},
		{table: tab("both", "id int auto pk -> person.person_id, a int"), columns: "id", shipped: "id a"},
		{table: tab("role", "role varchar pk, uuid char unique"), columns: "uuid", shipped: "role uuid", unique: "PRIMARY uuid"},
		{table: tab("note", "note_id int pk, uuid char unique"), columns: "uuid", local: true, shipped: "uuid", unique: "uuid"},
		{table: tab("x", "id int auto pk, uuid char unique null"), columns: "uuid", unsure: true, local: true, shipped: "uuid", unique: "uuid"},
		{table: tab("x", "id int auto pk, uuid char"), columns: "uuid", unsure: true, local: true, shipped: "uuid"},
		{table: tab("x", "code char pk, uuid char"), columns: "code", shipped: "code uuid"},
		{table: tab("x", "id int auto pk, code char unique"), columns: "", shipped: "id code", unique: "code"},
		{
			table: tab("x", "id int auto pk, code char unique"), opts: Options{Identity: map[string][]string{"x": {"code"}}},
			columns: "code", local: true, shipped: "code", unique: "code",
		},
		{
			table: tab("x", "id int auto pk, a int"), opts: Options{Identity: map[string][]string{"x": {"id"}}},
			columns: "id", shipped: "id a",
		},
		{table: tab("x", "code char pk, a int"), columns: "code", shipped: "code a"},
		{table: tab("x", "a int pk, b int pk, c int"), columns: "a b", shipped: "a b c"},
		{table: tab("x", "a int, b int"), columns: "", shipped: "a b"},
		{table: tab("x", "id int auto pk, uuid char unique, g int generated"), columns: "uuid", local: true, shipped: "uuid", unique: "uuid"},
		{table: tab("child", "id int pk -> person.person_id, uuid char unique"), columns: "uuid", shipped: "id uuid", unique: "PRIMARY uuid"},
	} {
		m := build(t, c.opts, person(), c.table)
		got := m.Tables[c.table.Name]
		if s := strings.Join(got.Identity.Columns, " "); s != c.columns || got.Identity.Local != c.local || got.Identity.Unsure != c.unsure {
			t.Errorf("%+v: identity %q local %v", c.table.Columns, s, got.Identity.Local)
		}
		if s := strings.Join(got.Shipped(), " "); s != c.shipped {
			t.Errorf("%+v: shipped %q, want %q", c.table.Columns, s, c.shipped)
		}
		var unique []string
		for _, ix := range got.Unique {
			unique = append(unique, ix.Name)
		}
		if s := strings.Join(unique, " "); s != c.unique {
			t.Errorf("%+v: unique %q, want %q", c.table.Columns, s, c.unique)
		}
	}
}

// Tables that replicated ones need are in the model, others are not.
func TestPatternsAndPruning(t *testing.T) {
	users := func() *Table {
		return tab("users", "user_id int auto pk, uuid char, person_id int -> person.person_id")
	}
	tables := func() []*Table {
		return []*Table{
			users(), tab("person", "person_id int auto pk, uuid char unique, creator int null -> users.user_id"),
			tab("patient", "patient_id int pk -> person.person_id"),
			tab("obs", "id int auto pk, uuid char unique, patient_id int -> patient.patient_id"),
			tab("obs_old", "id int auto pk, uuid char unique"), tab("island", "a int pk"),
		}
	}
	for _, c := range []struct {
		tables, exclude []string
		model           string
	}{
		{nil, nil, "island obs obs_old patient person users"},
		{[]string{"obs*"}, []string{"*_old"}, "obs patient person"},
		{[]string{"person"}, nil, "person users"},
		{[]string{"island"}, nil, "island"},
	} {
		m := build(t, Options{Tables: c.tables, Exclude: c.exclude}, tables()...)
		if got := names(m.sorted()); got != c.model {
			t.Errorf("%v but %v: %q, want %q", c.tables, c.exclude, got, c.model)
		}
	}
	m := build(t, Options{Tables: []string{"person"}}, tables()...)
	if u := m.Tables["users"]; u.Replicated || u.Identity.Source != "uuid" {
		t.Errorf("users, only referred to: %+v", u.Identity)
	}
	if err := finish(&Model{Tables: map[string]*Table{}}, Options{Tables: []string{"typo"}}); err == nil {
		t.Error("a table that is not there was taken")
	}
	if err := finish(&Model{Tables: map[string]*Table{}}, Options{Tables: []string{"[x"}}); err == nil {
		t.Error("a broken pattern was taken")
	}
}

func TestDeclaredReferences(t *testing.T) {
	opts := Options{References: map[string]string{"orders.concept_id": "concept.concept_id", "gone.a": "concept.concept_id"}}
	m := build(t, opts, tab("concept", "concept_id int auto pk, uuid char unique"), tab("orders", "id int auto pk, uuid char unique, concept_id int"))
	ref := m.Tables["orders"].Reference("concept_id")
	if ref == nil || ref.Declared || ref.Table != "concept" || ref.Target != "concept_id" {
		t.Errorf("declared reference: %+v", ref)
	}
	if names(Order(m)) != "concept orders" {
		t.Error("a declared reference does not order")
	}
}

// A column of a composite key that is a reference in the parent is one in the
// child.
func TestInheritedReference(t *testing.T) {
	visit := tab("visit", "patient_id int pk -> patient.id, n int pk")
	note := tab("note", "patient_id int pk, n int pk, m int pk")
	note.Composite = []ForeignKey{{Columns: []string{"patient_id", "n"}, Table: "visit", Targets: []string{"patient_id", "n"}}}
	m := build(t, Options{}, visit, note, tab("patient", "id int auto pk, uuid char unique"))
	if ref := m.Tables["note"].Reference("patient_id"); ref == nil || ref.Table != "patient" {
		t.Errorf("inherited %+v", ref)
	}
	if problems := Check(m); len(problems) > 0 {
		t.Error(problems)
	}
	if got := names(Order(m)); got != "patient visit note" {
		t.Error(got)
	}
}

func TestCheck(t *testing.T) {
	keyless := tab("keyless", "id int auto pk, a int")
	wide := tab("wide", "id int pk")
	for len(wide.Columns) <= ColumnsMax {
		wide.Columns = append(wide.Columns, Column{Name: strings.Repeat("c", len(wide.Columns))})
	}
	aria := tab("aria", "id int pk")
	aria.Engine = "Aria"
	composite := tab("composite", "id int pk, pid int, n int")
	composite.Composite = []ForeignKey{{Columns: []string{"pid", "n"}, Table: "ok", Targets: []string{"id", "n"}}}
	m := build(t, Options{Identity: map[string][]string{"named": {"code"}}, Exclude: []string{"outside"}},
		tab("ok", "id int auto pk, uuid char unique, n int"), keyless, wide, aria, composite,
		tab("heap", "a int"),
		tab("child", "id int auto pk, uuid char unique, k int -> keyless.id"),
		tab("cascade", "id int auto pk, uuid char unique, k int -> ok.id set null"),
		tab("orphan", "id int auto pk, uuid char unique, k int -> outside.id set null"), tab("outside", "id int auto pk, uuid char unique"),
		tab("round", "id int auto pk, uuid char unique, k int null -> round2.id cascade, r int null -> round.id cascade"),
		tab("round2", "id int auto pk, uuid char unique, k int -> round.id cascade"),
		tab("ring", "id int pk -> ring2.id"), tab("ring2", "id int pk -> ring.id"),
		tab("generated", "a int pk generated"),
		tab("named", "id int auto pk, code char null"),
		tab("unsure", "id int auto pk, uuid char"), tab("under", "id int pk, u int -> unsure.id"),
		tab("pair", "a int pk, n int auto pk"),
	)
	want := []string{ // table, refused?, words
		"aria refused engine is Aria", "child refused refers to keyless",
		"composite refused several columns", "generated refused is generated", "heap refused no primary key",
		"keyless refused a number that each site", "named warning no unique index", "named warning may be NULL",
		"pair warning auto-increment column n", "ring refused same at every site", "ring2 refused same at every site",
		"unsure refused ADD UNIQUE (uuid)", "wide refused 129 columns",
	}
	problems := Check(m)
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	if len(got) != len(want) {
		t.Fatalf("%d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, w := range want {
		f := strings.SplitN(w, " ", 3)
		if problems[i].Table != f[0] || problems[i].Refused != (f[1] == "refused") || !strings.Contains(got[i], f[2]) {
			t.Errorf("got %q, want %q", got[i], w)
		}
	}
}

// A circle of ON DELETE CASCADE is for a server that goes round it; and there are
// so many ways through foreign keys that capture follows.
func TestCheckCascades(t *testing.T) {
	check := func(m *Model) string {
		var refused []string
		for _, p := range Check(m) {
			if p.Refused {
				refused = append(refused, p.String())
			}
		}
		return strings.Join(refused, "\n")
	}
	round := build(t, Options{Exclude: []string{"outside"}},
		tab("round", "id int auto pk, uuid char unique, k int null -> outside.id cascade, r int null -> round.id cascade"),
		tab("outside", "id int auto pk, uuid char unique, k int -> round2.id cascade"),
		tab("round2", "id int auto pk, uuid char unique, k int -> round.id cascade"),
		tab("tree", "id int auto pk, uuid char unique, up int null -> tree.id cascade"))
	if got := check(round); got != "" {
		t.Errorf("a circle: %s", got)
	}
	round.BreaksCircles = true
	if got := check(round); strings.Count(got, "\n") != 1 || !strings.Contains(got, "through round, round2, outside, and") {
		t.Errorf("a circle that the server breaks: %s", got)
	}
	many := build(t, Options{},
		tab("a", "id int auto pk, uuid char unique, x int null -> b.id cascade, y int null -> b.id cascade"),
		tab("b", "id int auto pk, uuid char unique, x int null -> a.id cascade"))
	if got := check(many); strings.Count(got, "more than 100 ways") != 2 {
		t.Errorf("too many ways: %s", got)
	}
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		want   string
		tables []*Table
	}{
		{"b a", []*Table{tab("a", "x int pk -> b.x"), tab("b", "x int pk")}},
		{"a b", []*Table{tab("a", "x int pk -> a.x"), tab("b", "x int pk -> a.x")}},
		// A circle is entered where the reference may be NULL, and what hangs below it comes later.
		{"person users concept", []*Table{
			tab("concept", "x int pk, c int -> users.x"),
			tab("users", "x int pk, p int -> person.x"), tab("person", "x int pk, u int null -> users.x, c int null -> concept.x"),
		}},
		{"z y a", []*Table{tab("a", "x int pk, y int null -> y.x"), tab("y", "x int pk -> z.x"), tab("z", "x int pk, y int null -> y.x")}},
		{"a b", []*Table{tab("a", "x int pk -> b.x"), tab("b", "x int pk -> a.x")}},
		// Two references to one table: one that is NOT NULL decides.
		{"b a", []*Table{tab("a", "x int pk, p int null -> b.x, q int -> b.x"), tab("b", "x int pk, a int null -> a.x")}},
	} {
		m := build(t, Options{}, c.tables...)
		if got := names(Order(m)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// checkOrder verifies an order without knowing how it was made: a reference
// that points to a later table is nullable.
func checkOrder(t *testing.T, m *Model) {
	t.Helper()
	place := make(map[string]int)
	for i, x := range Order(m) {
		place[x.Name] = i
	}
	if len(place) != len(m.Tables) {
		t.Fatalf("%d tables of %d", len(place), len(m.Tables))
	}
	for _, x := range m.Tables {
		for _, ref := range x.References {
			if ref.Table != x.Name && place[ref.Table] > place[x.Name] && !x.Column(ref.Column).Nullable {
				t.Errorf("%s comes before %s, which it must refer to by %s", x.Name, ref.Table, ref.Column)
			}
		}
	}
	if first := names(Order(m)); first != names(Order(m)) {
		t.Error("the order changes")
	}
}

func TestShippedOfLocal(t *testing.T) {
	m := build(t, Options{}, tab("person", "id int auto pk, uuid char unique"))
	if slices.Contains(m.Tables["person"].Shipped(), "id") {
		t.Error("a local number is shipped")
	}
}
