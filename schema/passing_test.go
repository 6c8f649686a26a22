package schema

import "testing"

// A table that a tool makes while it changes another is not the application's.
func TestPassing(t *testing.T) {
	m := &Model{Tables: map[string]*Table{"visit": {}, "visit_old": {}}}
	for name, want := range map[string]bool{
		"_visit_gho": true, "_visit_ghc": true, "_visit_del": true, "_visit_new": true, "_visit_old": true, "_visit_old_new": true,
		"visit": false, "visit_old": false, "_visit": false, "_other_new": false, "_visit_more": false, "_new": false,
	} {
		if got := m.passing(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
