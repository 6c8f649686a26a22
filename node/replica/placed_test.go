package replica_test

import (
	"maps"
	"slices"
	"testing"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/replica"
	"baraza/schema"
)

// nested has rows that go with either of two others, and rows that go with those.
var nested = func() *schema.Model {
	text := func(name string) schema.Column {
		return schema.Column{Name: name, Type: "varchar(20)", Base: "varchar", Charset: "utf8mb4"}
	}
	to := func(column, table string) schema.Reference {
		return schema.Reference{Column: column, Table: table, Target: "code", Declared: true, OnDelete: "CASCADE", OnUpdate: "RESTRICT"}
	}
	m := &schema.Model{Database: "app", Tables: map[string]*schema.Table{}}
	for name, references := range map[string][]schema.Reference{
		"ward": nil, "bed": {to("left", "ward"), to("right", "ward")}, "sheet": {to("bed", "bed")},
	} {
		t := &schema.Table{
			Name: name, Replicated: true, Engine: "InnoDB", PrimaryKey: []string{"code"},
			Identity: schema.Identity{Columns: []string{"code"}}, Columns: []schema.Column{text("code")}, References: references,
		}
		for i := range references {
			t.Columns = append(t.Columns, text(references[i].Column))
		}
		slices.SortFunc(t.Columns, func(a, b schema.Column) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
		m.Tables[name] = t
	}
	return m
}()

// A row goes with one that goes with either of two others: the conflict names the
// delete that took it, whichever of the two that was, and the later where both
// were deleted.
//
// Seen to fail when only one reference is followed upwards ("at baseline"), and when
// the first delete found is taken.
func TestDeleteThatTookARow(t *testing.T) {
	for _, c := range []struct {
		name    string
		deletes []string // in this order; the last is to be named
	}{
		{"the first", []string{"a"}},
		{"the second", []string{"b"}},
		{"both, the first one later", []string{"b", "a"}},
		{"both, the second one later", []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := newWorldOf(nested, func(f *faults) (disk, error) { return newCrashStore(f), nil }, 2, plain, false)
			if err != nil {
				t.Fatal(err)
			}
			a, b := w.sites[0], w.sites[1]
			a.do(t, coded(memdb.Insert, "ward", "a"), coded(memdb.Insert, "ward", "b"))
			w.settle(t)
			b.do(t, coded(memdb.Insert, "bed", "1", "left", "a", "right", "b"))
			b.do(t, coded(memdb.Insert, "sheet", "1", "bed", "1"))
			b.capture(t)
			var last clock.Stamp
			for _, ward := range c.deletes {
				w.micros += 5000
				a.do(t, coded(memdb.Delete, "ward", ward))
				a.capture(t)
				last = a.stampOfDelete(t, "ward", ward)
			}
			w.settle(t)
			for _, s := range w.sites {
				if n := s.db.Len("bed") + s.db.Len("sheet"); n > 0 {
					t.Fatalf("site %d: %d rows stay whose ward was deleted", s.n, n)
				}
				gone := 0
				err := s.r.Conflicts(func(l replica.Conflict) bool {
					if l.Place != merge.Gone {
						return true
					}
					if gone++; l.Winner != last {
						t.Errorf("site %d: %s %s went with the delete at %v, want %v", s.n, l.ID.Table, shortKey(l.ID.Key), l.Winner, last)
					}
					return true
				})
				if err != nil || gone != 2 {
					t.Errorf("site %d lists %d rows that went, want 2: %v", s.n, gone, err)
				}
			}
		})
	}
}

// coded is a write of a row of nested, with columns and what they refer to.
func coded(kind memdb.Kind, table, code string, references ...string) memdb.Write {
	r := merge.Row{Key: crdt.MakeKey(crdt.Text(code))}
	if kind != memdb.Delete {
		values := map[string]crdt.Value{"code": crdt.Text(code)}
		for i := 0; i < len(references); i += 2 {
			values[references[i]] = crdt.Ref(crdt.MakeKey(crdt.Text(references[i+1])))
		}
		for _, column := range slices.Sorted(maps.Keys(values)) {
			r.Columns, r.Values = append(r.Columns, column), append(r.Values, values[column])
		}
	}
	return memdb.Write{Kind: kind, Table: table, Row: r}
}

// stampOfDelete is when a row of nested was deleted.
func (s *site) stampOfDelete(t *testing.T, table, code string) (at clock.Stamp) {
	t.Helper()
	id := merge.RowID{Table: table, Key: crdt.MakeKey(crdt.Text(code))}
	if err := s.r.EachState(func(row merge.RowID, st *merge.State) {
		if row == id {
			at = st.Deleted
		}
	}); err != nil || at.IsZero() {
		t.Fatalf("site %d does not know when %s %s was deleted: %v", s.n, table, code, err)
	}
	return at
}
