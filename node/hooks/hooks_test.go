package hooks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
	"baraza/node/config"
	"baraza/node/hooks"
)

// world is a database whose writes hooks tell of.
type world struct {
	t     *testing.T
	store kv.Store
	db    merge.Database
	set   *hooks.Set
	stop  func()
}

// told makes a store in which the hooks have told everything.
func told(t *testing.T, names ...string) kv.Store {
	store := kv.NewMem()
	b := &kv.Batch{}
	for _, name := range names {
		b.Set([]byte("hook/"+name), []byte{1})
	}
	if err := store.Write(b, true); err != nil {
		t.Fatal(err)
	}
	return store
}

// open starts hooks; after a stop it may be called again with the same store.
func open(t *testing.T, store kv.Store, app config.App, hs ...config.Hook) *world {
	t.Helper()
	for i := range hs {
		hs[i].After = config.Duration(10 * time.Millisecond)
	}
	set, err := hooks.Open(hooks.Options{
		Site: "clinic-1", App: app, Store: store, Prefix: []byte("hook/"), Log: slog.New(slog.DiscardHandler),
		RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond,
	}, hs)
	if err != nil {
		t.Fatal(err)
	}
	now := int64(1)
	db := memdb.New(memdb.Config{Model: dbtest.Model(), Now: func() int64 { now++; return now }})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { set.Run(ctx) })
	stop := func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return &world{t, store, set.Watch(db), set, stop}
}

// insert writes people in one transaction.
func (w *world) insert(from, to int) {
	w.t.Helper()
	w.tx(func(tx merge.Tx) ([]merge.RowError, error) {
		var rows []merge.Row
		for n := from; n <= to; n++ {
			rows = append(rows, merge.Row{
				Key: key(n), Columns: []string{"uuid", "name"},
				Values: []crdt.Value{crdt.Text(uuid(n)), crdt.Text("Ada")},
			})
		}
		return tx.Insert(w.t.Context(), dbtest.Model().Tables["person"], rows)
	})
}

func (w *world) remove(n int) {
	w.t.Helper()
	w.tx(func(tx merge.Tx) ([]merge.RowError, error) {
		if _, err := tx.Lock(w.t.Context(), dbtest.Model().Tables["person"], []crdt.Key{key(n)}); err != nil {
			return nil, err
		}
		return tx.Delete(w.t.Context(), dbtest.Model().Tables["person"], []crdt.Key{key(n)})
	})
}

func (w *world) tx(f func(merge.Tx) ([]merge.RowError, error)) {
	w.t.Helper()
	tx, err := w.db.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if refused, err := f(tx); err != nil || len(refused) > 0 {
		w.t.Fatal(refused, err)
	}
	if err := tx.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

func uuid(n int) string  { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
func key(n int) crdt.Key { return crdt.MakeKey(crdt.Text(uuid(n))) }

// application answers requests and keeps their bodies.
type application struct {
	*httptest.Server

	mu     sync.Mutex
	bodies []string
	answer func(body string) int
}

func newApplication(t *testing.T) *application {
	a := &application{answer: func(string) int { return http.StatusNoContent }}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		defer a.mu.Unlock()
		status := a.answer(string(b))
		if status/100 == 2 {
			a.bodies = append(a.bodies, r.Method+" "+r.URL.Path+" "+string(b))
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/login")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *application) got() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string{}, a.bodies...)
}

// until waits for a condition, and says what there is when it does not come.
func until(t *testing.T, what string, cond func() bool, now func() any) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come; there is %+v", what, now())
		}
	}
}

func (w *world) told() bool {
	for _, s := range w.set.States() {
		if s.Rows > 0 || s.All || s.Told.IsZero() {
			return false
		}
	}
	return true
}

func (w *world) states() any { return w.set.States() }

func TestTellsOnceForManyTransactions(t *testing.T) {
	app := newApplication(t)
	w := open(t, told(t, "h", "index"), config.App{}, config.Hook{Name: "h", URL: app.URL + "/x"})
	for n := range 50 {
		w.insert(n, n)
	}
	w.remove(7)
	until(t, "told", w.told, w.states)
	got := app.got()
	if len(got) > 10 {
		t.Errorf("51 transactions were told in %d requests", len(got))
	}
	rows := map[string]bool{}
	for _, g := range got {
		var m struct {
			Site   string
			Tables []struct {
				Table            string
				Written, Deleted [][]string
			}
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(g, "POST /x ")), &m); err != nil || m.Site != "clinic-1" || len(m.Tables) != 1 || m.Tables[0].Table != "person" {
			t.Fatalf("%v: %s", err, g)
		}
		for _, k := range m.Tables[0].Written {
			rows[k[0]] = false
		}
		for _, k := range m.Tables[0].Deleted {
			rows[k[0]] = true
		}
	}
	if len(rows) != 50 || !rows[uuid(7)] || rows[uuid(8)] {
		t.Errorf("told of %v", rows)
	}
}

func TestRolledBackIsNotTold(t *testing.T) {
	app := newApplication(t)
	w := open(t, told(t, "h", "index"), config.App{}, config.Hook{Name: "h", URL: app.URL})
	tx, err := w.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	row := merge.Row{Key: key(1), Columns: []string{"uuid"}, Values: []crdt.Value{crdt.Text(uuid(1))}}
	if _, err := tx.Insert(t.Context(), dbtest.Model().Tables["person"], []merge.Row{row}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	w.insert(2, 2)
	until(t, "told", w.told, w.states)
	if got := strings.Join(app.got(), "\n"); strings.Contains(got, uuid(1)) || !strings.Contains(got, uuid(2)) {
		t.Errorf("told of %s", got)
	}
}

func openmrs() config.Hook {
	return config.Hook{Name: "index", URL: "/ws/rest/v1/searchindexupdate", Bodies: []config.Body{
		{Tables: []string{"pers*"}, Row: `{"uuid":"{key}"}`, Table: `{"all":"person"}`},
		{Tables: []string{"visit"}, Table: `{}`},
	}}
}

func TestBodies(t *testing.T) {
	app := newApplication(t)
	w := open(t, told(t, "h", "index"), config.App{URL: app.URL + "/openmrs/"}, openmrs())
	w.insert(1, 2)
	until(t, "rows", func() bool { return len(app.got()) == 2 }, func() any { return app.got() })
	const at = "POST /openmrs/ws/rest/v1/searchindexupdate "
	if got := app.got(); got[0] != at+`{"uuid":"`+uuid(1)+`"}` || got[1] != at+`{"uuid":"`+uuid(2)+`"}` {
		t.Errorf("told %q", got)
	}
	w.insert(3, 150)
	until(t, "many rows", func() bool { return len(app.got()) == 3 }, func() any { return app.got() })
	w.remove(3)
	until(t, "a deleted row", func() bool { return len(app.got()) == 4 }, func() any { return app.got() })
	for _, g := range app.got()[2:] {
		if g != at+`{"all":"person"}` {
			t.Errorf("told %q", g)
		}
	}
}

// A row that the application refuses stops no other: the whole table is told.
func TestRefusedRow(t *testing.T) {
	app := newApplication(t)
	app.answer = func(body string) int {
		if strings.Contains(body, uuid(1)) {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	}
	w := open(t, told(t, "h", "index"), config.App{URL: app.URL}, openmrs())
	w.insert(1, 2)
	until(t, "told", w.told, w.states)
	got := app.got()
	if len(got) != 2 || !strings.Contains(got[0], uuid(2)) || !strings.Contains(got[1], "person") {
		t.Errorf("told %q", got)
	}
}

// A login page must not pass for success, nor must an application that is down
// lose what it is to know.
func TestFailureIsShownAndRetried(t *testing.T) {
	app := newApplication(t)
	var status atomic.Int64
	status.Store(http.StatusFound)
	app.answer = func(string) int { return int(status.Load()) }
	w := open(t, told(t, "h", "index"), config.App{}, config.Hook{Name: "h", URL: app.URL})
	w.insert(1, 1)
	until(t, "a failure", func() bool { return w.set.States()[0].Failures > 2 }, w.states)
	if s := w.set.States()[0]; !strings.Contains(s.Error, "302") || s.Rows != 1 || !s.Told.IsZero() {
		t.Errorf("%+v", s)
	}
	w.insert(2, 2)
	status.Store(http.StatusOK)
	until(t, "told", w.told, w.states)
	if s := w.set.States()[0]; s.Failures != 0 || s.Error != "" {
		t.Errorf("%+v", s)
	}
	if got := strings.Join(app.got(), "\n"); !strings.Contains(got, uuid(1)) || !strings.Contains(got, uuid(2)) {
		t.Errorf("told %q", got)
	}
}

// What a stop or a crash left untold is told as everything, once.
//
// Seen to fail when begin writes no mark: the application hears nothing.
func TestUntoldIsToldAfterRestart(t *testing.T) {
	down := newApplication(t)
	down.answer = func(string) int { return http.StatusServiceUnavailable }
	store := told(t, "index")
	w := open(t, store, config.App{URL: down.URL}, openmrs())
	w.insert(1, 1)
	until(t, "a failure", func() bool { return w.set.States()[0].Failures > 0 }, w.states)
	w.stop()

	// Another application, as a request may still be on its way to the first.
	app := newApplication(t)
	w = open(t, store, config.App{URL: app.URL}, openmrs())
	until(t, "told", w.told, w.states)
	if got := app.got(); len(got) != 2 || !strings.HasSuffix(got[0], `{"all":"person"}`) || !strings.HasSuffix(got[1], `{}`) {
		t.Errorf("told %q", got)
	}
	w.stop()

	w = open(t, store, config.App{URL: app.URL}, openmrs())
	if s := w.set.States()[0]; s.All {
		t.Errorf("the store remembers what was told: %+v", s)
	}
}

// A hook that is new, or was off, does not know what was written before.
func TestFirstTimeTellsEverything(t *testing.T) {
	app := newApplication(t)
	store := kv.NewMem()
	w := open(t, store, config.App{}, openmrs())
	if s := w.set.States(); len(s) != 1 || !s[0].Off {
		t.Errorf("without the application's address: %+v", s)
	}
	w.insert(1, 1)
	w.stop()
	w = open(t, store, config.App{URL: app.URL}, openmrs())
	until(t, "told", w.told, w.states)
	if got := app.got(); len(got) != 2 {
		t.Errorf("told %q", got)
	}
	w.stop()
	w = open(t, store, config.App{}, openmrs()) // off again
	w.stop()
	w = open(t, store, config.App{URL: app.URL}, openmrs())
	if s := w.set.States(); !s[0].All {
		t.Errorf("what was written while it was off is not told: %+v", s)
	}
}

// A hook that hangs holds up no transaction.
func TestHangDelaysNothing(t *testing.T) {
	w, hangs := hanging(t, time.Hour)
	w.insert(0, 0)
	<-hangs
	for n := 1; n <= 200; n++ {
		w.insert(n, n)
	}
	if s := w.set.States()[0]; s.Rows != 201 || s.Failures > 0 {
		t.Errorf("the hook does not hang: %+v", s)
	}
}

func TestHangIsGivenUp(t *testing.T) {
	w, _ := hanging(t, 50*time.Millisecond)
	w.insert(0, 0)
	until(t, "a failure", func() bool { return w.set.States()[0].Failures > 0 }, w.states)
}

// hanging opens a hook whose application never answers, and says when it is asked.
func hanging(t *testing.T, timeout time.Duration) (*world, <-chan struct{}) {
	hangs := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case hangs <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return open(t, told(t, "h", "index"), config.App{}, config.Hook{Name: "h", URL: server.URL, Timeout: config.Duration(timeout)}), hangs
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "hook.sh")
	text := "#!/bin/sh\n[ -e " + dir + "/ok ] || { echo 'the index is locked' >&2; exit 3; }\ncat >> " + dir + "/told\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	w := open(t, told(t, "h", "index"), config.App{}, config.Hook{Name: "h", Command: []string{script}})
	w.insert(1, 1)
	until(t, "a failure", func() bool { return w.set.States()[0].Failures > 0 }, w.states)
	if s := w.set.States()[0]; s.Error != "exit status 3: the index is locked" {
		t.Errorf("%+v", s)
	}
	if err := os.WriteFile(filepath.Join(dir, "ok"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "told", w.told, w.states)
	told, err := os.ReadFile(filepath.Join(dir, "told"))
	if want := `{"site":"clinic-1","everything":false,"tables":[{"table":"person","written":[["` + uuid(1) + `"]]}]}`; err != nil || string(told) != want {
		t.Errorf("%v: %s", err, told)
	}
}

func TestOtherTablesAreNotTold(t *testing.T) {
	app := newApplication(t)
	h := openmrs()
	h.Tables = []string{"visit"}
	w := open(t, told(t, "h", "index"), config.App{URL: app.URL}, h)
	w.insert(1, 1)
	time.Sleep(50 * time.Millisecond)
	if s := w.set.States()[0]; s.Rows > 0 || len(app.got()) > 0 {
		t.Errorf("%+v, %q", s, app.got())
	}
}

// Memory is bounded: of more rows than are remembered the table is told.
func TestBounded(t *testing.T) {
	app := newApplication(t)
	app.answer = func(string) int { return http.StatusServiceUnavailable }
	w := open(t, told(t, "h", "index"), config.App{}, config.Hook{Name: "h", URL: app.URL})
	for n := 0; n < 10_500; n += 500 {
		w.insert(n, n+499)
	}
	until(t, "all", func() bool { s := w.set.States()[0]; return s.All && s.Rows == 0 }, w.states)
}
