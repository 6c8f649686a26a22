package house

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type rule struct {
	name  string
	check func(s *source) []finding
	// bad maps a file name to a text that must give a finding, good to one
	// that must not.
	bad, good map[string]string
}

const longBody = "\n\tx++"

func rules() []rule {
	return []rule{
		{
			"imports follow the layers", checkLayers,
			map[string]string{
				"clock/a.go":        "package clock\nimport _ \"baraza/crdt\"",
				"crdt/a.go":         "package crdt\nimport _ \"baraza/schema\"",
				"node/store/a.go":   "package store\nimport _ \"baraza/node/replica\"",
				"merge/memdb/a.go":  "package memdb\nimport _ \"baraza/node\"",
				"node/replica/a.go": "package replica\nimport _ \"baraza/node/store\"",
			},
			map[string]string{
				"crdt/a.go":                   "package crdt\nimport _ \"baraza/clock\"",
				"crdt/a_test.go":              "package crdt\nimport _ \"baraza/schema\"",
				"internal/kv/kvtest/a.go":     "package kvtest\nimport _ \"baraza/internal/kv\"",
				"merge/dbtest/a.go":           "package dbtest\nimport _ \"baraza/merge/memdb\"",
				"cmd/baraza/a.go":             "package main\nimport _ \"baraza/node\"",
				"merge/sqldb/a.go":            "package sqldb\nimport _ \"baraza/internal/sqlrow\"",
				"node/a.go":                   "package node\nimport _ \"baraza/node/store\"",
				"internal/mariadb/a.go":       "package mariadb\nimport _ \"fmt\"",
				"node/replica/snapshot/a.go":  "package snapshot\nimport _ \"baraza/internal/kv\"",
				"capture/trigger/triggers.go": "package trigger\nimport _ \"baraza/schema\"",
			},
		},
		{
			"each package has its layer", checkPlaced,
			map[string]string{"misc/a.go": "package misc"},
			map[string]string{"clock/a.go": "package clock", "internal/x/a.go": "package x", "cmd/baraza/a.go": "package main"},
		},
		{
			"pure packages import nothing impure", checkPureImports,
			map[string]string{
				"crdt/a.go":         "package crdt\nimport _ \"os\"",
				"gossip/a.go":       "package gossip\nimport _ \"github.com/hashicorp/memberlist\"",
				"node/replica/a.go": "package replica\nimport _ \"log/slog\"",
			},
			map[string]string{
				"crdt/a.go":      "package crdt\nimport _ \"time\"",
				"gossip/a.go":    "package gossip\nimport _ \"github.com/vmihailenco/msgpack/v5\"",
				"crdt/a_test.go": "package crdt\nimport _ \"os\"",
				"node/a.go":      "package node\nimport _ \"net\"",
			},
		},
		{
			"pure packages read no clock", checkPureTime,
			map[string]string{
				"crdt/a.go":  "package crdt\nimport \"time\"\nvar now = time.Now()",
				"clock/a.go": "package clock\nimport t \"time\"\nvar f = t.Since",
			},
			map[string]string{
				"crdt/a.go":      "package crdt\nimport \"time\"\nvar d = time.Second",
				"crdt/a_test.go": "package crdt\nimport \"time\"\nvar now = time.Now()",
				"node/a.go":      "package node\nimport \"time\"\nvar now = time.Now()",
			},
		},
		{
			"pure packages use no global random source", checkPureRandom,
			map[string]string{
				"gossip/a.go": "package gossip\nimport \"math/rand/v2\"\nvar n = rand.IntN(3)",
				"crdt/a.go":   "package crdt\nimport \"math/rand\"\nvar n = rand.Int()",
			},
			map[string]string{"gossip/a.go": "package gossip\nimport \"math/rand/v2\"\nvar n = rand.New(rand.NewPCG(1, 2)).IntN(3)"},
		},
		{
			"pure packages start no goroutines", checkPureGoroutines,
			map[string]string{
				"crdt/a.go":   "package crdt\nfunc f() { go f() }",
				"merge/a.go":  "package merge\nvar c chan int",
				"gossip/b.go": "package gossip\nfunc f() { select {} }",
			},
			map[string]string{"node/a.go": "package node\nfunc f() { go f() }", "crdt/a.go": "package crdt\nfunc f() { f() }"},
		},
		{
			"files are short", checkFileLength,
			map[string]string{"a/a.go": "package a" + strings.Repeat("\n", fileLinesMax+1)},
			map[string]string{"a/a.go": "package a" + strings.Repeat("\n", fileLinesMax), "a.md": strings.Repeat("\n", 2000)},
		},
		{
			"functions are short", checkFunctionLength,
			map[string]string{"a/a.go": "package a\nfunc f(x int) {" + strings.Repeat(longBody, functionLinesMax-1) + "\n}"},
			map[string]string{
				"a/a.go":      "package a\nfunc f(x int) {" + strings.Repeat(longBody, functionLinesMax-2) + "\n}",
				"a/a_test.go": "package a\nfunc f(x int) {" + strings.Repeat(longBody, functionLinesMax) + "\n}",
			},
		},
		{
			"nothing of one machine is in the sources", checkPrivate,
			map[string]string{"a/a.go": "package a\n// see /wor" + "k/main", "run": "export GOPROX" + "Y=x", "README.md": "/hom" + "e/me"},
			map[string]string{"a/a.go": "package a\n// see testdata/rows.sql, network and homework"},
		},
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("the repository's root is not where it was: %v", err)
	}
	return dir
}

// TestHouse holds the repository to the rules.
func TestHouse(t *testing.T) {
	sources, err := readTree(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, s := range sources {
				for _, f := range r.check(s) {
					t.Error(f)
				}
			}
		})
	}
	t.Run("each package has a doc.go", func(t *testing.T) {
		for _, f := range checkDoc(sources) {
			t.Error(f)
		}
	})
}

// TestRulesBite shows each rule what it must find, and what it must not.
func TestRulesBite(t *testing.T) {
	judge := func(t *testing.T, r rule, name, text string) int {
		s, err := parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		return len(r.check(s))
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for name, text := range r.bad {
				if judge(t, r, name, text) == 0 {
					t.Errorf("the rule finds nothing in %s: %.60q", name, text)
				}
			}
			for name, text := range r.good {
				if n := judge(t, r, name, text); n != 0 {
					t.Errorf("the rule finds %d things in %s: %.60q", n, name, text)
				}
			}
		})
	}
	undocumented, err := parse("a/a.go", "// Package a has its comment in the wrong file.\npackage a")
	if err != nil {
		t.Fatal(err)
	}
	documented, err := parse("b/doc.go", "// Package b is documented.\npackage b")
	if err != nil {
		t.Fatal(err)
	}
	if got := checkDoc([]*source{undocumented, documented}); len(got) != 1 || got[0].at != "a" {
		t.Errorf("the doc.go rule finds %v, want package a only", got)
	}
}
