package config

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"baraza/schema"
)

const profileNameChars = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// profileWords is how a profile's errors speak of it.
var profileWords = words{
	keys: keysOf(Profile{}),
	kinds: map[string]string{
		"name":             "a word, as in openmrs",
		"description":      "a text",
		"exclude":          "a list, as in - {tables: [audit_*], why: state of one server}",
		"keyless":          "a list, as in - {tables: [tag_map], why: it has no primary key}",
		"identity":         "a list, as in - {table: users, columns: [uuid], why: it has no unique index}",
		"unique":           "tables with what they do, as in person_name: mark",
		"counters":         "tables with lists of columns, as in stock: [quantity]",
		"references":       "columns with columns, as in orders.concept_id: concept.concept_id",
		"typed_references": "columns, as in note.row_id: {by: type_id.format, tables: {org.example.Ward: ward}}",
		"same_rows":        "a list, as in - {tables: [ward_type], columns: [name], why: the name is unique}",
		"first_stamps":     "a list of columns, as in [date_created, date_changed]",
		"hooks":            "a list of hooks, as docs/hooks.md describes them",
	},
	inner: map[string][]string{
		"same_rows":        {"tables", "columns", "values", "why"},
		"typed_references": {"by", "tables"},
		"exclude":          {"tables", "why"}, "keyless": {"tables", "why"}, "identity": {"table", "columns", "why"},
		"hooks": {"name", "tables", "url", "bodies", "row", "table", "after", "timeout"},
	},
}

// check returns the place of the first thing that cannot be, as a path of the
// YAML, and what is wrong with it.
func (p *Profile) check() (at string, err error) {
	if p.Name == "" || strings.Trim(p.Name, profileNameChars) != "" {
		return "$.name", fmt.Errorf("name: %q is not a name: use lower-case letters, digits, - and _, as in name: openmrs", p.Name)
	}
	if err := checkUnique(p.Unique); err != nil {
		return "$.unique", err
	}
	if err := checkCounters(p.Counters); err != nil {
		return "$.counters", err
	}
	left := map[string]string{}
	if at, err := leftOut("exclude", p.Exclude, left); err != nil {
		return at, err
	}
	if at, err := leftOut("keyless", p.Keyless, left); err != nil {
		return at, err
	}
	named := map[string]bool{}
	for i, id := range p.Identity {
		at := fmt.Sprintf("$.identity[%d]", i)
		switch {
		case id.Table == "" || len(id.Columns) == 0 || slices.Contains(id.Columns, ""):
			return at, errors.New("identity: table or columns are missing: write {table: users, columns: [uuid], why: …}")
		case id.Why == "":
			return at, fmt.Errorf("identity: %s says not why: add why: and a reason, for whoever reads this next", id.Table)
		case named[id.Table]:
			return at, fmt.Errorf("identity: %s is there twice: take one out", id.Table)
		case left[id.Table] != "":
			return at, fmt.Errorf("identity: %s is left out by %s: take it out here or there", id.Table, left[id.Table])
		}
		named[id.Table] = true
	}
	for i := range p.SameRows {
		if err := p.SameRows[i].check(); err != nil {
			return fmt.Sprintf("$.same_rows[%d]", i), err
		}
	}
	if at, err := p.checkReferences(); err != nil {
		return at, err
	}
	return p.checkHooks()
}

// checkHooks allows requests to the application only: a profile comes from
// another site and may name no other address, nor run anything.
func (p *Profile) checkHooks() (at string, err error) {
	c := Config{Hooks: p.Hooks}
	if err := c.checkHooks(); err != nil {
		return "$.hooks", err
	}
	for i := range p.Hooks {
		if !p.Hooks[i].ofApp() {
			return fmt.Sprintf("$.hooks[%d]", i), fmt.Errorf("hooks: %s: a profile's hook has a url below the application's, as in /reindex: write others into baraza.yaml", p.Hooks[i].Name)
		}
	}
	return "", nil
}

// leftOut checks one list of tables that are left out, and notes them in left.
func leftOut(key string, list []Excluded, left map[string]string) (at string, err error) {
	for i, e := range list {
		at := fmt.Sprintf("$.%s[%d]", key, i)
		if err := e.check(key); err != nil {
			return at, err
		}
		for _, table := range e.Tables {
			if left[table] != "" {
				return at, fmt.Errorf("%s: %s is left out twice: take one out", key, table)
			}
			left[table] = key
		}
	}
	return "", nil
}

func (e *Excluded) check(key string) error {
	if len(e.Tables) == 0 {
		return fmt.Errorf("%s: an entry names no tables: add tables: [NAME, PATTERN_*]", key)
	}
	for _, pattern := range e.Tables {
		if _, err := path.Match(pattern, ""); err != nil || strings.TrimSpace(pattern) != pattern || pattern == "" {
			return fmt.Errorf("%s: %q is not a table name or pattern: write it as in person or obs_*", key, pattern)
		}
	}
	if e.Why == "" {
		return fmt.Errorf("%s: the entry of %s says not why: add why: and a reason, for whoever reads this next", key, e.Tables[0])
	}
	return nil
}

func (p *Profile) checkReferences() (at string, err error) {
	for _, from := range sortedKeys(p.References) {
		if to := p.References[from]; strings.Count(from, ".") != 1 || strings.Count(to, ".") != 1 {
			return "$.references.'" + from + "'",
				fmt.Errorf("references: %q to %q: write both as table.column, as in orders.concept_id: concept.concept_id", from, to)
		}
	}
	for i, column := range p.FirstStamps {
		if column == "" || strings.Contains(column, ".") {
			return fmt.Sprintf("$.first_stamps[%d]", i), fmt.Errorf("first_stamps: %q is not the name of a column: write it without its table, as in date_changed", column)
		}
	}
	for _, from := range sortedKeys(p.Typed) {
		if err := checkTyped(from, p.Typed[from]); err != nil {
			return "$.typed_references.'" + from + "'", err
		}
	}
	return "", nil
}

func (e *SameRows) check() error {
	switch {
	case len(e.Tables) == 0 || len(e.Columns) == 0:
		return errors.New("same_rows: tables or columns are missing: write {tables: [ward_type], columns: [name], why: …}")
	case len(e.Values) > 0 && len(e.Columns) > 1:
		return fmt.Errorf("same_rows: %s has values and more than one column: write one column", e.Tables[0])
	case e.Why == "":
		return fmt.Errorf("same_rows: the entry of %s says not why: add why: and a reason, for whoever reads this next", e.Tables[0])
	}
	return nil
}

// checkTyped knows the form only.
func checkTyped(from string, by schema.TypedBy) error {
	if strings.Count(from, ".") != 1 || by.By == "" || strings.Count(by.By, ".") > 1 {
		return fmt.Errorf("typed_references: %q by %q: write table.column, and by: a column of it, or a reference of it and a column of what that refers to, as in type_id.format", from, by.By)
	}
	if len(by.Tables) == 0 {
		return fmt.Errorf("typed_references: %s names no tables: add tables: {org.example.Ward: ward}", from)
	}
	for _, value := range sortedKeys(by.Tables) {
		if table := by.Tables[value]; table == "" || strings.Contains(table, ".") {
			return fmt.Errorf("typed_references: %s: %s means %q: write the name of a table", from, value, table)
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// placeAt returns the file and, where it can be told, the line of a path of the
// YAML.
func placeAt(file string, text []byte, at string) string {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil || at == "" {
		return file
	}
	for ; at != "$" && at != ""; at = parentPath(at) {
		p, err := yaml.PathString(at)
		if err != nil {
			continue
		}
		if node, err := p.FilterFile(tree); err == nil && node != nil && node.GetToken() != nil {
			return fmt.Sprintf("%s:%d", file, node.GetToken().Position.Line)
		}
	}
	return file
}

// parentPath is the path of what a path's place is in.
func parentPath(at string) string {
	i := strings.LastIndexAny(at, ".[")
	if j := strings.Index(at, ".'"); j >= 0 {
		i = j
	}
	if i <= 0 {
		return ""
	}
	return at[:i]
}
