package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/node/replica"
	"baraza/node/store"
	"baraza/schema"
)

// benchRows is how many rows one round of a benchmark moves.
const benchRows = 20_000

// wide is a table with ten columns beside its number.
var wide = func() *schema.Model {
	t := &schema.Table{
		Name: "visit", Replicated: true, Engine: "InnoDB", PrimaryKey: []string{"visit_id"}, AutoIncrement: "visit_id",
		Identity: schema.Identity{Columns: []string{"uuid"}, Local: true},
		Columns:  []schema.Column{{Name: "visit_id", Base: "int"}, {Name: "uuid", Base: "char", Charset: "utf8mb4"}},
	}
	for i := range 9 {
		t.Columns = append(t.Columns, schema.Column{Name: fmt.Sprintf("column_%d", i), Base: "varchar", Charset: "utf8mb4", Nullable: true})
	}
	return &schema.Model{Database: "clinic", Tables: map[string]*schema.Table{"visit": t}}
}()

// visits are inserts, one transaction each.
func visits(n int) []capture.Row {
	rnd := rand.New(rand.NewPCG(1, 1))
	columns := wide.Tables["visit"].Shipped()
	rows := make([]capture.Row, n)
	for i := range rows {
		u := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", rnd.Uint32(), rnd.IntN(1<<16), rnd.IntN(1<<12), rnd.IntN(1<<12), rnd.Int64N(1<<48))
		values := []crdt.Value{crdt.Text(u)}
		for range len(columns) - 1 {
			values = append(values, crdt.Text(fmt.Sprintf("value %d", rnd.IntN(1000))))
		}
		rows[i] = capture.Row{Table: "visit", Key: crdt.MakeKey(values[0]), At: 1_700_000_000_000_000 + int64(i)*1000, Columns: columns, Values: values}
	}
	return rows
}

// still is a database that takes everything and has nothing: what is measured
// is the core alone.
type still struct {
	merge.Tx
	mark merge.Mark
	rows []capture.Row
	next int
}

func (d *still) Begin(context.Context) (merge.Tx, error)  { return d, nil }
func (d *still) Mark(context.Context) (merge.Mark, error) { return d.mark, nil }
func (d *still) SetMark(_ context.Context, _, n merge.Mark) error {
	d.mark = n
	return nil
}
func (d *still) Commit() error                                 { return nil }
func (d *still) Rollback() error                               { return nil }
func (d *still) Release(context.Context, capture.IDs) error    { return nil }
func (d *still) Read(context.Context) (capture.Reading, error) { return d, nil }
func (d *still) Kind() string                                  { return "still" }
func (d *still) Close() error                                  { return nil }
func (d *still) Lock(context.Context, *schema.Table, []crdt.Key) ([]merge.Row, error) {
	return nil, nil
}

func (d *still) Insert(context.Context, *schema.Table, []merge.Row) ([]merge.RowError, error) {
	return nil, nil
}

// Next gives each row a view of its own id.
func (d *still) Next(_ context.Context, limit int) (*capture.Part, error) {
	n := min(limit, len(d.rows)-d.next)
	if n == 0 {
		return nil, nil
	}
	p := &capture.Part{Rows: d.rows[d.next : d.next+n]}
	for i := range p.Rows {
		p.Note(uint64(d.next+1+i), p.Rows[i].At)
	}
	d.next += n
	return p, nil
}

func openStore(b *testing.B, pebble bool) kv.Store {
	b.Helper()
	if !pebble {
		return kv.NewMem()
	}
	s, err := store.Open(store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func openStill(b *testing.B, site byte, kvs kv.Store, d *still) *replica.Replica {
	b.Helper()
	r, err := replica.Open(b.Context(), replica.Config{
		Self: clock.SiteID{site}, Store: kvs, Database: d, Source: d, Model: wide,
		NowMillis: func() int64 { return 1_800_000_000_000 },
	})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows*b.N)/1000, "µs/row")
}

var stores = []struct {
	name   string
	pebble bool
}{{"mem", false}, {"pebble", true}}

// BenchmarkCapture: the core's share of capturing single-row inserts of ten
// columns, taken together as they are after a while.
func BenchmarkCapture(b *testing.B) {
	rows := visits(benchRows)
	for _, s := range stores {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				r := openStill(b, 1, openStore(b, s.pebble), &still{rows: rows})
				b.StartTimer()
				if n, err := r.Capture(b.Context()); n != benchRows || err != nil {
					b.Fatal(n, err)
				}
			}
			perRow(b, benchRows)
		})
	}
}

// BenchmarkApply: the core's share of applying the same rows, one batch each
// (single) or one large batch.
func BenchmarkApply(b *testing.B) {
	rows := visits(benchRows)
	for _, c := range []struct {
		name string
		per  int // rows of a batch
	}{{"single", 1}, {"large", benchRows}} {
		log := benchLog(b, rows, c.per)
		for _, s := range stores {
			b.Run(c.name+"/"+s.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					r := openStill(b, 2, openStore(b, s.pebble), &still{})
					if err := r.Log().Append(clock.SiteID{1}, 1, log); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					applied := 0
					for applied < benchRows {
						res, err := r.Apply(b.Context(), 0)
						if err != nil || res.Batches == 0 {
							b.Fatal(res, err)
						}
						applied += res.Changes
					}
				}
				perRow(b, benchRows)
			})
		}
	}
}

// benchLog captures the rows, some at a time, and returns the log's entries.
func benchLog(b *testing.B, rows []capture.Row, per int) [][]byte {
	b.Helper()
	d := &still{}
	r := openStill(b, 1, kv.NewMem(), d)
	for at := 0; at < len(rows); at += per {
		d.rows, d.next = rows[at:min(at+per, len(rows))], 0
		if _, err := r.Capture(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	_, log, err := r.Log().Read(clock.SiteID{1}, 0, 1<<40)
	if err != nil {
		b.Fatal(err)
	}
	return log
}
