package scenario_test

import (
	"path/filepath"
	"testing"

	"baraza/sim/scenario"
)

// TestFound: plans that once failed, made small.
//
// Seen to fail: step-back-and-clock when the checker takes what a site had applied
// before its database was set back for seen; counter-in-restored when it takes an
// insert for one that knew of all deletes if it knew of one; only-a-restored-site-has-it
// when the administrator gives no line to a site whose database is restored;
// ahead-of-its-parent when the checker does not know that a row which a site wrote while
// it joined may come a batch before the one to which it refers; bundle-for-newcomer and
// bundle-for-stranger when a bundle for a site that has told nothing yet begins at what
// others say of it (gossip.Begin); nobody-has-them when a site applies what waits for lost
// entries as soon as it knows that nobody has them, before anybody has said so;
// parent-of-a-cut-join when the checker knows of rows that a cut join left only as long as
// the site joins.
func TestFound(t *testing.T) {
	names, err := filepath.Glob("testdata/found/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	for _, name := range names {
		s, err := scenario.LoadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if res := run(t, s, scenario.Options{NoMeasure: true}); res.Err != nil {
			t.Errorf("%v\nreplay: baraza sim replay sim/scenario/%s", res.Err, name)
		}
	}
}
