package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Options say what of a database is replicated, and what its own catalogue
// does not tell.
type Options struct {
	// Tables are patterns such as "person" or "obs_*". None means every table.
	Tables []string
	// Exclude are patterns of tables that Tables would take and that stay out.
	Exclude []string
	// Keyless are patterns of tables that stay out as long as they have no primary
	// key.
	Keyless []string
	// Identity names a table's identity columns.
	Identity map[string][]string
	// References are references without a foreign key, as in
	// "orders.concept_id": "concept.concept_id".
	References map[string]string
	// Typed are columns whose reference depends on another value, "table.column" to
	// what tells.
	Typed map[string]TypedBy
	// Numbered: the sites have agreed on who gives out which auto-increment
	// numbers, so these may name rows, whatever the server does now.
	Numbered bool
	// Lenient is for a site that runs: a setting for what is not there any more
	// concerns its table alone (Table.Wrong), and is no error.
	Lenient bool
	// Match says for tables which rows mean the same when sites meet: see
	// Table.Match.
	Match map[string]Match
	// FirstStamps are columns that tell in any table that has them when a row was
	// written: see Table.Dates.
	FirstStamps []string
}

// TypedBy says what a column refers to by the value of another.
type TypedBy struct {
	// By is a column of the same table, or "reference.column": a column of the
	// row that the reference refers to.
	By string `yaml:"by" json:"by"`
	// Tables are the tables by that value.
	Tables map[string]string `yaml:"tables" json:"tables"`
}

// Queryer is a database, a connection or a transaction.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// ownTriggers is how the names of baraza's triggers begin.
const ownTriggers = "baraza_"

// Load reads the model of the connection's current database. What cannot be
// replicated is in the model too: see Check.
func Load(ctx context.Context, q Queryer, opts Options) (*Model, error) {
	l := loader{ctx: ctx, q: q, m: &Model{Tables: make(map[string]*Table)}}
	for _, step := range []func() error{l.database, l.tables, l.columns, l.documents, l.indexes, l.foreignKeys, l.triggers, l.zone, l.numbers, l.circles} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("read the schema: %w", err)
		}
	}
	if err := finish(l.m, opts); err != nil {
		return nil, err
	}
	return l.m, nil
}

// finish turns what the catalogue says into the model of what is replicated.
func finish(m *Model, opts Options) error {
	if err := mark(m, opts); err != nil {
		return err
	}
	if err := declare(m, opts.References, opts.Lenient); err != nil {
		return err
	}
	inherit(m)
	date(m, opts.FirstStamps)
	if err := identify(m, opts); err != nil {
		return err
	}
	if err := declareTyped(m, opts.Typed, opts.Lenient); err != nil {
		return err
	}
	match(m, opts.Match)
	m.Acting = m.reaching(acting(m))
	prune(m)
	return nil
}

// Takes reports whether the patterns take a table.
func (o *Options) Takes(table string) bool {
	return (len(o.Tables) == 0 || matches(o.Tables, table)) && !matches(o.Exclude, table)
}

// mark sets Replicated by the patterns.
func mark(m *Model, opts Options) error {
	for _, pattern := range slices.Concat(opts.Tables, opts.Exclude, opts.Keyless) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("the table pattern %q is not one: %w", pattern, err)
		}
	}
	for name, t := range m.Tables {
		t.Replicated = opts.Takes(name) && !m.passing(name) && (len(t.PrimaryKey) > 0 || !matches(opts.Keyless, name))
	}
	for _, pattern := range opts.Tables {
		if !opts.Lenient && !strings.ContainsAny(pattern, `*?[\`) && m.Tables[pattern] == nil {
			return fmt.Errorf("the database %s has no table %s", m.Database, pattern)
		}
	}
	return nil
}

// passing reports whether a table is one that a tool makes while it changes
// another without stopping writers, and that takes its place: gh-ost's _t_gho, _t_ghc
// and _t_del, pt-online-schema-change's _t_new and _t_old.
func (m *Model) passing(name string) bool {
	inner, ok := strings.CutPrefix(name, "_")
	i := strings.LastIndexByte(inner, '_')
	if !ok || i < 0 {
		return false
	}
	return slices.Contains([]string{"gho", "ghc", "del", "new", "old"}, inner[i+1:]) && m.Tables[inner[:i]] != nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}

// declare adds the references that have no foreign key. A declaration for a
// table that is not there says nothing: profiles serve many versions of an
// application.
func declare(m *Model, references map[string]string, lenient bool) error {
	for from, to := range references {
		table, column, ok1 := strings.Cut(from, ".")
		target, targetColumn, ok2 := strings.Cut(to, ".")
		if !ok1 || !ok2 {
			return fmt.Errorf("reference %q to %q: both are written table.column", from, to)
		}
		t, ref := m.Tables[table], m.Tables[target]
		if t == nil || t.Column(column) == nil || t.Reference(column) != nil {
			continue
		}
		if ref == nil || ref.Column(targetColumn) == nil {
			if lenient {
				t.Wrong = fmt.Sprintf("its column %s refers to %s, which is not there", column, to)
				continue
			}
			return fmt.Errorf("reference %s: there is no column %s", from, to)
		}
		t.References = append(t.References, Reference{
			Column: column, Table: target, Target: targetColumn,
			OnDelete: "NO ACTION", OnUpdate: "NO ACTION",
		})
	}
	for _, t := range m.Tables {
		slices.SortFunc(t.References, func(a, b Reference) int {
			return strings.Compare(a.Column+"\x00"+a.Table, b.Column+"\x00"+b.Table)
		})
	}
	return nil
}

// date notes the columns that tell when a row was written.
func date(m *Model, columns []string) {
	for _, t := range m.Tables {
		for _, name := range columns {
			if c := t.Column(name); c != nil && !c.Generated && slices.Contains([]string{"date", "datetime", "timestamp"}, c.Base) {
				t.Dates = append(t.Dates, name)
			}
		}
	}
}

// match notes which rows mean the same. It is of use where a row is named by one
// column that means nothing else, as a uuid.
func match(m *Model, matches map[string]Match) {
	for name, x := range matches {
		t := m.Tables[name]
		if t == nil || !t.Identity.Local || len(t.Identity.Columns) != 1 || t.Reference(t.Identity.Columns[0]) != nil {
			continue
		}
		if !slices.ContainsFunc(x.Columns, func(c string) bool { return t.Column(c) == nil || t.Reference(c) != nil }) {
			t.Match = &x
		}
	}
}

// inherit makes a column of a composite foreign key a reference where the
// column that it points to is one: in visit_note(patient_id, visit_no) ->
// visit(patient_id, visit_no) the patient is a patient, and not a number.
func inherit(m *Model) {
	for again := true; again; {
		again = false
		for _, t := range m.Tables {
			for _, fk := range t.Composite {
				again = m.inheritOne(t, fk) || again
			}
		}
	}
}

func (m *Model) inheritOne(t *Table, fk ForeignKey) (added bool) {
	parent := m.Tables[fk.Table]
	if parent == nil {
		return false
	}
	for i, column := range fk.Columns {
		ref := parent.Reference(fk.Targets[i])
		if ref == nil || t.Reference(column) != nil {
			continue
		}
		t.References = append(t.References, Reference{
			Column: column, Table: ref.Table, Target: ref.Target,
			OnDelete: "NO ACTION", OnUpdate: "NO ACTION",
		})
		added = true
	}
	return added
}

// prune drops the tables that are neither replicated, nor referred to by a
// replicated one, nor needed to name a row of such a one.
func prune(m *Model) {
	keep := make(map[string]bool)
	var add func(name string)
	add = func(name string) {
		t := m.Tables[name]
		if t == nil || keep[name] {
			return
		}
		keep[name] = true
		for _, ref := range t.References {
			if t.Replicated || slices.Contains(t.Identity.Columns, ref.Column) {
				add(ref.Table)
			}
		}
		for i := range t.Typed {
			for _, table := range t.Typed[i].Tables {
				add(table)
			}
		}
		for _, fk := range t.Composite {
			if t.Replicated {
				add(fk.Table)
			}
		}
	}
	for name, t := range m.Tables {
		if t.Replicated {
			add(name)
		}
	}
	for name := range m.Tables {
		if !keep[name] {
			delete(m.Tables, name)
		}
	}
}

// ErrNoDatabase says that the DSN names no database.
var ErrNoDatabase = errors.New("the DSN names no database; write it after the slash: user:password@tcp(host:3306)/database")
