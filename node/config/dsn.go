package config

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// DSN is the database's address with user and password. It prints without the
// password; Reveal gives it whole, to the driver and to nobody else.
type DSN string

const redacted = "***"

// Reveal returns the DSN with its password.
func (d DSN) Reveal() string { return string(d) }

// String returns the DSN without its password and parameters.
func (d DSN) String() string {
	if d == "" {
		return ""
	}
	cfg, err := mysql.ParseDSN(string(d))
	if err != nil {
		return redacted // whatever it is, it may hold a password
	}
	user := cfg.User
	if cfg.Passwd != "" {
		user += ":" + redacted
	}
	return fmt.Sprintf("%s@%s(%s)/%s", user, cfg.Net, cfg.Addr, cfg.DBName)
}

// GoString implements fmt.GoStringer.
func (d DSN) GoString() string { return fmt.Sprintf("config.DSN(%q)", d.String()) }

// Format keeps the password out of every verb.
func (d DSN) Format(f fmt.State, verb rune) {
	text := d.String()
	switch {
	case verb == 'q':
		text = fmt.Sprintf("%q", text)
	case verb == 'v' && f.Flag('#'):
		text = d.GoString()
	}
	_, _ = f.Write([]byte(text))
}

// LogValue implements slog.LogValuer.
func (d DSN) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalJSON keeps the password out of JSON, which is what is shown.
func (d DSN) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", d.String()), nil }

// MarshalYAML writes the DSN whole: YAML is the settings file.
func (d DSN) MarshalYAML() (any, error) { return string(d), nil }

// ReadDSN takes a DSN from the command line: the DSN itself, or @FILE for one
// that is in a file, because other users of a machine can read the command
// lines of its processes.
func ReadDSN(text string) (DSN, error) {
	path, ok := strings.CutPrefix(text, "@")
	if !ok || strings.Contains(text, "(") || strings.Contains(text, "/") && !fileExists(path) {
		return DSN(text), DSN(text).Check()
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the dsn: %w", err)
	}
	d := DSN(strings.TrimSpace(string(b)))
	return d, d.Check()
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
