package bringup_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/memdb"
	"baraza/node/bringup"
	"baraza/node/replica"
	"baraza/schema"
)

// site is one replica on a model database.
type site struct {
	t     *testing.T
	id    clock.SiteID
	db    *memdb.DB
	store kv.Store
	r     *replica.Replica
	model *schema.Model
	// fault, when set, is asked at every step of the database.
	fault func(memdb.Step) error
	// chunkRows is how many rows of a chunk it sends at most; 0: as ever.
	chunkRows int
}

var now int64 = 1_700_000_000_000_000

// mode is that of the databases of sites that are opened.
var mode behindMode

func newSite(t *testing.T, n byte) *site {
	t.Helper()
	return newSiteOf(t, n, dbtest.Model())
}

func newSiteOf(t *testing.T, n byte, model *schema.Model) *site {
	t.Helper()
	s := &site{t: t, id: clock.SiteID{n}, store: kv.NewMem(), model: model}
	s.db = memdb.New(memdb.Config{
		Model: model, First: int64(n) * 1000,
		Now: func() int64 { now += 1000; return now },
		Fault: func(step memdb.Step) error {
			if s.fault != nil {
				return s.fault(step)
			}
			return nil
		},
	})
	return s
}

func (s *site) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// open starts the site's replica; what its database has by now is not
// captured.
func (s *site) open(joining bool) *site {
	s.t.Helper()
	reading, err := s.db.Read(s.t.Context())
	s.ok(err)
	for {
		part, err := reading.Next(s.t.Context(), 1000)
		s.ok(err)
		if part == nil {
			break
		}
		s.ok(s.db.Release(s.t.Context(), part.IDs))
	}
	if joining {
		s.ok(replica.BeginBringUp(s.store))
	}
	return s.restart()
}

func (s *site) restart() *site {
	s.t.Helper()
	s.ok(s.tryRestart())
	return s
}

// nonces are given to the starts of sites.
var nonces uint64

func (s *site) tryRestart() (err error) {
	s.db.Disconnect()
	nonces++
	s.r, err = replica.Open(context.Background(), replica.Config{
		Self: s.id, Store: s.store, Database: &behindDB{s.db, mode}, Source: s.db, Model: s.model,
		NowMillis: func() int64 { return now / 1000 }, Nonce: nonces,
	})
	return err
}

func (s *site) app(writes ...memdb.Write) {
	s.t.Helper()
	s.ok(s.db.App(writes...))
}

func (s *site) capture() {
	s.t.Helper()
	_, err := s.r.Capture(context.Background())
	s.ok(err)
}

// join brings a site up from a member and returns the bytes that it took.
func join(n, p *site) (int64, error) {
	return joinWith(n, p, func(bringup.Progress) {})
}

func joinWith(n, p *site, progress func(bringup.Progress)) (int64, error) {
	a, b := pipe(n.t)
	served := make(chan error, 1)
	go func() {
		served <- bringup.Serve(context.Background(), b, func() (*replica.View, error) {
			v, err := p.r.OpenView(context.Background(), p.db)
			if err == nil && p.chunkRows > 0 {
				v.ChunkRows = p.chunkRows
			}
			return v, err
		})
		_ = b.Close()
	}()
	var bytes int64
	err := bringup.Fetch(context.Background(), a, n.r, n.db, func(p bringup.Progress) { bytes = p.Bytes; progress(p) })
	_ = a.Close()
	e := <-served
	if err == nil {
		err = e
	}
	return bytes, err
}

// pipe returns both ends of a connection on loopback.
func pipe(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// exchange lets sites talk until nothing moves.
func exchange(sites ...*site) {
	for moved := true; moved; {
		moved = false
		for _, s := range sites {
			n, err := s.r.Capture(context.Background())
			s.ok(err)
			moved = moved || n > 0
			for _, from := range sites {
				moved = s.take(from) || moved
			}
			res, err := s.r.Apply(context.Background(), 0)
			s.ok(err)
			moved = moved || res.Batches > 0
		}
	}
	for _, s := range sites {
		s.ok(s.r.RetryAll(context.Background()))
	}
}

func (s *site) take(from *site) bool {
	s.t.Helper()
	moved := false
	for _, e := range from.r.Log().Vector() {
		have := s.r.Log().Vector().Seq(e.Site)
		if e.Site == s.id || have >= e.Seq {
			continue
		}
		first, entries, err := from.r.Log().Read(e.Site, have, 1<<20)
		s.ok(err)
		if len(entries) > 0 {
			s.ok(s.r.Log().Append(e.Site, first, entries))
			moved = true
		}
	}
	return moved
}

// --- rows ---

func uuid(n int) string         { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
func keyOf(n int) crdt.Key      { return crdt.MakeKey(crdt.Text(uuid(n))) }
func refTo(n int) crdt.Value    { return crdt.Ref(keyOf(n)) }
func patientKey(n int) crdt.Key { return crdt.MakeKey(refTo(n)) }

func row(key crdt.Key, pairs ...any) merge.Row {
	r := merge.Row{Key: key}
	for i := 0; i < len(pairs); i += 2 {
		r.Columns = append(r.Columns, pairs[i].(string))
		switch v := pairs[i+1].(type) {
		case crdt.Value:
			r.Values = append(r.Values, v)
		case string:
			r.Values = append(r.Values, crdt.Text(v))
		}
	}
	return r
}

func person(n int, name string, more ...any) merge.Row {
	return row(keyOf(n), append([]any{"uuid", uuid(n), "name", name}, more...)...)
}

func patient(n int, allergy string) merge.Row {
	return row(patientKey(n), "patient_id", refTo(n), "allergy", allergy)
}

func obs(n, patient int, text string) merge.Row {
	return row(keyOf(n), "uuid", uuid(n), "patient_id", crdt.Ref(patientKey(patient)), "value_text", text)
}

func insert(table string, r merge.Row) memdb.Write {
	return memdb.Write{Kind: memdb.Insert, Table: table, Row: r}
}

func update(table string, key crdt.Key, pairs ...any) memdb.Write {
	return memdb.Write{Kind: memdb.Update, Table: table, Row: row(key, pairs...)}
}

func remove(table string, key crdt.Key) memdb.Write {
	return memdb.Write{Kind: memdb.Delete, Table: table, Row: merge.Row{Key: key}}
}

// --- what sites show ---

func (s *site) tables() string {
	var lines []string
	for name := range dbtest.Model().Tables {
		for _, r := range s.db.Rows(name) {
			var line strings.Builder
			line.WriteString(name + " " + r.Key.String() + ":")
			for i, c := range r.Columns {
				line.WriteString(" " + c + "=" + r.Values[i].String())
			}
			lines = append(lines, line.String())
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (s *site) conflicts() string {
	var lines []string
	s.ok(s.r.Conflicts(func(c replica.Conflict) bool {
		lines = append(lines, fmt.Sprintf("%s %s %s=%s of %v lost to %s of %v delete=%v",
			c.ID.Table, c.ID.Key, c.Column, c.Value, c.Stamp, c.WinnerValue, c.Winner, c.WinnerDelete))
		return true
	}))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// agree checks that sites show the same tables and conflicts.
func agree(t *testing.T, sites ...*site) {
	t.Helper()
	for _, s := range sites[1:] {
		for _, show := range []func(*site) string{(*site).tables, (*site).conflicts, (*site).states} {
			if d := difference(show(sites[0]), show(s)); d != "" {
				t.Errorf("sites %d (-) and %d (+):\n%s", sites[0].id[0], s.id[0], d)
			}
		}
	}
}

func difference(a, b string) string {
	if a == b {
		return ""
	}
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	var d []string
	for _, line := range x {
		if !slices.Contains(y, line) {
			d = append(d, "- "+line)
		}
	}
	for _, line := range y {
		if !slices.Contains(x, line) {
			d = append(d, "+ "+line)
		}
	}
	return strings.Join(d, "\n")
}

// states lists what the site keeps of rows, with their stamps.
func (s *site) states() string {
	scan, err := s.db.Scan(context.Background())
	s.ok(err)
	v, err := s.r.View(scan)
	s.ok(err)
	defer v.Close()
	var lines []string
	s.ok(v.SendRest(nil, func(c *replica.Chunk, _ int64) error {
		if merge.IsSystem(c.Table) {
			return nil
		}
		for i := range c.Items {
			it := &c.Items[i]
			var line strings.Builder
			fmt.Fprintf(&line, "%s %s deleted=%v", c.Table, it.Key, it.Deleted)
			for _, column := range s.model.Tables[c.Table].Shipped() {
				fmt.Fprintf(&line, " %s=%v", column, it.Of(column))
			}
			lines = append(lines, line.String())
		}
		return nil
	}))
	return strings.Join(lines, "\n")
}

// show returns one column of one row, as a person reads it.
func (s *site) show(table string, key crdt.Key, column string) string {
	for _, r := range s.db.Rows(table) {
		if r.Key == key {
			return strings.Trim(r.Values[slices.Index(r.Columns, column)].String(), `"`)
		}
	}
	return "no row"
}
