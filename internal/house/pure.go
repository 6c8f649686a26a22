package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// impureImports are packages that bring the outside in.
var impureImports = map[string]string{
	"net":          "return the messages to send, and let node send them",
	"net/http":     "return the messages to send, and let node send them",
	"os":           "take what you need as an argument",
	"database/sql": "declare an interface as merge.Database does",
	"crypto/rand":  "take the random bytes, or a *rand.Rand, as an argument",
	"log":          "return what happened",
	"log/slog":     "return what happened",
}

// pureLibraries is the third-party code that pure packages may use: it only
// computes.
var pureLibraries = []string{"github.com/vmihailenco/msgpack/v5", "github.com/cespare/xxhash/v2"}

// impureTime are the functions of package time that look at a clock.
var impureTime = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"NewTimer": true, "NewTicker": true, "Tick": true,
}

// seededRand are the functions of math/rand that use no global source.
var seededRand = map[string]bool{
	"New": true, "NewSource": true, "NewPCG": true, "NewChaCha8": true, "NewZipf": true,
	"Rand": true, "Source": true, "PCG": true, "Zipf": true, "ChaCha8": true,
}

func checkPureImports(s *source) []finding {
	if !isPure(s) {
		return nil
	}
	var found []finding
	s.imports(func(imported string, pos token.Pos) {
		if instead, bad := impureImports[imported]; bad {
			found = append(found, finding{s.at(pos), fmt.Sprintf("%s is pure and may not import %s; %s", s.pkg(), imported, instead)})
			return
		}
		first, _, _ := strings.Cut(imported, "/")
		if strings.Contains(first, ".") && !allowed(pureLibraries, imported) {
			found = append(found, finding{s.at(pos), fmt.Sprintf(
				"%s is pure and may not import %s; third-party code sits at the leaves, behind an interface", s.pkg(), imported)})
		}
	})
	return found
}

func checkPureTime(s *source) []finding {
	if !isPure(s) {
		return nil
	}
	name := s.importName("time")
	return s.selectors(name, func(function string) string {
		if !impureTime[function] {
			return ""
		}
		return fmt.Sprintf("time.%s in pure package %s; take the time as an argument", function, s.pkg())
	})
}

func checkPureRandom(s *source) []finding {
	if !isPure(s) {
		return nil
	}
	var found []finding
	for _, imported := range []string{"math/rand", "math/rand/v2"} {
		found = append(found, s.selectors(s.importName(imported), func(function string) string {
			if seededRand[function] {
				return ""
			}
			return fmt.Sprintf("rand.%s is global, in pure package %s; take a *rand.Rand as an argument", function, s.pkg())
		})...)
	}
	return found
}

func checkPureGoroutines(s *source) []finding {
	if !isPure(s) {
		return nil
	}
	var found []finding
	ast.Inspect(s.ast, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.GoStmt:
			what = "goroutine"
		case *ast.SelectStmt:
			what = "select"
		case *ast.ChanType:
			what = "channel"
		case *ast.SendStmt:
			what = "channel"
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				what = "channel"
			}
		}
		if what != "" {
			found = append(found, finding{s.at(n.Pos()), fmt.Sprintf(
				"%s in pure package %s; return what is to be done, and let node run it", what, s.pkg())})
		}
		return true
	})
	return found
}

// selectors calls judge with every name that is used of the import called
// name; what it returns, if not "", is a finding.
func (s *source) selectors(name string, judge func(function string) string) []finding {
	if name == "" {
		return nil
	}
	var found []finding
	ast.Inspect(s.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == name {
			if what := judge(sel.Sel.Name); what != "" {
				found = append(found, finding{s.at(sel.Pos()), what})
			}
		}
		return true
	})
	return found
}
