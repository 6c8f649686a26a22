package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Defaults of a hook.
const (
	DefaultHookAfter   = 2 * time.Second
	DefaultHookTimeout = 30 * time.Second
)

// App is the application on this site's database, as hooks call it.
type App struct {
	// URL is its address, as in http://localhost:8080/openmrs.
	URL string `yaml:"url,omitempty"`
	// User and Password are for HTTP basic authentication; none: no user.
	User     string `yaml:"user,omitempty"`
	Password Secret `yaml:"password,omitempty"`
}

// Hook tells the application which rows were written beneath it: by a request
// (POST) or by a command. docs/hooks.md describes what either gets.
type Hook struct {
	Name string `yaml:"name"`
	// Tables are patterns of the tables to tell of; none for all.
	Tables []string `yaml:"tables,omitempty"`
	// URL is where to post; one that begins with / is below the application's.
	URL string `yaml:"url,omitempty"`
	// Command is a program and its arguments.
	Command []string `yaml:"command,omitempty"`
	// Bodies are what to post where the address wants a form of its own; of
	// those that name a table the first is taken, and tables that none names
	// are not told of.
	Bodies []Body `yaml:"bodies,omitempty"`
	// After is how long changes are collected before they are told.
	After Duration `yaml:"after,omitempty"`
	// Timeout is how long one request, or the command, may take.
	Timeout Duration `yaml:"timeout,omitempty"`
}

// Body is what is posted for the rows of some tables.
type Body struct {
	Tables []string `yaml:"tables"`
	// Row is posted once for each row, with the row's key in the place of
	// {key}; none: only Table is posted.
	Row string `yaml:"row,omitempty"`
	// Table is posted once in the place of all that, for rows that were
	// deleted, for many rows, and for a row that was refused.
	Table string `yaml:"table"`
}

// Secret is a text that prints as *** everywhere but in the settings file.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// Format keeps the text out of every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON keeps the text out of JSON, which is what is shown.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML writes the text: YAML is the settings file.
func (s Secret) MarshalYAML() (any, error) { return string(s), nil }

// ofApp reports whether the hook calls the application below its address.
func (h *Hook) ofApp() bool { return strings.HasPrefix(h.URL, "/") && len(h.Command) == 0 }

// Address returns where the hook posts. ok is false for one below the address
// of an application that is not set: such a hook is off.
func (h *Hook) Address(app App) (address string, ok bool) {
	if !h.ofApp() {
		return h.URL, true
	}
	return strings.TrimSuffix(app.URL, "/") + h.URL, app.URL != ""
}

// Tells reports whether the hook tells of a table.
func (h *Hook) Tells(table string) bool {
	if len(h.Tables) > 0 && !matchesAny(h.Tables, table) {
		return false
	}
	_, ok := h.BodyOf(table)
	return ok || len(h.Bodies) == 0
}

// BodyOf returns what to post for a table.
func (h *Hook) BodyOf(table string) (*Body, bool) {
	for i := range h.Bodies {
		if matchesAny(h.Bodies[i].Tables, table) {
			return &h.Bodies[i], true
		}
	}
	return nil, false
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return err == nil && ok
	})
}

func (c *Config) checkApp() error {
	if c.App.URL == "" {
		if c.App.User != "" || c.App.Password != "" {
			return errors.New("app: a user without a url: add url: http://localhost:8080/openmrs")
		}
		return nil
	}
	return checkURL("app", c.App.URL)
}

func checkURL(key, text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s: the url is not one: write it as in http://localhost:8080/openmrs", key)
	case u.User != nil:
		return fmt.Errorf("%s: the url has a user in it, which would be shown: write user and password below app", key)
	}
	return nil
}

func (c *Config) checkHooks() error {
	names := map[string]bool{}
	for i := range c.Hooks {
		h := &c.Hooks[i]
		if h.Name == "" || names[h.Name] {
			return fmt.Errorf("hooks: number %d has no name of its own: add a line name: …", i+1)
		}
		names[h.Name] = true
		if err := h.check(); err != nil {
			return fmt.Errorf("hooks: %s: %w", h.Name, err)
		}
	}
	return nil
}

func (h *Hook) check() error {
	if (h.URL == "") == (len(h.Command) == 0) {
		return errors.New("it has to have a url or a command, and not both")
	}
	if len(h.Command) > 0 && (h.Command[0] == "" || len(h.Bodies) > 0) {
		return errors.New("a command is a list, as in [/usr/local/bin/reindex, --rows], and has no bodies: it reads the rows")
	}
	if h.URL != "" && !h.ofApp() {
		if err := checkURL("url", h.URL); err != nil {
			return err
		}
	}
	if err := checkPatterns("tables", h.Tables); err != nil {
		return err
	}
	for _, b := range h.Bodies {
		if len(b.Tables) == 0 {
			return errors.New("bodies: one has no tables: write it as in {tables: [person], table: '{…}'}")
		}
		if err := checkPatterns("bodies", b.Tables); err != nil {
			return err
		}
	}
	if h.After < 0 || h.Timeout < 0 {
		return errors.New("after and timeout cannot be less than 0")
	}
	return nil
}
