package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// write is what became of one value at one site: a column of a row, or, where
// column is "", the row itself.
type written struct{ table, key, column string }

// changes lists what differs between two moments of one site.
func changes(before, after portable) map[written]string {
	all := map[written]string{}
	for table, rows := range after {
		for key, row := range rows {
			old := before[table][key]
			for column, v := range row {
				if old == nil || old[column] != v {
					all[written{table, key, column}] = v
				}
			}
		}
	}
	for table, rows := range before {
		for key := range rows {
			if after[table][key] == nil {
				all[written{table, key, ""}] = "deleted"
			}
		}
	}
	return all
}

// accounts checks what became of all that two sites wrote apart: what one wrote is
// there, of what both wrote one is there and the other is a conflict.
func accounts(t *testing.T, sites [2]*site, before portable, apart [2]portable, after portable) {
	t.Helper()
	wrote := [2]map[written]string{changes(before, apart[0]), changes(before, apart[1])}
	conflicts := map[written]int{}
	list := sites[0].conflicts("--limit", "100000")
	for _, c := range list.Conflicts {
		conflicts[written{c.Table, strings.ToLower(c.Key), c.Column}]++
	}
	missing, clashes, alone := 0, 0, 0
	say := func(format string, args ...any) {
		if missing++; missing <= 20 {
			t.Errorf(format, args...)
		}
	}
	for i := range wrote {
		other := wrote[1-i]
		for w, v := range wrote[i] {
			row := written{w.table, w.key, ""}
			_, otherDeleted := other[row]
			theirs, both := other[w]
			switch {
			case w.column == "": // a delete against writes of the other site's
				for o := range other {
					if o.table == w.table && o.key == w.key && o.column != "" && conflicts[row]+conflicts[o] == 0 {
						say("%s deleted %s %s, which %s wrote (%s): no conflict says so", sites[i].name, w.table, w.key, sites[1-i].name, o.column)
					}
				}
			case otherDeleted:
				clashes++
			case both && theirs != v:
				clashes++
				if got := after[w.table][w.key][w.column]; got != v && got != theirs {
					say("%s %s %s is %s, which neither site wrote", w.table, w.key, w.column, show(got))
				}
				if conflicts[w] == 0 {
					say("%s %s %s: %s wrote %s, %s wrote %s, and no conflict says so", w.table, w.key, w.column, sites[i].name, show(v), sites[1-i].name, show(theirs))
				}
			default:
				alone++
				if got := after[w.table][w.key][w.column]; got != v {
					say("%s wrote %s %s %s = %s, now it is %s", sites[i].name, w.table, w.key, w.column, show(v), show(got))
				}
			}
		}
	}
	t.Logf("%d values written at one site, %d at both and different (each counted twice); %d conflicts listed; %d wrong", alone, clashes, list.Total, missing)
	if alone < 100 || clashes < 20 {
		t.Errorf("the sites wrote too little: %d values alone, %d clashes", alone, clashes)
	}
	sameConflicts(t, sites[0], sites[1])
}

// sameConflicts fails where two sites list other conflicts.
func sameConflicts(t *testing.T, a, b *site) {
	t.Helper()
	text := func(s *site) string {
		var out strings.Builder
		for _, c := range s.conflicts("--limit", "100000").Conflicts {
			fmt.Fprintf(&out, "%s %s %s %s %s %s\n", c.Table, c.Key, c.Column, c.Rule, c.Won.Value, c.Lost.Value)
		}
		return out.String()
	}
	if one, two := text(a), text(b); one != two {
		t.Errorf("%s lists\n%.2000s\n%s lists\n%.2000s", a.name, one, b.name, two)
	}
}
