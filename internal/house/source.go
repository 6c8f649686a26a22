package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// source is one file of the repository.
type source struct {
	path string // from the root, with slashes
	text string
	// fset and ast are nil for a file that is not Go.
	fset *token.FileSet
	ast  *ast.File
}

// finding is one place that breaks a rule.
type finding struct {
	at, what string
}

func (f finding) String() string { return f.at + ": " + f.what }

// pkg is the directory of the file, "." at the root.
func (s *source) pkg() string { return path.Dir(s.path) }

func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s *source) isGo() bool { return s.ast != nil }

func (s *source) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(pos).Line)
}

// imports calls each with every import path and where it stands.
func (s *source) imports(each func(imported string, pos token.Pos)) {
	for _, spec := range s.ast.Imports {
		each(strings.Trim(spec.Path.Value, `"`), spec.Pos())
	}
}

// importName returns the name under which the file uses an import; "" when it
// does not import it.
func (s *source) importName(imported string) string {
	for _, spec := range s.ast.Imports {
		if strings.Trim(spec.Path.Value, `"`) != imported {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		base := path.Base(imported)
		if len(base) > 1 && base[0] == 'v' && base[1] >= '0' && base[1] <= '9' {
			base = path.Base(path.Dir(imported))
		}
		return base
	}
	return ""
}

// parse makes a source of a file's text.
func parse(name, text string) (*source, error) {
	s := &source{path: name, text: text}
	if !strings.HasSuffix(name, ".go") {
		return s, nil
	}
	s.fset = token.NewFileSet()
	var err error
	s.ast, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// readTree reads every text file of the repository at root, but for what git
// ignores, test data and licences.
func readTree(root string) ([]*source, error) {
	var sources []*source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			switch d.Name() {
			case ".git", "bin", "testdata", "node_modules":
				return fs.SkipDir
			}
			return nil
		}
		if !isText(d.Name()) || !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s, err := parse(rel, string(text))
		sources = append(sources, s)
		return err
	})
	return sources, err
}

// isText tells the files that people write from what programs make.
func isText(name string) bool {
	switch path.Ext(name) {
	case ".go", ".md", ".sql", ".yaml", ".yml", ".sh", ".js", ".css", ".html", ".star", ".txt", ".service", ".mod":
		return true
	}
	switch name {
	case "Makefile", "run", "deps":
		return true
	}
	return false
}
