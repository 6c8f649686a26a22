package bringup_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"baraza/capture/trigger"
	"baraza/clock"
	"baraza/internal/kv"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/merge/dbtest"
	"baraza/merge/sqldb"
	"baraza/node/bringup"
	"baraza/node/config"
	"baraza/node/replica"
	"baraza/schema"
)

func TestMain(m *testing.M) { mariadbtest.Main(m) }

// server is a site on a MariaDB server of its own.
type server struct {
	t       *testing.T
	id      clock.SiteID
	raw     *mariadbtest.DB
	plain   *sql.DB
	model   *schema.Model
	scanner merge.Scanner
	r       *replica.Replica
	// chunkRows is how many rows of a chunk it sends at most; 0: as ever.
	chunkRows int
}

// newServer starts a site with what fill puts into its database; what
// applications write afterwards is captured.
func newServer(t *testing.T, n byte, joining bool, o schema.Options, fill func(*mariadbtest.DB)) *server {
	t.Helper()
	s := &server{t: t, id: clock.SiteID{n}}
	s.raw = mariadbtest.NewOn(t, mariadbtest.NewServer(t), fmt.Sprintf("clinic%d", n))
	fill(s.raw)
	s.plain = s.pool(false)
	var err error
	s.model, err = schema.Load(t.Context(), s.plain, o)
	s.ok(err)
	s.ok(trigger.Install(t.Context(), s.plain, s.model))
	source, err := trigger.New(t.Context(), s.plain, s.model)
	s.ok(err)
	db := sqldb.New(s.pool(true), s.model)
	s.ok(db.Prepare(t.Context()))
	s.scanner = sqldb.NewScanner(s.plain, s.model)
	store := kv.NewMem()
	if joining {
		s.ok(replica.BeginBringUp(store))
	}
	s.r, err = replica.Open(t.Context(), replica.Config{
		Self: s.id, Store: store, Database: db, Source: source, Model: s.model,
		NowMillis: func() int64 { return time.Now().UnixMilli() },
	})
	s.ok(err)
	return s
}

func (s *server) pool(apply bool) *sql.DB {
	s.t.Helper()
	pool, err := sqlrow.Open(s.raw.DSN("root"), apply)
	s.ok(err)
	s.t.Cleanup(func() { pool.Close() })
	return pool
}

func (s *server) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// join brings the site up and returns the bytes and the time that it took.
func (s *server) join(p *server) (int64, time.Duration) {
	s.t.Helper()
	a, b := pipe(s.t)
	defer a.Close()
	served := make(chan error, 1)
	go func() {
		served <- bringup.Serve(context.Background(), b, func() (*replica.View, error) {
			v, err := p.r.OpenView(context.Background(), p.scanner)
			if err == nil && p.chunkRows > 0 {
				v.ChunkRows = p.chunkRows
			}
			return v, err
		})
		_ = b.Close()
	}()
	var bytes int64
	start := time.Now()
	s.ok(bringup.Fetch(s.t.Context(), a, s.r, s.scanner, func(p bringup.Progress) { bytes = p.Bytes }))
	took := time.Since(start)
	s.ok(<-served)
	return bytes, took
}

// exchangeServers lets sites talk until nothing moves.
func exchangeServers(sites ...*server) {
	defer func() {
		for _, s := range sites {
			s.ok(s.r.RetryAll(s.t.Context()))
		}
	}()
	for moved := true; moved; {
		moved = false
		for _, s := range sites {
			n, err := s.r.Capture(s.t.Context())
			s.ok(err)
			moved = moved || n > 0
			for _, from := range sites {
				for _, e := range from.r.Log().Vector() {
					have := s.r.Log().Vector().Seq(e.Site)
					if e.Site == s.id || have >= e.Seq {
						continue
					}
					first, entries, err := from.r.Log().Read(e.Site, have, 1<<20)
					s.ok(err)
					s.ok(s.r.Log().Append(e.Site, first, entries))
					moved = true
				}
			}
			res, err := s.r.Apply(s.t.Context(), 0)
			s.ok(err)
			moved = moved || res.Batches > 0
		}
	}
}

func (s *server) tables() string {
	s.t.Helper()
	scan, err := s.scanner.Scan(s.t.Context())
	s.ok(err)
	defer scan.Close()
	var lines []string
	for _, t := range s.model.Tables {
		if !t.Replicated {
			continue
		}
		s.ok(scan.Rows(s.t.Context(), t, func(rows []merge.Row) error {
			for _, r := range rows {
				var line strings.Builder
				line.WriteString(t.Name + " " + r.Key.String() + ":")
				for i, c := range r.Columns {
					line.WriteString(" " + c + "=" + r.Values[i].String())
				}
				lines = append(lines, line.String())
			}
			return nil
		}))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (s *server) conflicts() string {
	var lines []string
	s.ok(s.r.Conflicts(func(c replica.Conflict) bool {
		lines = append(lines, fmt.Sprintf("%s %s %s=%s of %v lost to %s of %v delete=%v",
			c.ID.Table, c.ID.Key, c.Column, c.Value, c.Stamp, c.WinnerValue, c.Winner, c.WinnerDelete))
		return true
	}))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func agreeServers(sites ...*server) {
	for _, s := range sites[1:] {
		s.t.Helper()
		if d := difference(sites[0].tables(), s.tables()); d != "" {
			s.t.Errorf("tables of sites %d (-) and %d (+):\n%.4000s", sites[0].id[0], s.id[0], d)
		}
		if d := difference(sites[0].conflicts(), s.conflicts()); d != "" {
			s.t.Errorf("conflicts of sites %d (-) and %d (+):\n%.4000s", sites[0].id[0], s.id[0], d)
		}
	}
}

func TestMariaDB(t *testing.T) {
	o := schema.Options{Exclude: []string{"concept"}, References: map[string]string{"obs.concept_id": "concept.concept_id"}}
	fill := func(first int, rows ...string) func(*mariadbtest.DB) {
		return func(d *mariadbtest.DB) {
			d.Must(t, dbtest.DDL...)
			// The same local numbers mean different rows at each site.
			for i := range 50 {
				n := first + i
				d.Must(t,
					fmt.Sprintf("INSERT INTO person (person_id, uuid, name) VALUES (%d, '%s', 'person %d')", 100+i, uuid(n), n),
					fmt.Sprintf("INSERT INTO patient VALUES (%d, 'a%d')", 100+i, n),
					fmt.Sprintf("INSERT INTO obs (uuid, patient_id, value_text) VALUES ('%s', %d, 'o%d')", uuid(n), 100+i, n))
			}
			d.Must(t, rows...)
		}
	}
	p := newServer(t, 2, false, o, fill(1000,
		fmt.Sprintf("INSERT INTO person (person_id, uuid, name) VALUES (1, '%s', 'of p'), (2, '%s', 'same'), (3, '%s', 'p')", uuid(1), uuid(2), uuid(3)),
		"INSERT INTO setting VALUES ('a', 'p'), ('b', 'same')"))
	n := newServer(t, 1, true, o, fill(2000,
		fmt.Sprintf("INSERT INTO person (person_id, uuid, name) VALUES (31, '%s', 'of n'), (32, '%s', 'same'), (33, '%s', 'n')", uuid(1), uuid(2), uuid(3)),
		"INSERT INTO setting VALUES ('a', 'n'), ('b', 'same')"))
	p.raw.Must(t, fmt.Sprintf("DELETE FROM person WHERE uuid='%s'", uuid(3)), "UPDATE person SET name='by p', note='p' WHERE person_id=2")
	n.raw.Must(t, "UPDATE person SET name='by n' WHERE person_id=32", "UPDATE obs SET value_text='local' WHERE patient_id=100")
	n.join(p)
	n.raw.Must(t, "UPDATE obs SET value_text='later' WHERE patient_id=101")
	exchangeServers(n, p)
	agreeServers(n, p)
	tables, conflicts := p.tables(), p.conflicts()
	for _, want := range []string{`name="by n"`, `note="p"`, `value_text="local"`, `value_text="later"`, `name="of p"`, `setting a: property="a" value="p"`} {
		if !strings.Contains(tables, want) {
			t.Errorf("no row has %s", want)
		}
	}
	if got := strings.Count("\n"+tables, "\nobs "); got != 100 {
		t.Errorf("%d rows of obs", got)
	}
	for _, want := range []string{`name="of n"`, `name="n"`, `value="n"`, `name="by p"`} {
		if !strings.Contains(conflicts, want) {
			t.Errorf("no conflict has %s:\n%s", want, conflicts)
		}
	}
	// An empty site, with several chunks under way.
	p.raw.Must(t, fmt.Sprintf("UPDATE obs SET obs_group_id=(SELECT obs_id FROM (SELECT * FROM obs) o WHERE o.uuid='%s') WHERE uuid='%s'", uuid(1003), uuid(1040)),
		fmt.Sprintf("DELETE FROM obs WHERE uuid='%s'", uuid(1004)))
	// A patient stays for the row that refers to it (R4), and applications of the site that
	// joins have inserted and deleted it: a row that is in its table has not been deleted,
	// as far as triggers tell.
	// Seen to fail when the member's row is put back before that is read: the patient is
	// there for good, at every site, as if the new site had written it.
	p.raw.Must(t, "INSERT INTO patient VALUES (1, 'kept')")
	exchangeServers(n, p)
	n.raw.Must(t, "DELETE FROM patient WHERE patient_id=31")
	p.raw.Must(t, fmt.Sprintf("INSERT INTO obs (uuid, patient_id, value_text) VALUES ('%s', 1, 'refers')", uuid(9)))
	exchangeServers(n, p)
	p.chunkRows = 7
	e := newServer(t, 3, true, o, func(d *mariadbtest.DB) { d.Must(t, dbtest.DDL...) })
	e.raw.Must(t, fmt.Sprintf("INSERT INTO person (person_id, uuid, name) VALUES (7, '%s', 'of e')", uuid(1)),
		"INSERT INTO patient VALUES (7, 'of e')", "DELETE FROM patient WHERE patient_id=7")
	e.join(p)
	exchangeServers(n, p, e)
	agreeServers(n, p, e)
	if tables := e.tables(); !strings.Contains(tables, `allergy="of e"`) || !strings.Contains(tables, `value_text="refers"`) {
		t.Error("the deleted patient that stays is not there as it last was, or not the row that refers to it")
	}
	p.raw.Must(t, fmt.Sprintf("DELETE FROM obs WHERE uuid='%s'", uuid(9)))
	exchangeServers(n, p, e)
	agreeServers(n, p, e)
	if strings.Contains(e.tables(), "patient "+uuid(1)) {
		t.Error("the deleted patient is there though nobody refers to it")
	}
}

// Two clinics on OpenMRS that share their metadata and have patients of their
// own with the same numbers, and an empty site.
func TestOpenMRS(t *testing.T) {
	if testing.Short() {
		t.Skip("loads OpenMRS databases")
	}
	mariadbtest.OpenMRS(t)
	load := func(files ...string) func(*mariadbtest.DB) {
		return func(d *mariadbtest.DB) { d.LoadOpenMRS(t, files...) }
	}
	clinic := func(n string) func(*mariadbtest.DB) {
		return load("schema.sql", "core-data.sql", "demo-metadata.sql.gz", "demo-clinic-"+n+".sql.gz")
	}
	profile, err := config.LoadProfile("openmrs")
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{}
	c.ApplyProfile(profile)
	o := c.Schema()
	p := newServer(t, 2, false, o, load("schema.sql"))
	n := newServer(t, 1, true, o, clinic("site1"))
	m := newServer(t, 4, true, o, clinic("site2"))
	e := newServer(t, 3, true, o, load("schema.sql"))
	report := func(what string, bytes int64, took time.Duration) { t.Logf("%s: %d bytes, %s", what, bytes, took) }
	bytes, took := n.join(p)
	report("a clinic, to an empty member", bytes, took)
	start := time.Now()
	exchangeServers(n, p)
	report("its rows, to that member", 0, time.Since(start))
	agreeServers(n, p)
	bytes, took = m.join(p)
	report("the other clinic", bytes, took)
	bytes, took = e.join(p)
	report("an empty site", bytes, took)
	exchangeServers(p, n, m, e)
	agreeServers(p, n, m, e)
	if c := p.conflicts(); c != "" {
		t.Errorf("conflicts:\n%.2000s", c)
	}
	var patients int
	if err := p.raw.QueryRow("SELECT COUNT(*) FROM patient").Scan(&patients); err != nil || patients != 100 {
		t.Errorf("%d patients: %v", patients, err)
	}
	for _, s := range []*server{p, n, m, e} {
		if c, err := s.r.Counts(); err != nil || c.Waiting+c.Held+c.Aside > 0 {
			rows, _ := s.r.AsideRows(5)
			t.Errorf("site %d: %+v, %v: %v", s.id[0], c, err, rows)
		}
	}
}
