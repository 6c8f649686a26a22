package schema

import (
	"fmt"
	"slices"
	"strings"
)

// ColumnsMax is how many columns a replicated table may have: capture has one
// bit for each.
const ColumnsMax = 128

// Problem is what keeps a table from being replicated, or what its
// administrator should know.
type Problem struct {
	Table string
	// Refused: the table cannot be replicated as it is. Otherwise this is a
	// warning.
	Refused bool
	Text    string
}

func (p Problem) String() string {
	word := "warning"
	if p.Refused {
		word = "refused"
	}
	return fmt.Sprintf("table %s: %s: %s", p.Table, word, p.Text)
}

// Check lists what is wrong with the replicated tables, in order of their
// names: at most one reason to refuse each, and any number of warnings.
func Check(m *Model) []Problem {
	var problems []Problem
	for _, t := range m.sorted() {
		if !t.Replicated {
			continue
		}
		if why := m.refusal(t); why != "" {
			problems = append(problems, Problem{t.Name, true, why})
			continue
		}
		for _, text := range m.warnings(t) {
			problems = append(problems, Problem{t.Name, false, text})
		}
	}
	return problems
}

func (m *Model) refusal(t *Table) string {
	switch {
	case t.Wrong != "":
		return t.Wrong + "; name another identity or reference in the settings, or exclude it"
	case !strings.EqualFold(t.Engine, "InnoDB"):
		return fmt.Sprintf("its engine is %s, which has no transactions; ALTER TABLE `%s` ENGINE=InnoDB, or exclude it", t.Engine, t.Name)
	case len(t.PrimaryKey) == 0 && len(t.Identity.Columns) == 0:
		return "it has no primary key; add one, or exclude it"
	case len(t.PrimaryKey) == 0:
		return "it has no primary key to find its rows by; make the identity (" + list(t.Identity.Columns) + ") the primary key, or exclude it"
	case len(t.Identity.Columns) == 0, t.numbersClash:
		return "its rows have no name but a number that each site gives out itself; name a unique key as its identity, " +
			"give each site an auto-increment offset of its own (`baraza doctor` prints how), or exclude it"
	case t.Identity.Unsure:
		column := t.Identity.Columns[0]
		return fmt.Sprintf("its %[1]s column may be NULL or hold one value twice; ALTER TABLE `%[2]s` MODIFY it to NOT NULL and ADD UNIQUE (%[1]s), "+
			"name %[1]s as its identity if you know better, or exclude it", column, t.Name)
	case len(t.Columns) > ColumnsMax:
		return fmt.Sprintf("it has %d columns, %d are possible; split or exclude it", len(t.Columns), ColumnsMax)
	}
	for _, name := range t.Identity.Columns {
		if c := t.Column(name); c.Generated {
			return "its identity column " + name + " is generated, and generated columns do not travel; name another identity, or exclude it"
		}
	}
	for _, ref := range t.References {
		if m.Tables[ref.Table] == nil {
			return fmt.Sprintf("its column %s refers to %s, which is not in this database; exclude it", ref.Column, ref.Table)
		}
		if !m.portable(ref.Table, nil) {
			return fmt.Sprintf("its column %s refers to %s, whose rows have no name that is the same at every site; "+
				"name a unique key as the identity of %s, or exclude %s", ref.Column, ref.Table, ref.Table, t.Name)
		}
	}
	if !m.portable(t.Name, nil) {
		return "its identity (" + list(t.Identity.Columns) + ") refers to itself in a circle; name another identity, or exclude it"
	}
	if circle := m.cascadeCircle(t); m.BreaksCircles && circle != "" {
		return "deleting a row of it can go round a circle of foreign keys with ON DELETE CASCADE through " + circle +
			", and this server breaks off there and leaves references to nothing; start it with innodb_native_foreign_keys=ON, change one of them to RESTRICT, or exclude it"
	}
	w := NewWalker(m)
	_, deleted := w.Deleted(t.Name)
	_, moved := w.Moved(t.Name)
	if !deleted || !moved {
		return fmt.Sprintf("its rows take others with them by more than %d ways of foreign keys with CASCADE or SET NULL, as many as capture follows; "+
			"change some of them to RESTRICT, or exclude it", WaysMax)
	}
	return m.refuseComposite(t)
}

// cascadeCircle names the tables of a circle of ON DELETE CASCADE in which t is,
// "" for none. A table that refers to itself is none.
func (m *Model) cascadeCircle(t *Table) string {
	var path []string
	var visit func(name string) bool
	visit = func(name string) bool {
		path = append(path, name)
		for i := range m.Acting {
			k := &m.Acting[i]
			switch {
			case k.Table != name || ActionOf(k.OnDelete) != Cascade || k.Child == name:
			case k.Child == t.Name:
				return true
			case !slices.Contains(path, k.Child) && visit(k.Child):
				return true
			}
		}
		path = path[:len(path)-1]
		return false
	}
	if !visit(t.Name) {
		return ""
	}
	return strings.Join(path, ", ")
}

// refuseComposite: a local number in a foreign key of several columns cannot
// be translated.
func (m *Model) refuseComposite(t *Table) string {
	for _, fk := range t.Composite {
		parent := m.Tables[fk.Table]
		if parent == nil {
			continue
		}
		for i, target := range fk.Targets {
			if t.Reference(fk.Columns[i]) == nil && parent.localNumber(target) {
				return fmt.Sprintf("its column %s is part of a foreign key of several columns to %s.%s, a number that each site gives out itself; "+
					"declare %s a foreign key of its own, or exclude it", fk.Columns[i], fk.Table, target, fk.Columns[i])
			}
		}
	}
	return ""
}

func (m *Model) warnings(t *Table) []string {
	var texts []string
	if !t.isUnique(t.Identity.Columns) {
		texts = append(texts, "no unique index covers its identity ("+list(t.Identity.Columns)+"): two rows with one identity become one at the other sites")
	}
	for _, name := range t.Identity.Columns {
		if t.Column(name).Nullable {
			texts = append(texts, "its identity column "+name+" may be NULL: rows where it is NULL stay out")
		}
	}
	if len(t.PrimaryKey) > 1 && slices.Contains(t.Identity.Columns, t.AutoIncrement) {
		texts = append(texts, "its identity holds the auto-increment column "+t.AutoIncrement+": two sites may give out the same number")
	}
	if len(t.Triggers) > 0 {
		texts = append(texts, "its own triggers ("+list(t.Triggers)+") also fire on applied rows; they can test @baraza_apply IS NULL")
	}
	return texts
}

// sorted returns the tables in order of their names.
func (m *Model) sorted() []*Table {
	tables := make([]*Table, 0, len(m.Tables))
	for _, t := range m.Tables {
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	return tables
}
