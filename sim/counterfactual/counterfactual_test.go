package counterfactual

import (
	"testing"

	"baraza/clock"
	"baraza/crdt"
)

// TestCount: on histories made by hand, with all figures. a and b are sites; a
// step of time is a second.
func TestCount(t *testing.T) {
	a, b := clock.SiteID{1}, clock.SiteID{2}
	stamp := func(at int64) clock.Timestamp { return clock.At(at*1000, 0) }
	// made is a write at a time, by a wall clock, that had seen the other site's
	// and its own writes up to a time.
	made := func(site clock.SiteID, at, wall, seen int64, columns ...string) write {
		through := func(s clock.SiteID) clock.Entry {
			e := clock.Entry{Site: s, Through: stamp(seen)}
			if s == site {
				e.Through = stamp(at - 1)
			}
			return e
		}
		return write{
			&crdt.Change{Time: stamp(at), Columns: columns, Values: make([]crdt.Value, len(columns))},
			clock.Stamp{Time: stamp(at), Site: site},
			wall * 1e6,
			clock.VersionVector{through(a), through(b)},
		}
	}
	for _, c := range []struct {
		name   string
		writes []write
		want   Counts
	}{
		{"one write", []write{made(a, 10, 10, 0, "x", "y")}, Counts{Values: 2}},
		{"seen, clocks right", []write{made(a, 10, 10, 0, "x"), made(b, 12, 12, 11, "x")}, Counts{Values: 2, Seen: 1}},
		{"seen, b is slow", []write{made(a, 10, 10, 0, "x"), made(b, 12, 7, 11, "x")}, Counts{Values: 2, Seen: 1, WallUndone: 1}},
		{"seen, b is slow, another column", []write{made(a, 10, 10, 0, "x"), made(b, 12, 7, 11, "y")}, Counts{Values: 2}},
		{"clocks alike: the site decides", []write{made(b, 10, 10, 0, "x"), made(a, 12, 10, 11, "x")}, Counts{Values: 2, Seen: 1, WallUndone: 1}},
		{
			"undone by one that it saw before the last",
			[]write{made(a, 10, 10, 0, "x"), made(b, 11, 6, 10, "x"), made(b, 12, 7, 10, "x")},
			Counts{Values: 3, Seen: 2, WallUndone: 2},
		},
		{"unseen, the same winner", []write{made(a, 10, 10, 0, "x"), made(b, 12, 11, 0, "x")}, Counts{Values: 2, Pairs: 1}},
		{"unseen, the other winner", []write{made(a, 10, 10, 0, "x"), made(b, 12, 7, 0, "x")}, Counts{Values: 2, Pairs: 1, WallOther: 1}},
		{"unseen, whole rows", []write{made(a, 10, 10, 0, "x"), made(b, 12, 12, 0, "y")}, Counts{Values: 2, RowLost: 1}},
		{
			"whole rows, carried on by one who had not seen the other",
			[]write{made(a, 10, 10, 0, "x"), made(b, 12, 12, 0, "y"), made(a, 14, 14, 0, "z")},
			Counts{Values: 3, RowLost: 1},
		},
		{
			"whole rows, written again since",
			[]write{made(a, 10, 10, 0, "x"), made(b, 12, 12, 0, "y"), made(b, 14, 14, 13, "x")},
			Counts{Values: 3, Seen: 1},
		},
	} {
		var got Counts
		got.row(c.writes)
		if got != c.want {
			t.Errorf("%s: %+v, not %+v", c.name, got, c.want)
		}
	}
}

// TestMetricsAreNamed: the figures are worked out of the counts, by their names.
func TestMetricsAreNamed(t *testing.T) {
	c := &Counts{Values: 200, Seen: 50, WallUndone: 5, Pairs: 8, WallOther: 2, RowLost: 1}
	for name, want := range map[string]float64{"cf_wall_undone_percent": 10, "cf_wall_other_percent": 25, "cf_row_lost_percent": 0.5, "cf_seen": 50} {
		found := false
		for i := range Metrics {
			if m := &Metrics[i]; m.Name == name {
				found = true
				if got := m.Value(c); got != want {
					t.Errorf("%s is %v, not %v", name, got, want)
				}
			}
		}
		if _, known := Named(name); !found || !known {
			t.Errorf("there is no %s", name)
		}
	}
}
