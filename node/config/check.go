package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	maxDriftLeast = 100 * time.Millisecond
	maxDriftMost  = 24 * time.Hour
)

// CaptureModes are the values of Capture.
var CaptureModes = []string{"auto", "trigger"}

// check returns the first key whose value cannot be, and why.
func (c *Config) check() (key string, err error) {
	for _, step := range []struct {
		key   string
		check func() error
	}{
		{"name", func() error { return required("name", c.Name) }},
		{"dsn", c.DSN.Check},
		{"listen", func() error { return checkHostPort("listen", c.Listen, "127.0.0.1:7946, or :7946 for all interfaces") }},
		{"advertise", func() error {
			for _, a := range c.Advertise {
				if host, _, err := net.SplitHostPort(a); err == nil && host == "" {
					return fmt.Errorf("advertise: %q names no host: other sites cannot reach it, write HOST:PORT", a)
				}
				if err := checkHostPort("advertise", a, "clinic7.example.org:7946"); err != nil {
					return err
				}
			}
			return nil
		}},
		{"web", func() error {
			if c.Web != "" {
				return errors.New("web: this version has no web console: take the setting out, and use the command line")
			}
			return nil
		}},
		{"profile", func() error { return checkProfileName(c.Profile) }},
		{"tables", func() error { return checkPatterns("tables", c.Tables) }},
		{"exclude", func() error { return checkPatterns("exclude", c.Exclude) }},
		{"keyless", func() error { return checkPatterns("keyless", c.Keyless) }},
		{"identity", c.checkIdentity},
		{"references", c.checkReferences},
		{"typed_references", func() error {
			for _, from := range sortedKeys(c.Typed) {
				if err := checkTyped(from, c.Typed[from]); err != nil {
					return err
				}
			}
			return nil
		}},
		{"unique", func() error { return checkUnique(c.Unique) }},
		{"counters", func() error { return checkCounters(c.Counters) }},
		{"auto_increment", c.checkNumbers},
		{"capture", func() error {
			if c.Capture == "binlog" {
				return errors.New("capture: this version has no binlog capture: use auto or trigger")
			}
			return oneOf("capture", c.Capture, CaptureModes)
		}},
		{"max_drift", func() error {
			if d := time.Duration(c.MaxDrift); d < maxDriftLeast || d > maxDriftMost {
				return fmt.Errorf("max_drift: %v is not between %v and %v: the default is %v", d, maxDriftLeast, maxDriftMost, DefaultMaxDrift)
			}
			return nil
		}},
		{"app", c.checkApp},
		{"hooks", c.checkHooks},
	} {
		if err := step.check(); err != nil {
			return step.key, err
		}
	}
	return "", nil
}

// checkProfileName knows the form only: the profile may have been a file.
func checkProfileName(name string) error {
	if strings.Trim(name, profileNameChars) != "" {
		return fmt.Errorf("profile: %q is not the name of a profile: use lower-case letters, digits, - and _", name)
	}
	return nil
}

func required(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s: there is none: add a line %s: …", key, key)
	}
	return nil
}

func oneOf(key, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	known := slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" })
	return fmt.Errorf("%s: %q is not known: use %s", key, value, strings.Join(known, ", "))
}

func checkHostPort(key, value, example string) error {
	_, port, err := net.SplitHostPort(value)
	n, numeric := strconv.ParseUint(port, 10, 16)
	if err != nil || numeric != nil || n == 0 { // port 0 would be another one at each start
		return fmt.Errorf("%s: %q is not HOST:PORT: write it as in %s", key, value, example)
	}
	return nil
}

// checkPatterns knows the form only; whether a pattern finds a table is for
// the database to say.
func checkPatterns(key string, patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || strings.TrimSpace(p) != p || p == "" {
			return fmt.Errorf("%s: %q is not a table name or pattern: write it as in person or obs_*", key, p)
		}
	}
	return nil
}

// UniqueWays are the values of Unique.
var UniqueWays = []string{"null", "mark", "hold"}

// checkUnique takes no value for null, which is what YAML makes of that word
// without quotes.
func checkUnique(unique map[string]string) error {
	for _, table := range slices.Sorted(maps.Keys(unique)) {
		if way := unique[table]; way != "" && !slices.Contains(UniqueWays, way) {
			return fmt.Errorf("unique: %s has %q: use %s, as in %s: mark", table, way, strings.Join(UniqueWays, ", "), table)
		}
	}
	return nil
}

func checkCounters(counters map[string][]string) error {
	for _, table := range slices.Sorted(maps.Keys(counters)) {
		if columns := counters[table]; len(columns) == 0 || slices.Contains(columns, "") {
			return fmt.Errorf("counters: %s names no columns: write it as in %s: [quantity]", table, table)
		}
	}
	return nil
}

func (c *Config) checkIdentity() error {
	for table, columns := range c.Identity {
		if len(columns) == 0 || slices.Contains(columns, "") {
			return fmt.Errorf("identity: %s names no columns: write it as in %s: [column]", table, table)
		}
	}
	return nil
}

func (c *Config) checkReferences() error {
	for from, to := range c.References {
		if strings.Count(from, ".") != 1 || strings.Count(to, ".") != 1 {
			return fmt.Errorf("references: %q to %q: write both as table.column, as in orders.concept_id: concept.concept_id", from, to)
		}
	}
	return nil
}

// Check reports whether the DSN can be one. It never repeats the DSN.
func (d DSN) Check() error {
	if d == "" {
		return errors.New("dsn: there is none: write it as in user:password@tcp(127.0.0.1:3306)/openmrs")
	}
	cfg, err := mysql.ParseDSN(string(d))
	if err != nil {
		// The driver's own words could quote a part of the password.
		return errors.New("dsn: it is not of the form user:password@tcp(host:port)/database: see the README of go-sql-driver/mysql")
	}
	if cfg.DBName == "" {
		return errors.New("dsn: it names no database: write it after the slash, as in user:password@tcp(127.0.0.1:3306)/openmrs")
	}
	return nil
}
