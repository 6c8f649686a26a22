package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baraza/node/admin"
	"baraza/node/admin/admintest"
)

// sited serves an example that is changed first: a fake must not be changed
// once it serves.
func sited(t *testing.T, change func(*admintest.Fake)) (dir string, f *admintest.Fake) {
	t.Helper()
	f = admintest.Example()
	change(f)
	return site(t, f), f
}

func TestExportWritesAFile(t *testing.T) {
	dir, _ := sited(t, func(*admintest.Fake) {})
	t.Chdir(t.TempDir())
	out := baraza(t, "export", "--data", dir, "--to", "Nairobi").works(t)
	files, err := filepath.Glob("Kisumu-to-Nairobi-*.baraza")
	if err != nil || len(files) != 1 || !strings.HasPrefix(out, files[0]+": 12 log entries for Nairobi") {
		t.Fatalf("%q, %v, %s", files, err, out)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if out := baraza(t, "export", "--data", dir, "--to", "Nairobi", "--out", "-").works(t); out != "a bundle" {
		t.Errorf("on stdout: %q", out)
	}
	part, f := sited(t, func(f *admintest.Fake) { f.TheExport.Left, f.TheExport.Warnings = 5, []string{"the database is away"} })
	out = baraza(t, "export", "--data", part, "--to", "Nairobi", "--max-size", "4GB", "--bare", "--out", "x").works(t)
	if !strings.Contains(out, "warning: the database is away\n") || !strings.Contains(out, "5 more had no room") {
		t.Error(out)
	}
	if got := f.Asked()[0]; got != (admin.ExportRequest{Site: "Nairobi", Bare: true, MaxBytes: 4e9}) {
		t.Errorf("asked %+v", got)
	}
	baraza(t, "export", "--data", dir, "--to", "Nairobi", "--out", "x").fails(t, exitCannot, "x: there is a file already")
	late, _ := sited(t, func(f *admintest.Fake) { f.Late = errors.New("the log is damaged") })
	baraza(t, "export", "--data", late, "--to", "Nairobi", "--out", "y").fails(t, exitCannot, "the log is damaged")
	left, err := filepath.Glob("*")
	hidden, _ := filepath.Glob(".b*")
	if err != nil || len(left) != 2 || len(hidden) > 0 {
		t.Errorf("files left: %q %q, %v", left, hidden, err)
	}
}

func TestImportReplies(t *testing.T) {
	name := filepath.Join(t.TempDir(), "nairobi.baraza")
	if err := os.WriteFile(name, []byte("its bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, f := sited(t, func(*admintest.Fake) {})
	out := baraza(t, "import", "--data", dir, name).works(t)
	if !strings.Contains(out, name+": a bundle of Nairobi, 12 entries, 7 of them new here\n"+filepath.Dir(name)+"/Kisumu-to-Nairobi-") {
		t.Error(out)
	}
	want := []any{"import its bytes", admin.ExportRequest{Site: f.TheImport.FromID}}
	if got := f.Asked(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("asked %+v", got)
	}
	silent, f := sited(t, func(f *admintest.Fake) { f.TheImport.Reply = false })
	baraza(t, "import", "--data", silent, name).works(t)
	if got := len(f.Asked()); got != 1 {
		t.Errorf("a reply that says nothing was written: %d", got)
	}
	gap, _ := sited(t, func(f *admintest.Fake) {
		f.TheImport.Missing = []string{"entries of Eldoret from 5 on are not in it", "more", "more"}
	})
	got := baraza(t, "import", "--data", gap, name)
	if got.code != exitNo || !strings.Contains(got.errOut, "entries of Eldoret from 5 on are not in it (and 2 more like this)") || strings.Count(got.errOut, "\n") != 1 {
		t.Errorf("exit %d: %s", got.code, got.errOut)
	}
	foreign, _ := sited(t, func(f *admintest.Fake) { f.Err = admin.Nof("the bundle is for another site") })
	baraza(t, "import", "--data", foreign, name).fails(t, exitNo, name+": the bundle is for another site")
	baraza(t, "import", "--data", dir, "nowhere").fails(t, exitCannot, "open nowhere: no such file")
	baraza(t, "import", "--data", dir, "--no-reply", "--reply", "x", name).fails(t, exitCannot, "goes with neither")
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "4GB": 4e9, "650 MB": 650e6, "2GiB": 2 << 30, "1000000B": 1e6, "4096KiB": 4 << 20} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"4", "GB", "-1GB", "0MB", "10kB", "99999999999GB", "1.5GB", "four"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestBundleNamesAreSafe(t *testing.T) {
	e := &admin.Exported{From: "../Ward 7/α", Site: "Éldoret: main"}
	if got := bundleName(e, time.Date(2026, 11, 22, 9, 30, 0, 5e6, time.UTC)); got != "___Ward_7_α-to-Éldoret__main-20261122T093000.005Z.baraza" {
		t.Error(got)
	}
}
