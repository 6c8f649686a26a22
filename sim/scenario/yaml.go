package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// problemsMax bounds how many mistakes are told at once.
const problemsMax = 20

// Problems are the mistakes in a file, one line each.
type Problems []string

func (p Problems) Error() string {
	if len(p) == 1 {
		return p[0]
	}
	return fmt.Sprintf("%s (and %d more mistakes)", p[0], len(p)-1)
}

// reader goes through a YAML tree. It stays above the tree of the YAML library
// because that knows the line of every value; decoding into structs would lose
// it.
type reader struct {
	file     string
	problems Problems
	anchors  map[string]ast.Node
}

// bad notes a mistake.
func (r *reader) bad(n ast.Node, format string, args ...any) {
	if len(r.problems) >= problemsMax {
		return
	}
	at := r.file
	if n != nil && n.GetToken() != nil {
		at = fmt.Sprintf("%s:%d", r.file, n.GetToken().Position.Line)
	}
	r.problems = append(r.problems, at+": "+fmt.Sprintf(format, args...))
}

// root parses a text.
func (r *reader) root(text []byte) ast.Node {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		at, twice := r.file, strings.Contains(err.Error(), "already defined")
		var located yaml.Error
		word := ""
		if errors.As(err, &located) && located.GetToken() != nil {
			at = fmt.Sprintf("%s:%d", r.file, located.GetToken().Position.Line)
			word = strings.TrimSpace(located.GetToken().Value)
		}
		if twice {
			r.problems = append(r.problems, fmt.Sprintf("%s: %q is there twice: remove one", at, word))
			return nil
		}
		r.problems = append(r.problems, at+": this is not YAML: look for a missing blank after a colon, a wrong indent or an open quote")
		return nil
	}
	docs := slices.DeleteFunc(f.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(docs) != 1 {
		r.problems = append(r.problems, fmt.Sprintf("%s: %d documents: a scenario file holds exactly one", r.file, len(docs)))
		return nil
	}
	return docs[0].Body
}

// resolve follows anchors and aliases.
func (r *reader) resolve(n ast.Node) ast.Node {
	for range 100 {
		switch x := n.(type) {
		case *ast.AnchorNode:
			r.anchors[x.Name.GetToken().Value] = x.Value
			n = x.Value
		case *ast.AliasNode:
			to, ok := r.anchors[x.Value.GetToken().Value]
			if !ok {
				r.bad(n, "*%s: there is no &%s above it", x.Value, x.Value)
				return nil
			}
			n = to
		case *ast.NullNode:
			return nil
		default:
			return n
		}
	}
	r.bad(n, "an alias that leads to itself: write it out")
	return nil
}

// field is one key of a mapping and what reads its value.
type field struct {
	key  string
	read func(n ast.Node)
}

// mapping reads the keys of a mapping; others are mistakes.
func (r *reader) mapping(n ast.Node, what string, fields ...field) {
	n = r.resolve(n)
	var pairs []*ast.MappingValueNode
	switch x := n.(type) {
	case nil:
		return
	case *ast.MappingNode:
		pairs = x.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{x}
	default:
		r.bad(n, "%s: this should be keys with values: %s", what, keys(fields))
		return
	}
	for _, p := range pairs {
		name := p.Key.GetToken().Value
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == name })
		if i < 0 {
			r.bad(p.Key, "%s: there is no key %q: %s", what, name, remedy(name, fields))
			continue
		}
		if v := r.resolve(p.Value); v != nil {
			fields[i].read(v)
		}
	}
}

// elsewhere are words that people look for, and what there is for them.
var elsewhere = map[string]string{
	"duplication": "the part of the packets that come twice is duplicate: 1%",
	"reordering":  "the part of the packets that later ones overtake is reorder: 1%",
	"partition":   "write it among faults, as in {at: 1m, for: 30s, fault: halves}",
}

func remedy(name string, fields []field) string {
	if text, ok := elsewhere[name]; ok {
		return text
	}
	return "use " + keys(fields)
}

func keys(fields []field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.key)
	}
	return strings.Join(names, ", ")
}

// list calls each for the elements of a list; a single value stands for a list
// of one.
func (r *reader) list(n ast.Node, each func(n ast.Node)) {
	n = r.resolve(n)
	if n == nil {
		return
	}
	seq, is := n.(*ast.SequenceNode)
	if !is {
		each(n)
		return
	}
	for _, v := range seq.Values {
		if v = r.resolve(v); v != nil {
			each(v)
		}
	}
}

// isMapping tells mappings from other values.
func isMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// text returns a scalar as it is written.
func (r *reader) text(n ast.Node, what, example string) (string, bool) {
	switch x := r.resolve(n).(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case ast.ScalarNode:
		return x.GetToken().Value, true
	case *ast.MappingNode:
		if len(x.Values) == 1 {
			if s, is := unsplit(x.Values[0]); is {
				return s, true
			}
		}
	case *ast.MappingValueNode:
		if s, is := unsplit(x); is {
			return s, true
		}
	}
	r.bad(n, "%s: this should be one value, as in %s", what, example)
	return "", false
}

// unsplit puts a time of day together again that the YAML library took for a
// key and its value, as it does in a list within braces, where no blank follows
// the colon.
func unsplit(x *ast.MappingValueNode) (string, bool) {
	value, is := x.Value.(ast.ScalarNode)
	if !is {
		return "", false
	}
	k, v := x.Key.GetToken(), value.GetToken()
	if k.Position.Line != v.Position.Line || k.Position.Column+len(k.Value)+1 != v.Position.Column {
		return "", false
	}
	return k.Value + ":" + v.Value, true
}

// scalar reads a scalar with a function that tells what is wrong with it.
func scalar[T any](r *reader, what, example string, parse func(string) (T, error), into *T) func(ast.Node) {
	return func(n ast.Node) {
		s, ok := r.text(n, what, example)
		if !ok {
			return
		}
		v, err := parse(s)
		if err != nil {
			why := err.Error()
			var number *strconv.NumError
			if errors.As(err, &number) {
				why = fmt.Sprintf("%q is not a number", s)
			}
			r.bad(n, "%s: %s: write it as in %s", what, why, example)
			return
		}
		*into = v
	}
}
