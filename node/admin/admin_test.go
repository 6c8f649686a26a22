package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"baraza/node/admin"
	"baraza/node/admin/admintest"
)

func serve(t *testing.T, s admin.Service) (*admin.Client, string) {
	t.Helper()
	dir := t.TempDir()
	srv, err := admin.Serve(dir, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	c := admin.NewClient(dir)
	t.Cleanup(c.Close)
	return c, dir
}

func TestEveryMethodOverTheSocket(t *testing.T) {
	f := admintest.Example()
	c, _ := serve(t, f)
	ctx := context.Background()
	same := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", what, err, got, want)
		}
	}
	status, err := c.Status(ctx)
	same("status", status, &f.TheStatus, err)
	invitation, err := c.Invite(ctx, admin.InviteRequest{TTLSeconds: 60})
	same("invite", invitation, &f.Invitation, err)
	peers, err := c.Peers(ctx)
	same("peers", peers, &f.ThePeers, err)
	same("forget", nil, nil, c.Forget(ctx, admin.ForgetRequest{Site: "x"}))
	tables, err := c.Tables(ctx)
	same("tables", tables, &f.TheTables, err)
	tables, err = c.AddTables(ctx, admin.TablesRequest{Patterns: []string{"a"}})
	same("add", tables, &f.TheTables, err)
	tables, err = c.RemoveTables(ctx, admin.TablesRequest{Patterns: []string{"b"}})
	same("remove", tables, &f.TheTables, err)
	tables, err = c.SetTable(ctx, admin.SetTableRequest{Table: "t", Unique: "mark"})
	same("set", tables, &f.TheTables, err)
	conflicts, err := c.Conflicts(ctx, admin.ConflictsRequest{Table: "t", Limit: 3})
	same("conflicts", conflicts, &f.TheConflicts, err)
	conflict, err := c.Conflict(ctx, admin.ConflictRequest{ID: "c0ffee02"})
	same("conflict", conflict, &f.TheConflicts.Conflicts[1], err)
	undone, err := c.UndoConflict(ctx, admin.UndoRequest{ID: "c0ffee01", Force: true})
	same("undo", undone.Conflict, f.TheConflicts.Conflicts[0], err)
	var bundle strings.Builder
	exported, err := c.Export(ctx, admin.ExportRequest{Site: "Nairobi", MaxBytes: 7}, &bundle)
	same("export", exported, &f.TheExport, err)
	same("bundle", bundle.String(), f.Bundle, nil)
	imported, err := c.Import(ctx, strings.NewReader("from a stick"))
	same("import", imported, &f.TheImport, err)
	same("stop", nil, nil, c.Stop(ctx))
	want := []any{
		"status",
		admin.InviteRequest{TTLSeconds: 60},
		"peers",
		admin.ForgetRequest{Site: "x"},
		"tables",
		admin.TablesRequest{Patterns: []string{"a"}},
		admin.TablesRequest{Patterns: []string{"b"}},
		admin.SetTableRequest{Table: "t", Unique: "mark"},
		admin.ConflictsRequest{Table: "t", Limit: 3},
		admin.ConflictRequest{ID: "c0ffee02"},
		admin.UndoRequest{ID: "c0ffee01", Force: true},
		admin.ExportRequest{Site: "Nairobi", MaxBytes: 7},
		"import from a stick",
		"stop",
	}
	same("asked", f.Asked(), want, nil)
}

// Seen to fail when the client does not read the trailer.
func TestExportThatFailsLate(t *testing.T) {
	ctx := context.Background()
	serving := func(change func(*admintest.Fake)) *admin.Client { // a fake must not be changed once it serves
		f := admintest.Example()
		change(f)
		c, _ := serve(t, f)
		return c
	}
	_, err := serving(func(f *admintest.Fake) {
		f.Bundle, f.Late = strings.Repeat("b", 1<<20), admin.Nof("the log ended")
	}).Export(ctx, admin.ExportRequest{}, io.Discard)
	if admin.KindOf(err) != admin.No || err.Error() != "the log ended" {
		t.Error(err)
	}
	_, err = serving(func(f *admintest.Fake) { f.Err = admin.Nof("no member") }).Export(ctx, admin.ExportRequest{}, io.Discard)
	if admin.KindOf(err) != admin.No || err.Error() != "no member" {
		t.Error(err)
	}
	// A large file that is refused at once: the answer comes all the same.
	c := serving(func(f *admintest.Fake) { f.Err = admin.Nof("not a bundle") })
	for range 20 {
		if _, err = c.Import(ctx, bytes.NewReader(make([]byte, 8<<20))); err == nil || err.Error() != "not a bundle" {
			t.Fatal(err)
		}
	}
	c = serving(func(*admintest.Fake) {})
	_, err = c.Import(ctx, io.MultiReader(strings.NewReader("b"), iotest.ErrReader(errors.New("the stick was pulled"))))
	if err == nil || !strings.Contains(err.Error(), "the stick was pulled") {
		t.Error(err)
	}
}

func TestKindsSurviveTheSocket(t *testing.T) {
	f := admintest.Example()
	c, _ := serve(t, f)
	_, err := c.Conflict(context.Background(), admin.ConflictRequest{ID: "nope"})
	if admin.KindOf(err) != admin.No || !strings.Contains(err.Error(), "no conflict nope") {
		t.Errorf("no: %v (%s)", err, admin.KindOf(err))
	}
	f.Err = errors.New("the disk\nis full")
	_, err = c.Status(context.Background())
	if admin.KindOf(err) != admin.Cannot || err.Error() != "the disk is full" {
		t.Errorf("cannot: %q (%s)", err, admin.KindOf(err))
	}
}

// Scripts rely on these names.
func TestStatusFields(t *testing.T) {
	b, err := json.Marshal(admintest.Example().TheStatus)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"site", "id", "peers", "vector", "pending_capture", "pending_apply", "waiting", "held", "set_aside", "conflicts", "clock_offset_ms", "capture"} {
		if _, ok := m[name]; !ok {
			t.Errorf("status has no %s", name)
		}
	}
	for _, p := range m["peers"].([]any) {
		for _, name := range []string{"site", "id", "state", "behind_batches", "last_seen"} {
			if _, ok := p.(map[string]any)[name]; !ok {
				t.Errorf("a peer has no %s", name)
			}
		}
	}
}

func TestSocketIsTheOwnersOnly(t *testing.T) {
	_, dir := serve(t, admintest.Example())
	info, err := os.Stat(filepath.Join(dir, admin.SocketFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
}

func TestDeadSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, admin.SocketFile), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	c := admin.NewClient(dir)
	if _, err := c.Status(context.Background()); err == nil || !strings.Contains(err.Error(), "no site is running on "+dir) {
		t.Errorf("dead socket: %v", err)
	}
	srv, err := admin.Serve(dir, admintest.Example())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(context.Background()); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, admin.SocketFile)); err == nil {
		t.Error("the socket is still there after Close")
	}
}

func TestClientSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for d, want := range map[string]string{dir: "baraza run --data " + dir, dir + "/nope": "no such directory"} {
		_, err := admin.NewClient(d).Status(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", d, err)
		}
	}
	if _, err := admin.Serve(filepath.Join(dir, strings.Repeat("x", 120)), admintest.Example()); err == nil || !strings.Contains(err.Error(), "shorter --data") {
		t.Errorf("long path: %v", err)
	}
	// A site that does not answer.
	l, err := net.Listen("unix", filepath.Join(dir, admin.SocketFile))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := admin.NewClient(dir).Status(ctx); err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("silent: %v", err)
	}
}
