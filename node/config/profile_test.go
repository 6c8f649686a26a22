package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func openMRS(t *testing.T) *Profile {
	t.Helper()
	p, err := LoadProfile("openmrs")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryProfileIsSound(t *testing.T) {
	files, err := builtIn.ReadDir("profiles")
	if err != nil || len(files) != len(Profiles) {
		t.Fatalf("%d files for %d profiles: %v", len(files), len(Profiles), err)
	}
	for _, name := range Profiles {
		p, err := LoadProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		c := full()
		c.Tables, c.Exclude = nil, nil
		c.ApplyProfile(p)
		if err := c.Check(); err != nil || c.Profile != name || p.Name != name {
			t.Errorf("profile %s: %v, named %q and %q", name, err, c.Profile, p.Name)
		}
		dir := t.TempDir()
		if err := c.Save(dir); err != nil {
			t.Fatal(err)
		}
		again, err := Load(dir)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("profile %s does not survive the settings: %v\n%+v\n%+v", name, err, again, c)
		}
	}
}

func TestProfileKeepsWhatIsSet(t *testing.T) {
	p := openMRS(t)
	c := Config{Tables: []string{"user_property", "person"}, Identity: map[string][]string{"users": {"username"}}}
	c.ApplyProfile(p)
	if c.Identity["users"][0] != "username" || slices.Contains(c.Exclude, "user_property") || !slices.Contains(c.Exclude, "shedlock") ||
		!slices.Contains(c.Keyless, "concept_name_tag_map") || c.References["orders.concept_id"] != "concept.concept_id" {
		t.Fatalf("%+v", c)
	}
	before := len(c.Exclude)
	c.ApplyProfile(p)
	if len(c.Exclude) != before {
		t.Error("applied twice, excluded twice")
	}
	if again := openMRS(t); !reflect.DeepEqual(p, again) {
		t.Error("applying changed the profile itself")
	}
	joined, err := UnmarshalShared(c.Shared().Marshal())
	other := Config{}
	if other.Adopt(joined); err != nil || !reflect.DeepEqual(other, c) {
		t.Errorf("a joining site gets %+v, want %+v, %v", other, c, err)
	}
}

func TestProfileErrors(t *testing.T) {
	const head = "name: ours\n"
	for name, c := range map[string]struct{ text, want string }{
		"no name":       {"exclude: []\n", `p.yaml: name: "" is not a name`},
		"bad name":      {"\nname: Our Own\n", `p.yaml:2: name: "Our Own" is not a name`},
		"unknown":       {head + "tables: [a]\n", `p.yaml:2: there is no setting "tables": use name, description, exclude, `},
		"unknown inner": {head + "exclude:\n  - tables: [a]\n    because: x\n", `p.yaml:4: there is no setting "because": use tables, why`},
		"wrong kind":    {head + "exclude: [a]\n", "p.yaml:2: exclude has a value of the wrong kind: write a list, as in - {tables"},
		"no why":        {head + "exclude:\n  - tables: [a]\n    why: x\n  - tables: [b]\n", "p.yaml:5: exclude: the entry of b says not why"},
		"no tables":     {head + "keyless:\n  - why: x\n", "p.yaml:3: keyless: an entry names no tables"},
		"pattern":       {head + "exclude:\n  - tables: ['a[']\n    why: x\n", `p.yaml:3: exclude: "a[" is not a table name or pattern`},
		"twice":         {head + "exclude:\n  - {tables: [a], why: x}\nkeyless:\n  - {tables: [a], why: x}\n", "p.yaml:5: keyless: a is left out twice"},
		"identity":      {head + "identity:\n  - {table: a, why: x}\n", "p.yaml:3: identity: table or columns are missing"},
		"identity why":  {head + "identity:\n  - {table: a, columns: [b]}\n", "p.yaml:3: identity: a says not why"},
		"identity two":  {head + "identity:\n  - {table: a, columns: [b], why: x}\n  - {table: a, columns: [b], why: x}\n", "p.yaml:4: identity: a is there twice"},
		"identity out":  {head + "exclude:\n  - {tables: [a], why: x}\nidentity:\n  - {table: a, columns: [b], why: x}\n", "p.yaml:5: identity: a is left out by exclude"},
		"reference":     {head + "references:\n  a.b: c.d\n  e: f\n", `p.yaml:4: references: "e" to "f"`},
		"typed":         {head + "typed_references:\n  a.b: {by: c.d.e, tables: {x: y}}\n", `p.yaml:3: typed_references: "a.b" by "c.d.e"`},
		"typed none":    {head + "typed_references:\n  a.b: {by: c.d}\n", "p.yaml:3: typed_references: a.b names no tables"},
		"same rows":     {head + "same_rows:\n  - {tables: [a], why: x}\n", "p.yaml:3: same_rows: tables or columns are missing"},
		"same values":   {head + "same_rows:\n  - {tables: [a], columns: [b, c], values: [d], why: x}\n", "p.yaml:3: same_rows: a has values and more"},
		"dates":         {head + "first_stamps: [a, b.c]\n", `p.yaml:2: first_stamps: "b.c" is not the name of a column`},
		"no yaml":       {head + "exclude: [\n", "p.yaml:2: this is not YAML"},
	} {
		_, err := ParseProfile("p.yaml", []byte(c.text))
		switch {
		case err == nil:
			t.Errorf("%s: no error", name)
		case !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s:\n got %q\nwant %q", name, err, c.want)
		}
	}
}

func TestLoadProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ours.yaml")
	if err := os.WriteFile(file, []byte("name: ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := LoadProfile(file); err != nil || p.Name != "ours" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, want := range map[string]string{
		"openmr":      `profile: "openmr" is not known: use openmrs, or a file as in ./openmr.yaml`,
		file + ".bak": "profile: there is no file " + file,
	} {
		if _, err := LoadProfile(name); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
