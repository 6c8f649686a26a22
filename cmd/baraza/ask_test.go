package main

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"baraza/node/admin"
	"baraza/node/admin/admintest"
)

// site serves a fake on the socket of a data directory.
func site(t *testing.T, f *admintest.Fake) (dir string) {
	t.Helper()
	dir = t.TempDir()
	srv, err := admin.Serve(dir, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return dir
}

func TestAskingARunningSite(t *testing.T) {
	f := admintest.Example()
	dir := site(t, f)
	for _, c := range []struct {
		line string
		want []string
		asks any
	}{
		{"status", []string{
			"site      Kisumu", "openmrs, 103 tables, changes found by trigger", "1 to capture, 2 to apply", "3 waiting, 4 held, 5 set aside", "conflicts 6",
			"12ms ahead of the peers'", "ALARM     the clock of Eldoret", "PEER", "Nairobi", "connected", "1234", "never",
		}, "status"},
		{"peers list", []string{"PEER", "Nairobi", "00112233", "Eldoret Referral"}, "peers"},
		{"peers forget Nairobi", []string{"Nairobi is removed"}, admin.ForgetRequest{Site: "Nairobi"}},
		{"tables list", []string{"TABLE", "person", "replicated", "uuid (uuid)", "refused: it has no primary key"}, "tables"},
		{"tables add lab_* visit", []string{"1 tables are replicated now"}, admin.TablesRequest{Patterns: []string{"lab_*", "visit"}}},
		{"tables remove visit", []string{"1 tables are replicated now"}, admin.TablesRequest{Patterns: []string{"visit"}}},
		{"conflicts list --table person --limit 7", []string{"ID", "c0ffee01", "family_name", "c0ffee02", "(row)", "Nairobi"}, admin.ConflictsRequest{Table: "person", Limit: 7}},
		{"conflicts show c0ffee01", []string{"rule R1", "family_name", "5a1b9e4c-0000-4000-8000-000000000001", `"Achieng"`, `"Atieno"`}, admin.ConflictRequest{ID: "c0ffee01"}},
		{"conflicts undo c0ffee01 --force", []string{"person", "family_name", `wrote "Atieno" over "Achieng"`}, admin.UndoRequest{ID: "c0ffee01", Force: true}},
		{"conflicts show c0ffee02", []string{"(row deleted)"}, admin.ConflictRequest{ID: "c0ffee02"}},
	} {
		out := baraza(t, append(strings.Fields(c.line), "--data", dir)...).works(t)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", c.line, want, out)
			}
		}
		asked := f.Asked()
		if got := asked[len(asked)-1]; !reflect.DeepEqual(got, c.asks) {
			t.Errorf("%s: asked %+v, want %+v", c.line, got, c.asks)
		}
		for line := range strings.Lines(out) {
			note := strings.Contains(line, ": refused: ")
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > tableWidth && !note {
				t.Errorf("%s: a line of %d columns: %s", c.line, n, line)
			}
		}
	}
}

func TestInvitePrintsOneLine(t *testing.T) {
	f := admintest.Example()
	dir := site(t, f)
	if out := baraza(t, "invite", "--data", dir, "--ttl", "90m").works(t); out != f.Invitation.Token+"\n" {
		t.Errorf("%q", out)
	}
	if got := f.Asked()[0]; got != (admin.InviteRequest{TTLSeconds: 5400}) {
		t.Errorf("asked %+v", got)
	}
}

func TestJSON(t *testing.T) {
	f := admintest.Example()
	dir := site(t, f)
	for line, want := range map[string]any{
		"status": f.TheStatus, "peers list": f.ThePeers, "tables list": f.TheTables,
		"conflicts list": f.TheConflicts, "conflicts show c0ffee02": f.TheConflicts.Conflicts[1],
	} {
		out := baraza(t, append(strings.Fields(line), "--json", "--data", dir)...).works(t)
		var got, wanted any
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Errorf("%s: %v in %s", line, err, out)
			continue
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &wanted); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s:\n got %v\nwant %v", line, got, wanted)
		}
	}
}

func TestExitCodesOfAnswers(t *testing.T) {
	dir := site(t, admintest.Example())
	baraza(t, "conflicts", "show", "nope", "--data", dir).fails(t, exitNo, "baraza conflicts show: there is no conflict nope")
	dir = site(t, &admintest.Fake{Err: errors.New("the store\nis broken")})
	baraza(t, "status", "--data", dir).fails(t, exitCannot, "baraza status: the store is broken")
	empty := t.TempDir()
	baraza(t, "status", "--data", empty).fails(t, exitCannot, "start it with baraza run --data "+empty)
	baraza(t, "run", "--data", empty).fails(t, exitCannot, "run baraza init or baraza join first")
}

func TestGridFits(t *testing.T) {
	g := grid{head: []string{"A", "B", "C"}, right: map[int]bool{1: true}, whole: map[int]bool{2: true}}
	g.add(strings.Repeat("ä", 70), "7", strings.Repeat("w", 40))
	g.add("x", "123", "y")
	var b strings.Builder
	g.print(&b)
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if n := utf8.RuneCountInString(lines[1]); n != tableWidth {
		t.Errorf("%d columns: %s", n, lines[1])
	}
	if !strings.Contains(lines[1], "…") || !strings.HasSuffix(lines[1], strings.Repeat("w", 40)) {
		t.Error(lines[1])
	}
	if strings.Index(lines[0], "B") != strings.Index(lines[2], "3") {
		t.Errorf("not aligned at the right:\n%s\n%s", lines[0], lines[2])
	}
}

func TestAgo(t *testing.T) {
	now := time.Unix(1e9, 0)
	for d, want := range map[time.Duration]string{0: "now", 90 * time.Second: "90s ago", time.Hour: "60m ago", 30 * time.Hour: "30h ago", 50 * time.Hour: "2d ago", -time.Hour: "now"} {
		then := now.Add(-d)
		if got := ago(&then, now); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if ago(nil, now) != "never" {
		t.Error("nil is not never")
	}
}
