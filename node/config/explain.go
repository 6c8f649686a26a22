package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// words is how the errors of one kind of file speak of it.
type words struct {
	// keys are its top-level keys, and kinds what the values of each look like.
	keys  []string
	kinds map[string]string
	// inner are the keys of the entries of those that are lists of such.
	inner map[string][]string
}

// explain turns the YAML library's error, which draws a picture of the file
// over many lines, into one line. It never quotes the file: the line that is
// wrong may be the one with the password.
func (w *words) explain(path string, text []byte, err error) error {
	at := path
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		at = fmt.Sprintf("%s:%d", path, located.GetToken().Position.Line)
	}
	var unknown *yaml.UnknownFieldError
	var twice *yaml.DuplicateKeyError
	var wrong *yaml.TypeError
	var overflow *yaml.OverflowError
	var syntax *yaml.SyntaxError
	var unexpected *yaml.UnexpectedNodeTypeError
	switch {
	case errors.As(err, &unknown):
		known := w.keys
		if inner := w.inner[keyAt(text, located)]; inner != nil {
			known = inner
		}
		return fmt.Errorf("%s: there is no setting %q: use %s", at, keyOf(located), strings.Join(known, ", "))
	case errors.As(err, &twice), errors.As(err, &syntax) && strings.Contains(syntax.Message, "already defined"):
		return fmt.Errorf("%s: the setting %q is there twice: remove one", at, keyOf(located))
	case errors.As(err, &wrong), errors.As(err, &overflow), errors.As(err, &unexpected):
		key := keyAt(text, located)
		return fmt.Errorf("%s: %s has a value of the wrong kind: write %s", at, key, w.kinds[key])
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: this is not YAML: look for a missing blank after a colon, a wrong indent or an open quote", at)
	}
	if key := keyNamed(text, err); key != "" { // an UnmarshalYAML of ours
		return fmt.Errorf("%s: %s: %w", place(path, text, key), key, err)
	}
	return fmt.Errorf("%s: %s", at, strings.SplitN(err.Error(), "\n", 2)[0])
}

// settingsWords is how the errors of a site's settings speak of them.
var settingsWords = words{keys: keysOf(Config{}), kinds: map[string]string{
	"name":             "a text, in quotes if it is a number",
	"dsn":              "a text in quotes, as in \"user:password@tcp(127.0.0.1:3306)/openmrs\"",
	"listen":           "HOST:PORT",
	"advertise":        "a list, as in [clinic7.example.org:7946]",
	"web":              "nothing: this version has no web console",
	"profile":          "a text, as in openmrs",
	"tables":           "a list, as in [person, obs_*]",
	"exclude":          "a list, as in [person, obs_*]",
	"identity":         "tables with lists of columns, as in {users: [uuid]}",
	"keyless":          "a list, as in [tag_map]",
	"references":       "columns with columns, as in {orders.concept_id: concept.concept_id}",
	"typed_references": "columns, as in note.row_id: {by: type_id.format, tables: {org.example.Ward: ward}}",
	"same_rows":        "tables with columns, as in users: {columns: [system_id], values: [admin]}",
	"first_stamps":     "a list of columns, as in [date_created, date_changed]",
	"unique":           "tables with what they do, as in {person_name: mark}",
	"counters":         "tables with lists of columns, as in {stock: [quantity]}",
	"auto_increment":   "increment: and offset:, as baraza itself did",
	"capture":          "auto or trigger",
	"max_drift":        "a length of time, as in 1m",
	"app":              "{url: …, user: …, password: …}",
	"hooks":            "a list of hooks, as docs/hooks.md describes them",
}}

// keysOf returns the names of all settings, in the order of the file.
func keysOf(file any) []string {
	t := reflect.TypeOf(file)
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
	}
	return names
}

func keyOf(e yaml.Error) string {
	if e == nil || e.GetToken() == nil {
		return "?"
	}
	return strings.TrimSpace(e.GetToken().Value)
}

// keyNamed returns the setting that an error without a place belongs to.
func keyNamed(text []byte, err error) string {
	if !strings.Contains(err.Error(), "length of time") {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "max_drift:"); ok && strings.Contains(err.Error(), strings.Trim(strings.TrimSpace(value), `"'`)) {
			return "max_drift"
		}
	}
	return "hooks"
}

// lines returns the line of each top-level key.
func lines(text []byte) map[string]int {
	found := map[string]int{}
	file, err := parser.ParseBytes(text, 0)
	if err != nil || len(file.Docs) == 0 {
		return found
	}
	add := func(n *ast.MappingValueNode) {
		tok := n.Key.GetToken()
		found[tok.Value] = tok.Position.Line
	}
	switch body := file.Docs[0].Body.(type) {
	case *ast.MappingNode:
		for _, n := range body.Values {
			add(n)
		}
	case *ast.MappingValueNode:
		add(body)
	}
	return found
}

// place returns the file and, where it can be told, the line of a key.
func place(path string, text []byte, key string) string {
	if line, ok := lines(text)[key]; ok {
		return fmt.Sprintf("%s:%d", path, line)
	}
	return path
}

// keyAt returns the top-level key at or above the place of an error.
func keyAt(text []byte, e yaml.Error) string {
	best, bestLine := "the file", 0
	if e == nil || e.GetToken() == nil {
		return best
	}
	for key, line := range lines(text) {
		if line <= e.GetToken().Position.Line && line > bestLine {
			best, bestLine = key, line
		}
	}
	return best
}
