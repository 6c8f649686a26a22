package trigger

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"baraza/capture"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/schema"
)

// Every transaction is whole in one view, however the writers interleave: they
// write pairs, and a view that has one of a pair has the other. And nothing is
// lost: in the end the last value of every row was seen.
func TestWholeTransactions(t *testing.T) {
	s := newSite(t, schema.Options{}, "CREATE TABLE pair (k VARCHAR(20) PRIMARY KEY, v INT)")
	const writers, keys = 4, 5
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	last := make([]map[int]int, writers)
	var wg sync.WaitGroup
	for w := range writers {
		last[w] = make(map[int]int)
		wg.Go(func() { writePairs(ctx, t, s, w, keys, last[w]) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen := make(map[string]int) // key -> last value
	views, changes := 0, 0
	for ended := false; !ended; views++ {
		select {
		case <-done:
			time.Sleep(fullLook)
			ended = true
		default:
		}
		rows := s.read()
		changes += len(rows)
		checkView(t, rows, seen)
	}
	for w := range writers {
		for k, v := range last[w] {
			for _, side := range []string{"a", "b"} {
				if key := fmt.Sprintf("w%d-%d%s", w, k, side); seen[key] != v {
					t.Errorf("%s: the last value is %d, seen %d", key, v, seen[key])
				}
			}
		}
	}
	t.Logf("%d views, %d changes", views, changes)
	s.clean()
}

// writePairs writes the rows a and b of a key in one transaction, with the same
// value, until ctx ends; 0 stands for deleted.
func writePairs(ctx context.Context, t *testing.T, s *site, w, keys int, last map[int]int) {
	rng := rand.New(rand.NewPCG(uint64(w), 1))
	for v := 1; ctx.Err() == nil; v++ {
		k, value := rng.IntN(keys), v
		a, b := fmt.Sprintf("w%d-%da", w, k), fmt.Sprintf("w%d-%db", w, k)
		stmts := []string{"REPLACE INTO pair VALUES (?, ?)", "INSERT INTO pair VALUES (?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)"}
		if rng.IntN(4) == 0 {
			value = 0
			stmts = []string{"DELETE FROM pair WHERE k = ? AND v <> ?", "DELETE FROM pair WHERE k = ? AND v <> ?"}
		}
		tx, err := s.Begin()
		if err != nil {
			t.Error(err)
			return
		}
		_, err1 := tx.Exec(stmts[0], a, value)
		_, err2 := tx.Exec(stmts[1], b, value)
		if err1 != nil || err2 != nil || rng.IntN(10) == 0 {
			_ = tx.Rollback()
			continue
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
			return
		}
		last[k] = value
	}
}

func checkView(t *testing.T, rows []capture.Row, seen map[string]int) {
	t.Helper()
	view := make(map[string]int)
	for _, r := range rows { // ascending in time
		key := r.Key.String()
		if r.Delete {
			view[key] = 0
			continue
		}
		for i, c := range r.Columns {
			if c == "v" {
				n, _ := r.Values[i].AsInt()
				view[key] = int(n)
			}
		}
	}
	maps.Copy(seen, view)
	for key := range view {
		pair := key[:len(key)-1]
		if a, b := seen[pair+"a"], seen[pair+"b"]; a != b {
			t.Fatalf("a view has %sa=%d and %sb=%d", pair, a, pair, b)
		}
	}
}

// A transaction larger than what is kept in memory.
func TestLargeTransaction(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	const memoryMax = 64 << 20
	s := newSite(t, schema.Options{}, "CREATE TABLE big (id INT PRIMARY KEY, a VARCHAR(50), b INT)")
	s.Must(t, "INSERT INTO big SELECT seq, CONCAT('row ', seq), seq FROM "+mariadbtest.Sequence(1, n))
	r, err := s.src.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	rows, sum, peak := 0, int64(0), uint64(0)
	var ids capture.IDs
	for {
		part, err := r.Next(ctx, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if part == nil {
			break
		}
		rows += len(part.Rows)
		for _, row := range part.Rows {
			b, _ := row.Values[2].AsInt()
			sum += b
		}
		if len(ids) == 0 || ids[len(ids)-1].Last+1 != part.IDs[0].First {
			ids = append(ids, part.IDs...)
		} else {
			ids[len(ids)-1].Last = part.IDs[len(part.IDs)-1].Last
		}
		if rows%100_000 == 0 { // without a collection first: garbage counts
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	took := time.Since(began)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if rows != n || sum != int64(n)*int64(n+1)/2 {
		t.Errorf("%d rows, sum %d", rows, sum)
	}
	if peak > memoryMax {
		t.Errorf("%d MB of memory", peak>>20)
	}
	began = time.Now()
	if err := s.src.Release(ctx, ids); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f rows/s read, %.0f rows/s released, %d MB", float64(n)/took.Seconds(), float64(n)/time.Since(began).Seconds(), peak>>20)
	polls := time.Now()
	s.src.lookedAt = time.Time{}
	s.expect("after the release")
	t.Logf("the first full look over them took %v", time.Since(polls))
	s.clean()
}

// The server goes away in the middle of a reading: an error, and the next
// reading has everything.
func TestServerDies(t *testing.T) {
	server := mariadbtest.NewServer(t)
	s := &site{DB: mariadbtest.NewOn(t, server, "app"), t: t}
	s.Must(t, item)
	s.own = s.open("root", false)
	s.install()
	s.Must(t, "INSERT INTO item (uuid, b) SELECT seq, seq FROM "+mariadbtest.Sequence(1, 100))
	r, err := s.src.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(ctx, 10); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if _, err := r.Next(ctx, 10); err == nil {
		t.Error("a dead server answered")
	}
	if err := r.Close(); err != nil {
		t.Log(err)
	}
	if _, err := s.src.Read(ctx); err == nil {
		t.Error("a dead server gave a reading")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if rows := s.read(); len(rows) != 100 {
		t.Errorf("%d rows", len(rows))
	}
	s.clean()
}

// An idle source asks for next to nothing.
func BenchmarkIdle(b *testing.B) {
	s := newSite(b, schema.Options{}, item)
	for b.Loop() {
		r, err := s.src.Read(ctx)
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// Reading rows of ten columns with a reference.
func BenchmarkRead(b *testing.B) {
	const n = 100_000
	s := newSite(b, schema.Options{}, "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE)",
		"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, p INT, a INT, b BIGINT, c DOUBLE, d DATETIME, e VARCHAR(50), f VARCHAR(50), g TINYINT, h DECIMAL(10,2), FOREIGN KEY (p) REFERENCES p (id))",
		"INSERT INTO p SELECT seq, UUID() FROM "+mariadbtest.Sequence(1, 1000))
	s.Must(b, "INSERT INTO t SELECT seq, UUID(), 1 + seq % 1000, seq, seq * 1000, seq / 7, NOW(), CONCAT('name ', seq), 'some text', 1, seq / 100 FROM "+mariadbtest.Sequence(1, n))
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		if rows, _, err := s.readParts(5000); err != nil || len(rows) < n {
			b.Fatal(len(rows), err)
		}
		b.ReportMetric(n/time.Since(began).Seconds(), "rows/s")
	}
}

// What the triggers cost the application: the same inserts without and with.
func BenchmarkInsert(b *testing.B) {
	for _, with := range []bool{false, true} {
		for _, perTx := range []int{1, 100} {
			b.Run(fmt.Sprintf("triggers=%v/rows=%d", with, perTx), func(b *testing.B) {
				s := newSite(b, schema.Options{}, item)
				if !with {
					if err := Uninstall(ctx, s.own); err != nil {
						b.Fatal(err)
					}
				}
				n := 0
				for b.Loop() {
					var v []string
					for range perTx {
						n++
						v = append(v, fmt.Sprintf("('%032d', 'some text', %d)", n, n))
					}
					s.Must(b, "INSERT INTO item (uuid, a, b) VALUES "+strings.Join(v, ","))
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
