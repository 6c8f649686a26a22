package trigger

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"baraza/capture"
	"baraza/schema"
)

// Rows that an application has not committed lie before, between and behind
// the rows to release, in a log so small that the server would rather read all
// of it. Nobody waits, neither for the first release nor for a second one that
// finds nothing. Seen to fail without sql_safe_updates, and without the LIMIT.
func TestReleaseAmongUncommitted(t *testing.T) {
	for _, n := range []int{5, runMin + 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newSite(t, schema.Options{}, item)
			var open []*sql.Tx
			for i := range 3 {
				tx, err := s.Begin()
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = tx.Rollback() }() // nothing after Commit
				if _, err := tx.Exec(fmt.Sprintf("INSERT INTO item (uuid) VALUES ('open%d')", i)); err != nil {
					t.Fatal(err)
				}
				open = append(open, tx)
				for j := range n {
					if i < 2 {
						s.Must(t, fmt.Sprintf("INSERT INTO item (uuid) VALUES ('%d-%d')", i, j))
					}
				}
			}
			s.Must(t, "ANALYZE TABLE baraza.log")
			_, ids, err := s.readParts(1000)
			if err != nil || len(ids) != 2 || ids.Len() != uint64(2*n) {
				t.Fatal(ids, err)
			}
			for _, what := range []string{"first", "again"} {
				began := time.Now()
				if err := s.src.Release(ctx, ids); err != nil {
					t.Fatal(what, err)
				}
				if d := time.Since(began); d > waited {
					t.Errorf("%s: took %v", what, d)
				}
			}
			for _, tx := range open {
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
			}
			s.expect("the open ones", `item open0 uuid="open0" a=NULL b=NULL`, `item open1 uuid="open1" a=NULL b=NULL`, `item open2 uuid="open2" a=NULL b=NULL`)
			s.clean()
		})
	}
}

// A release takes the log rows it was told, and no others; with them the
// deleted rows that belong to them.
func TestReleaseTakesTheseOnly(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, schema.Options{}, item)
	for i := range 100 {
		s.Must(t, fmt.Sprintf("INSERT INTO item (uuid) VALUES ('u%d')", i))
	}
	s.Must(t, "UPDATE item SET b = 1", "DELETE FROM item WHERE id % 3 = 0")
	_, all, err := s.readParts(1000)
	if err != nil {
		t.Fatal(err)
	}
	left := split(all, all.Len())[0]
	for left.Len() > 0 {
		var some, rest capture.IDs
		for _, r := range left {
			for id := r.First; id <= r.Last; id++ {
				if rng.IntN(100) < 15 || (id > 100 && id <= 180 && left.Len() == all.Len()) {
					some.Add(id)
				} else {
					rest.Add(id)
				}
			}
		}
		tx, err := s.own.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			t.Fatal(err)
		}
		var server Releaser
		if rng.IntN(2) == 0 {
			server.server.Store(serverMySQL)
		}
		if err := server.In(ctx, tx, some); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if left = rest; len(rest) == 0 {
			break
		}
		_, there, err := s.readParts(1000)
		if err != nil || !slices.Equal(there, rest) {
			t.Fatalf("left %v, want %v, %v (seed %d)", there, rest, err, seed)
		}
		orphans := s.count("SELECT COUNT(*) FROM baraza.gone_1 WHERE baraza_id NOT IN (SELECT id FROM baraza.log)")
		if noted, gone := s.count("SELECT COUNT(*) FROM baraza.log WHERE op = 3"), s.count("SELECT COUNT(*) FROM baraza.gone_1"); noted != gone || orphans != 0 {
			t.Fatalf("%d deletes in the log, %d deleted rows, %d of them alone (seed %d)", noted, gone, orphans, seed)
		}
	}
	s.clean()
}

func TestSplit(t *testing.T) {
	ids := capture.IDs{{First: 1, Last: 3}, {First: 5, Last: 5}, {First: 7, Last: 10}}
	want := []capture.IDs{{{First: 1, Last: 3}}, {{First: 5, Last: 5}, {First: 7, Last: 8}}, {{First: 9, Last: 10}}}
	got := split(ids, 3)
	if !slices.EqualFunc(got, want, func(a, b capture.IDs) bool { return slices.Equal(a, b) }) {
		t.Errorf("%v, want %v", got, want)
	}
	if ids[0].Last != 3 || split(nil, 3) != nil {
		t.Error("the set itself was changed, or nothing was split into something")
	}
}
