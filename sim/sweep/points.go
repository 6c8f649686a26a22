package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"baraza/sim/scenario"
)

// baseOf reads the base scenario from a file, which is good by itself.
func (r *reader) baseOf(n *scenario.Node, name string) {
	if name == "" {
		return
	}
	if r.base != nil {
		r.bad(n.Line, "base: there is a scenario too: take one of them out")
		return
	}
	text, err := r.open(name)
	if err != nil {
		r.bad(n.Line, "base: %v: give a scenario file beside the sweep", err)
		return
	}
	r.baseFile = filepath.Join(filepath.Dir(r.s.File), filepath.FromSlash(name))
	r.takeBase(text, path.Dir(filepath.ToSlash(name)))
}

// inline reads a scenario that stands in the sweep file: the other lines are
// left empty, so that what is wrong with it has its line.
func (r *reader) inline(n *scenario.Node, text string) {
	if r.base != nil {
		r.bad(n.Line, "scenario: there is a base too: take one of them out")
		return
	}
	var lines []string
	indent := -1
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		depth := len(line) - len(bare)
		within := i+1 >= n.Line && bare != "" && (indent < 0 || indent > 0 && depth >= indent)
		switch {
		case within && indent < 0:
			indent = depth
		case i+1 >= n.Line && !within && bare != "" && !strings.HasPrefix(bare, "#"):
			indent = 0 // it ends here
		}
		if !within || indent == 0 {
			line = ""
		}
		lines = append(lines, line[min(len(line), max(indent, 0)):])
	}
	if n.Kind != scenario.Mapping || indent < 0 || strings.Join(lines, "") == "" {
		r.bad(n.Line, "scenario: write its keys on lines of their own under it, indented")
		return
	}
	r.baseFile = r.s.File
	r.takeBase(strings.Join(lines, "\n"), ".")
}

func (r *reader) takeBase(text, dir string) {
	open := r.open
	r.open = func(name string) (string, error) { return open(path.Join(dir, name)) }
	_, err := scenario.Read(r.baseFile, text, r.open)
	if err == nil {
		r.base, err = scenario.ReadTree(r.baseFile, text)
	}
	if err != nil {
		r.problems = append(r.problems, wrong(err)...)
	}
}

// wrong lists what is wrong.
func wrong(err error) scenario.Problems {
	var problems scenario.Problems
	if errors.As(err, &problems) {
		return problems
	}
	return scenario.Problems{err.Error()}
}

// points makes the scenarios. Each value is tried by itself first, so that one
// that cannot be is told with its line.
func (r *reader) points() {
	s := r.s
	count := len(s.Seeds)
	for _, a := range s.Axes {
		for _, v := range a.Values {
			r.make(v.line, fmt.Sprintf("values: %s = %s", a.Name, v.Label), v)
		}
		if count *= len(a.Values); count > runsMax {
			r.bad(a.line, "axes: more than %d runs: take fewer values or seeds", runsMax)
			return
		}
	}
	if len(r.problems) > 0 {
		return
	}
	at := make([]int, len(s.Axes))
	for {
		var values []Value
		for i, v := range at {
			values = append(values, s.Axes[i].Values[v])
		}
		p := Point{Values: slices.Clone(at)}
		made := r.make(s.Axes[0].line, "axes: "+strings.Join(s.Labels(&p), ", ")+" together", values...)
		if made == nil {
			return
		}
		p.Scenario, p.Hash = made, hash(made)
		s.Points = append(s.Points, p)
		i := len(at) - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < len(s.Axes[i].Values) {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return
		}
	}
}

// written is the place of a mistake in a text that nobody wrote.
var written = regexp.MustCompile(`^:([0-9]+:)? `)

// make puts values into the base.
func (r *reader) make(line int, what string, values ...Value) *scenario.Scenario {
	tree := r.base.Clone()
	for _, v := range values {
		for _, set := range v.set {
			if err := tree.Set(set.path, set.to); err != nil {
				r.bad(line, "%s: %v", what, err)
				return nil
			}
		}
	}
	made, err := scenario.Read("", tree.Write(), r.open)
	if err == nil {
		made.File, made.Trace = r.baseFile, false
		return made
	}
	for _, p := range wrong(err) {
		r.bad(line, "%s: %s", what, written.ReplaceAllString(p, ""))
	}
	return nil
}

// hash names all that makes a scenario.
func hash(s *scenario.Scenario) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", s.Text) // a hash takes everything
	var names []string
	for name := range s.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(h, "%q %q\n", name, s.Files[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
