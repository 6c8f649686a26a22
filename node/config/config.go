package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"baraza/schema"
)

// File is the name of the settings file in a site's data directory.
const File = "baraza.yaml"

const fileBytesMax = 1 << 20

// Defaults.
const (
	DefaultListen   = "127.0.0.1:7946"
	DefaultMaxDrift = time.Minute
)

// Config is what baraza.yaml holds.
type Config struct {
	// Name is the site's name for people.
	Name string `yaml:"name"`
	// DSN is the database, in the form of go-sql-driver/mysql.
	DSN DSN `yaml:"dsn"`
	// Listen is where other sites connect; Advertise is how they reach it,
	// where that differs. None: a site that can only dial out.
	Listen    string   `yaml:"listen"`
	Advertise []string `yaml:"advertise,omitempty"`
	// Web is where the console will listen; this version has none and refuses
	// it, rather than let an administrator wait for a page.
	Web string `yaml:"web,omitempty"`
	// Profile is the name of the profile that the settings below began with, or
	// "".
	Profile string `yaml:"profile,omitempty"`
	// Tables are patterns of the tables to replicate, none for all; Exclude
	// are patterns of tables that stay out all the same.
	Tables  []string `yaml:"tables,omitempty"`
	Exclude []string `yaml:"exclude,omitempty"`
	// Keyless are patterns of tables that stay out as long as they have no primary
	// key.
	Keyless []string `yaml:"keyless,omitempty"`
	// Identity names a table's identity columns where the default is not right.
	Identity map[string][]string `yaml:"identity,omitempty"`
	// References are references without a foreign key, "table.column" to
	// "table.column".
	References map[string]string `yaml:"references,omitempty"`
	// Typed are columns that hold the number of a row of one of several tables,
	// "table.column" to what tells which.
	Typed map[string]schema.TypedBy `yaml:"typed_references,omitempty"`
	// SameRows say which rows of a table mean the same when sites meet, though
	// their identities differ.
	SameRows map[string]schema.Match `yaml:"same_rows,omitempty"`
	// FirstStamps are columns that tell when a row was written, for rows that were
	// there before.
	FirstStamps []string `yaml:"first_stamps,omitempty"`
	// Unique is what the rows of a table show whose unique value another row has:
	// "null", "mark" or "hold"; "null" where nothing is said. What the network has
	// set goes before it.
	Unique map[string]string `yaml:"unique,omitempty"`
	// Counters are the columns of tables that add up what everyone adds.
	Counters map[string][]string `yaml:"counters,omitempty"`
	// AutoIncrement is who gives out which numbers, where numbers alone name rows.
	AutoIncrement *AutoIncrement `yaml:"auto_increment,omitempty"`
	// Capture is how local changes are found: "auto" or "trigger".
	Capture string `yaml:"capture"`
	// MaxDrift is how far clocks may be apart before stamps are held back.
	MaxDrift Duration `yaml:"max_drift"`
	// App is the application on this database, Hooks what it is told of rows
	// that were written beneath it.
	App   App    `yaml:"app,omitempty"`
	Hooks []Hook `yaml:"hooks,omitempty"`
}

// Default returns the settings before any are given.
func Default() Config {
	return Config{Listen: DefaultListen, Capture: "auto", MaxDrift: Duration(DefaultMaxDrift)}
}

// Duration is a time.Duration that is written as in "1m30s".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalYAML implements yaml.InterfaceMarshaler.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (d *Duration) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a length of time: write it as in 90s, 1m30s or 2h", text)
	}
	*d = Duration(parsed)
	return nil
}

// Load reads DIR/baraza.yaml. Settings that the file leaves out have their
// defaults.
func Load(dir string) (Config, error) {
	path := filepath.Join(dir, File)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("%s: no settings here: run baraza init or baraza join first, or give the right --data directory", path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("reading the settings: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Config{}, fmt.Errorf("%s: others can read the database password in it (mode %04o): run chmod 600 %s", path, mode, path)
	}
	if info.Size() > fileBytesMax {
		return Config{}, fmt.Errorf("%s: %d bytes are more than settings can be: give the right --data directory", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the settings: %w", err)
	}
	return Parse(path, text)
}

// Parse reads settings; path is for messages.
func Parse(path string, text []byte) (Config, error) {
	c := Default()
	if len(strings.TrimSpace(string(text))) > 0 {
		if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
			return Config{}, settingsWords.explain(path, text, err)
		}
	}
	if key, err := c.check(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", place(path, text, key), err)
	}
	return c, nil
}

// Check reports what is wrong with settings that did not come from a file.
func (c *Config) Check() error {
	_, err := c.check()
	return err
}

const heading = `# The settings of this baraza site. They are read when baraza run starts.
# The dsn holds the database password: keep this file readable by its owner only.
`

// Save writes DIR/baraza.yaml: the old file or the new one survives a crash,
// never a part. Comments of the administrator's own are not kept.
func (c *Config) Save(dir string) error {
	if err := c.Check(); err != nil {
		return err
	}
	body, err := yaml.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	if err := replace(filepath.Join(dir, File), append([]byte(heading), body...)); err != nil {
		return fmt.Errorf("writing the settings: %w", err)
	}
	return nil
}

// replace puts a file in the place of another in one step, readable by its
// owner only.
func replace(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// MakeDir makes a site's data directory, for its owner only.
func MakeDir(dir string) error {
	if dir == "" {
		return errors.New("no data directory: give one with --data DIR")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, File)); err == nil {
		return fmt.Errorf("%s: a site is here already: use another --data directory, or start it with baraza run --data %s", dir, dir)
	}
	return nil
}
