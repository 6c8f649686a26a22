package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The bugs can be planted in the code as it is now.
func TestMutantsFit(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		text, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.from); n != 1 {
			t.Errorf("%s: %s has the text to change %d times, not once", m.name, m.file, n)
		}
		if names[m.name] {
			t.Errorf("two bugs are called %q", m.name)
		}
		names[m.name] = true
	}
	if len(mutants) < 20 {
		t.Errorf("%d bugs, want 20", len(mutants))
	}
}
