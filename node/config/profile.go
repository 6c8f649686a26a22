package config

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"baraza/schema"
)

// Profile is what is known of an application's tables: a file that an
// administrator can copy and change. At init it is written into the settings,
// where it can be seen, and from there sites that join get it.
type Profile struct {
	// Name is what settings and status call it.
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Exclude are tables that are never replicated, Keyless those that are left
	// out as long as they have no primary key.
	Exclude []Excluded `yaml:"exclude"`
	Keyless []Excluded `yaml:"keyless"`
	// Identity is what names a row at every site.
	Identity []Identity `yaml:"identity"`
	// References are references without a foreign key, "table.column" to
	// "table.column".
	References map[string]string `yaml:"references"`
	// Typed are columns that hold the number of a row of one of several tables,
	// "table.column" to what tells which.
	Typed map[string]schema.TypedBy `yaml:"typed_references"`
	// SameRows say which rows mean the same when sites meet, though their
	// identities differ.
	SameRows []SameRows `yaml:"same_rows"`
	// FirstStamps are columns that tell when a row was written.
	FirstStamps []string `yaml:"first_stamps"`
	// Unique is what rows show whose unique value another row has, by table.
	Unique map[string]string `yaml:"unique"`
	// Hooks tell the application, below its address, of rows that were written
	// beneath it. They are off until a site's settings have that address.
	Hooks []Hook `yaml:"hooks"`
	// Counters are the columns that add up what everyone adds, by table.
	Counters map[string][]string `yaml:"counters"`
}

// Excluded are tables that are left out, and why.
type Excluded struct {
	Tables []string `yaml:"tables"`
	Why    string   `yaml:"why"`
}

// Identity is what names the rows of a table, and why.
type Identity struct {
	Table   string   `yaml:"table"`
	Columns []string `yaml:"columns"`
	Why     string   `yaml:"why"`
}

// SameRows says which rows of tables mean the same, and why.
type SameRows struct {
	Tables  []string `yaml:"tables"`
	Columns []string `yaml:"columns"`
	// Values, where there are any, are those of the only column that count.
	Values []string `yaml:"values"`
	Why    string   `yaml:"why"`
}

//go:embed profiles/*.yaml
var builtIn embed.FS

// Profiles are the names of the profiles that the program has.
var Profiles = []string{"openmrs"}

// ErrNoProfile says that what was given is neither a profile's name nor a file.
var ErrNoProfile = errors.New("is not known")

// LoadProfile reads a profile: one of Profiles, or a file, which is told from a
// name by a slash or its ending.
func LoadProfile(nameOrFile string) (*Profile, error) {
	if slices.Contains(Profiles, nameOrFile) {
		text, err := builtIn.ReadFile("profiles/" + nameOrFile + ".yaml")
		if err != nil {
			return nil, err
		}
		return ParseProfile(nameOrFile+".yaml", text)
	}
	if !strings.ContainsAny(nameOrFile, `/\`) && filepath.Ext(nameOrFile) == "" {
		return nil, fmt.Errorf("profile: %q %w: use %s, or a file as in ./%s.yaml", nameOrFile, ErrNoProfile, strings.Join(Profiles, ", "), nameOrFile)
	}
	info, err := os.Stat(nameOrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("profile: there is no file %s: write a path, or %s", nameOrFile, strings.Join(Profiles, ", "))
	}
	if err == nil && info.Size() > fileBytesMax {
		return nil, fmt.Errorf("profile: %s: %d bytes are more than a profile can be: give the right file", nameOrFile, info.Size())
	}
	text, err := os.ReadFile(nameOrFile)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return ParseProfile(nameOrFile, text)
}

// ParseProfile reads a profile; path is for messages.
func ParseProfile(path string, text []byte) (*Profile, error) {
	p := &Profile{}
	if len(strings.TrimSpace(string(text))) > 0 {
		if err := yaml.UnmarshalWithOptions(text, p, yaml.Strict()); err != nil {
			return nil, profileWords.explain(path, text, err)
		}
	}
	if at, err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", placeAt(path, text, at), err)
	}
	return p, nil
}

// ApplyProfile adds what the profile says to the settings. What is set already
// stays as it is.
func (c *Config) ApplyProfile(p *Profile) {
	c.Profile = p.Name
	c.Exclude = c.leaveOut(c.Exclude, p.Exclude)
	c.Keyless = c.leaveOut(c.Keyless, p.Keyless)
	identity := map[string][]string{}
	for _, id := range p.Identity {
		identity[id.Table] = slices.Clone(id.Columns)
	}
	c.Identity = fill(c.Identity, identity)
	c.References = fill(c.References, p.References)
	c.Typed = fill(c.Typed, p.Typed)
	same := map[string]schema.Match{}
	for _, e := range p.SameRows {
		for _, table := range e.Tables {
			same[table] = schema.Match{Columns: slices.Clone(e.Columns), Values: slices.Clone(e.Values)}
		}
	}
	c.SameRows = fill(c.SameRows, same)
	if len(c.FirstStamps) == 0 {
		c.FirstStamps = slices.Clone(p.FirstStamps)
	}
	c.Unique = fill(c.Unique, p.Unique)
	for i := range p.Hooks {
		if !slices.ContainsFunc(c.Hooks, func(h Hook) bool { return h.Name == p.Hooks[i].Name }) {
			c.Hooks = append(c.Hooks, p.Hooks[i])
		}
	}
	c.Counters = fill(c.Counters, p.Counters)
}

// leaveOut adds tables to a list, but for those that the settings name to be
// replicated.
func (c *Config) leaveOut(list []string, more []Excluded) []string {
	for _, e := range more {
		for _, pattern := range e.Tables {
			if !slices.Contains(list, pattern) && !slices.Contains(c.Tables, pattern) {
				list = append(list, pattern)
			}
		}
	}
	return list
}

// fill returns the settings with those of a profile that they lack.
func fill[V any](set, from map[string]V) map[string]V {
	if len(set)+len(from) == 0 {
		return set
	}
	all := maps.Clone(from)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, set)
	return all
}
