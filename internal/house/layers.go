package house

import (
	"fmt"
	"go/token"
	"strings"
)

// mayImport says which of our packages each package may import: design order,
// from the nouns at the bottom to the program at the top. A name stands for
// the package and for all beneath it that have no line of their own.
var mayImport = map[string][]string{
	"clock":           {},
	"schema":          {"internal/sqlrow"},
	"crdt":            {"clock"},
	"gossip":          {"clock"},
	"capture":         {"clock", "crdt", "schema", "internal/sqlrow", "internal/sqlconn"},
	"merge":           {"clock", "crdt", "schema", "capture"},
	"merge/sqldb":     {"clock", "crdt", "schema", "capture", "merge", "internal/sqlrow", "internal/sqlconn"},
	"node/replica":    {"clock", "crdt", "schema", "capture", "merge", "internal/kv"},
	"node/store":      {"internal/kv"},
	"node/config":     {"clock", "schema"},
	"node/trust":      {"clock", "internal/kv"},
	"node/session":    {"clock", "gossip", "node/trust"},
	"node/hooks":      {"crdt", "schema", "merge", "node/config", "internal/kv"},
	"node":            {"clock", "crdt", "schema", "gossip", "capture", "merge", "node", "internal/kv", "internal/sqlrow", "internal/sqlconn"},
	"sim":             {"clock", "crdt", "schema", "gossip", "capture", "merge", "node/replica", "internal/kv", "internal/rules"},
	"internal/kv":     {},
	"internal/netcut": {},
	// What a site has to show, for tests and the simulator.
	"internal/rules": {"clock", "crdt", "schema", "merge"},
	// The SQL forms of values are shared by capture and merge.
	"internal/sqlrow": {"clock", "crdt", "schema"},
}

// anything are the packages at the top, which may import all others.
var anything = []string{"cmd", "internal"}

// pure are the packages that are state machines: what they do depends on their
// inputs alone, so that the simulator can run exactly what runs at a site.
var pure = []string{"clock", "crdt", "gossip", "merge", "merge/memdb", "node/replica"}

const module = "baraza/"

// within reports whether pkg is name or lies beneath it.
func within(pkg, name string) bool {
	return pkg == name || strings.HasPrefix(pkg, name+"/")
}

// layerOf finds the longest name in mayImport that pkg lies within.
func layerOf(pkg string) (string, bool) {
	best, found := "", false
	for name := range mayImport {
		if within(pkg, name) && len(name) >= len(best) {
			best, found = name, true
		}
	}
	return best, found
}

func checkLayers(s *source) []finding {
	if !s.isGo() || s.isTest() || isTestSupport(s.pkg()) {
		return nil
	}
	layer, known := layerOf(s.pkg())
	if !known {
		return nil // checkPlaced speaks of those
	}
	var found []finding
	s.imports(func(imported string, pos token.Pos) {
		target, ours := strings.CutPrefix(imported, module)
		if !ours || within(target, layer) || allowed(mayImport[layer], target) {
			return
		}
		found = append(found, finding{s.at(pos), fmt.Sprintf(
			"%s may not import %s; declare an interface here and let node hand in what implements it, or move what both need to a package below both",
			s.pkg(), target)})
	})
	return found
}

func allowed(names []string, pkg string) bool {
	for _, name := range names {
		if within(pkg, name) {
			return true
		}
	}
	return false
}

// isTestSupport tells packages that only tests import, such as kvtest.
func isTestSupport(pkg string) bool {
	return strings.HasSuffix(pkg, "test")
}

func checkPlaced(s *source) []finding {
	if !s.isGo() || s.isTest() {
		return nil
	}
	if _, known := layerOf(s.pkg()); known || allowed(anything, s.pkg()) {
		return nil
	}
	return []finding{{s.path, fmt.Sprintf("package %s has no place among the layers; give it a line in mayImport in internal/house/layers.go", s.pkg())}}
}

// isPure reports whether the file belongs to a pure package.
func isPure(s *source) bool {
	if !s.isGo() || s.isTest() {
		return false
	}
	for _, name := range pure {
		if s.pkg() == name {
			return true
		}
	}
	return false
}
