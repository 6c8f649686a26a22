package house

import (
	"fmt"
	"go/ast"
	"strings"
)

const (
	fileLinesMax     = 600
	functionLinesMax = 70
)

func checkFileLength(s *source) []finding {
	lines := strings.Count(s.text, "\n")
	if !s.isGo() || lines <= fileLinesMax {
		return nil
	}
	return []finding{{s.path, fmt.Sprintf("%d lines, the limit is %d; one idea, one file: split it by idea", lines, fileLinesMax)}}
}

func checkFunctionLength(s *source) []finding {
	if !s.isGo() || s.isTest() || isTestSupport(s.pkg()) {
		return nil
	}
	var found []finding
	for _, d := range s.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
		if lines > functionLinesMax {
			found = append(found, finding{s.at(f.Pos()), fmt.Sprintf(
				"function %s has %d lines, the limit is %d; give its parts names and make them functions", f.Name.Name, lines, functionLinesMax)})
		}
	}
	return found
}

// checkDoc looks at whole packages: sources are all files.
func checkDoc(sources []*source) []finding {
	documented, first := map[string]bool{}, map[string]string{}
	var order []string
	for _, s := range sources {
		if !s.isGo() || s.isTest() {
			continue
		}
		if _, seen := first[s.pkg()]; !seen {
			first[s.pkg()] = s.path
			order = append(order, s.pkg())
		}
		if strings.HasSuffix(s.path, "/doc.go") && s.ast.Doc != nil {
			documented[s.pkg()] = true
		}
	}
	var found []finding
	for _, pkg := range order {
		if !documented[pkg] && pkg != "." {
			found = append(found, finding{pkg, "no doc.go with a package comment; write one that says what the package is for and its central ideas"})
		}
	}
	return found
}

// private are strings that belong to one machine or network, not to the
// project. They are put together here so that this file does not hold them.
var private = []string{
	"/wor" + "k/main", "/wor" + "k/shared", "/wor" + "k/.", "/roo" + "t/", "/hom" + "e/", "/tmp/bri" + "ef", "/User" + "s/",
	"proxy.gol" + "ang.org", "sum.gol" + "ang.org", "GOPROX" + "Y=", "GONOSUM" + "DB", "registry.npm" + "js", "deb.debi" + "an.org", "pypi" + ".org",
}

func checkPrivate(s *source) []finding {
	var found []finding
	for i, line := range strings.Split(s.text, "\n") {
		for _, p := range private {
			if strings.Contains(line, p) {
				found = append(found, finding{fmt.Sprintf("%s:%d", s.path, i+1), fmt.Sprintf(
					"%q belongs to one machine; use a path relative to the repository, t.TempDir, or an environment variable", p)})
			}
		}
	}
	return found
}
