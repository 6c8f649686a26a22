package e2e

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"time"

	"baraza/internal/mariadb/mariadbtest"
)

var (
	killSeed  = flag.Int64("killseed", 0, "seed of the kill test; 0 takes one from the clock")
	killCount = flag.Int("kills", 20, "how many times the kill test kills")
)

// bulkRows is a transaction that is captured, shipped and applied in pieces,
// in rows.
const bulkRows = 20_000

// TestKill kills processes and database servers with kill -9 in the middle of
// load, one or two at once, again and again, and now and then while a large
// transaction is under way. It checks every acknowledged write at every site,
// and all the time that no site shows a part of a transaction.
//
// Seen to fail, all with -killseed 1, when the staged writes of an apply step
// are moved before the database commits (rows of visit differ between the
// sites); when captured rows are released before the batch is in the store
// (the same); and when the local changes pending after the locks are not taken
// before a merge ("the name east-11 is not visible, no conflict names it, and
// nobody who had read it wrote over it", and the conflicts differ).
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute or two")
	}
	seed := *killSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("replay with: go test ./internal/e2e -run TestKill -killseed %d -kills %d", seed, *killCount)
	r := rand.New(rand.NewSource(seed))
	sites := threeSites(t)
	var people []string
	for i := range 20 {
		people = append(people, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		sites[0].exec("INSERT INTO person (uuid, name) VALUES (?, ?)", people[i], fmt.Sprint("person ", i))
		sites[0].exec("INSERT INTO patient SELECT person_id, 'F' FROM person WHERE uuid = ?", people[i])
	}
	quiet(t, 30*time.Second, sites...)

	l := newLedger()
	stop := make(chan struct{})
	var load sync.WaitGroup
	for i, s := range sites {
		db := s.application()
		w := &writer{
			l: l, site: s.name, column: []string{"phone", "notes", "file"}[i], people: people,
			db: db, r: rand.New(rand.NewSource(seed + int64(i))),
		}
		load.Go(func() { w.run(stop) })
		load.Go(func() { watchWhole(t, s.name, db, stop) })
	}
	for i := range *killCount {
		time.Sleep(time.Duration(100+r.Intn(1000)) * time.Millisecond)
		if i%6 == 2 {
			s, base := sites[r.Intn(len(sites))], fmt.Sprintf("b%07d-0000-4000-8000-", i)
			load.Go(func() { bulk(t, s, base) })
			time.Sleep(time.Duration(r.Intn(1500)) * time.Millisecond)
		}
		killSome(t, r, sites)
	}
	close(stop)
	load.Wait()
	for _, s := range sites {
		s.running()
	}
	quiet(t, 90*time.Second, sites...)
	t.Logf("%d kills, %d writes acknowledged", *killCount, l.acked)
	for _, view := range testViews {
		same(t, 10*time.Second, view, sites...)
	}
	want := fmt.Sprintf("%+v", sites[0].conflicts("--limit", "1000000"))
	for _, s := range sites {
		l.check(t, s)
		if got := fmt.Sprintf("%+v", s.conflicts("--limit", "1000000")); got != want {
			t.Errorf("the conflicts at %s and %s differ:\n%s\n%s", sites[0].name, s.name, head(want), head(got))
		}
		st, err := s.status()
		if err != nil || st.Waiting+st.Held+st.SetAside != 0 {
			t.Errorf("site %s: %v, waiting %d, held %d, set aside %d", s.name, err, st.Waiting, st.Held, st.SetAside)
		}
	}
}

// killSome kills one or two of the six, and starts them again after a while.
func killSome(t *testing.T, r *rand.Rand, sites []*site) {
	t.Helper()
	victims := r.Perm(2 * len(sites))[:1+r.Intn(2)]
	for _, v := range victims {
		if s := sites[v/2]; v%2 == 0 {
			s.kill()
		} else {
			s.server.Kill()
		}
	}
	time.Sleep(time.Duration(r.Intn(800)) * time.Millisecond)
	for _, v := range victims {
		s := sites[v/2]
		if v%2 == 0 {
			s.run()
		} else if err := s.server.Restart(); err != nil {
			t.Fatalf("restart the server of %s: %v", s.name, err)
		}
	}
}

// application opens a pool that gives up soon when the server is gone.
func (s *site) application() *sql.DB {
	s.t.Helper()
	db, err := sql.Open("mysql", s.server.DSN("root", database)+"?timeout=2s&readTimeout=10s&writeTimeout=10s")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// bulk writes many rows in one transaction. Whether that succeeds is up to the
// kills.
func bulk(t *testing.T, s *site, base string) {
	_, err := s.application().Exec(`INSERT INTO badge (uuid) SELECT CONCAT(?, LPAD(seq, 12, '0')) FROM `+mariadbtest.Sequence(1, bulkRows), base)
	t.Logf("%d rows in one transaction at %s: %v", bulkRows, s.name, err)
}

// watchWhole looks all the time for a part of a transaction.
func watchWhole(t *testing.T, site string, db *sql.DB, stop <-chan struct{}) {
	looks := 0
	for {
		select {
		case <-stop:
			if looks < 20 {
				t.Errorf("site %s: looked only %d times", site, looks)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
		var part sql.NullString
		err := db.QueryRow(fmt.Sprintf(`SELECT GROUP_CONCAT(what) FROM (
			SELECT LEFT(uuid, 34) what FROM visit GROUP BY 1 HAVING COUNT(*) <> 2
			UNION ALL SELECT CONCAT(base, ': ', n) FROM (
				SELECT LEFT(uuid, 24) base, COUNT(*) n FROM badge GROUP BY 1 HAVING n <> %d) bulk) parts`, bulkRows)).Scan(&part)
		if err != nil {
			continue // the server is down
		}
		looks++
		if part.Valid {
			t.Errorf("site %s shows a part of a transaction: %s", site, part.String)
			return
		}
	}
}

// threeSites starts a network of three sites with the test schema.
func threeSites(t *testing.T) []*site {
	t.Helper()
	var sites []*site
	for _, name := range []string{"north", "south", "east"} {
		s := newSite(t, name)
		s.exec(testSchema)
		sites = append(sites, s)
	}
	sites[0].init()
	sites[0].run()
	sites[0].running()
	for i, s := range sites[1:] {
		s.join(sites[i])
		s.run()
		s.running()
	}
	quiet(t, 30*time.Second, sites...)
	return sites
}
