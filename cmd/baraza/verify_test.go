package main

import (
	"testing"

	"baraza/node/admin"
	"baraza/node/admin/admintest"
)

// The exit codes are the contract of scripts: 0 equal, 1 different, 2 could not
// tell.
func TestVerifyExitCodes(t *testing.T) {
	for outcome, want := range map[string]int{admin.VerifyEqual: 0, admin.VerifyDifferent: 1, admin.VerifyUnknown: 2} {
		report := &admin.VerifyReport{Outcome: outcome, Tables: []string{"a"}, Sites: []string{"b"}, Differences: []admin.RowDifference{
			{Table: "a", Key: "k", Site: "b", How: admin.DiffersValues, Columns: []admin.ColumnDifference{{Column: "c", Here: "1", There: "2"}}},
		}}
		dir := site(t, &admintest.Fake{TheVerifications: []admin.Verification{
			{Number: 3, Running: true}, {Number: 3, Running: true, Site: "b", Table: "a", TablesTotal: 1}, {Number: 3, Report: report},
		}})
		if r := baraza(t, "verify", "--data", dir); r.code != want {
			t.Errorf("%s: %+v, want exit code %d", outcome, r, want)
		}
	}
}
