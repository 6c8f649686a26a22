package scenario_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"baraza/sim/scenario"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumented: what docs/scenarios.md shows can be read.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 6 {
		t.Fatalf("found %d examples only", len(blocks))
	}
	for _, b := range blocks {
		example := b[1]
		if !strings.Contains(example, "sites:\n") && !strings.HasPrefix(example, "name:") {
			example = "sites: [hub, {name: clinic, count: 12}, lab, s1]\n" + example
		}
		if !strings.Contains(example, "duration:") {
			example = "duration: 1d\n" + example
		}
		if _, err := scenario.Read("docs", example, func(string) (string, error) { return "0,1\n1,2\n", nil }); err != nil {
			t.Errorf("%v in\n%s", err, example)
		}
	}
}

// TestShippedParse: every scenario that comes with Baraza can be read.
func TestShippedParse(t *testing.T) {
	names, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	for _, name := range names {
		s, err := scenario.LoadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name == "" || s.About == "" || len(s.Expect) == 0 {
			t.Errorf("%s: it has no name, does not say what it is about, or expects nothing", name)
		}
	}
}
