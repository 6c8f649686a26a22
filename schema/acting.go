package schema

import "slices"

// ActingKey is a foreign key by which the database changes rows of the child when
// a row that they refer to is deleted or gets another key: its action is CASCADE or
// SET NULL. ForeignKey.Table is the parent.
type ActingKey struct {
	Child string
	ForeignKey
}

// acting collects the acting keys of all tables, replicated or not.
func acting(m *Model) []ActingKey {
	var all []ActingKey
	add := func(child string, fk ForeignKey) {
		if ActionOf(fk.OnDelete) != Restrict || ActionOf(fk.OnUpdate) != Restrict {
			all = append(all, ActingKey{child, fk})
		}
	}
	for _, t := range m.sorted() {
		for _, ref := range t.References {
			if ref.Declared {
				add(t.Name, ForeignKey{[]string{ref.Column}, ref.Table, []string{ref.Target}, ref.OnDelete, ref.OnUpdate})
			}
		}
		for _, fk := range t.Composite {
			add(t.Name, fk)
		}
	}
	return all
}

// reaching keeps of the acting keys those by which a replicated row may change.
func (m *Model) reaching(all []ActingKey) []ActingKey {
	reached := make(map[string]bool)
	for name, t := range m.Tables {
		reached[name] = t.Replicated
	}
	for again := true; again; {
		again = false
		for i := range all {
			if fk := &all[i]; reached[fk.Child] && !reached[fk.Table] {
				reached[fk.Table], again = true, true
			}
		}
	}
	return slices.DeleteFunc(all, func(fk ActingKey) bool { return !reached[fk.Child] })
}
