package replica_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/replica"
	"baraza/node/store"
	"baraza/schema"
)

// heap notes how large the heap grows, looked at now and then.
type heap struct {
	looks int
	max   uint64
}

func (h *heap) look() {
	if h.looks++; h.looks%20 != 1 {
		return
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.max = max(h.max, m.HeapAlloc)
}

// flood is a source of one transaction of many rows, made as they are read, and
// a database that counts the rows put into it.
type flood struct {
	still
	heap
	left, seq, in int
	columns       []string
}

func (f *flood) Begin(context.Context) (merge.Tx, error)       { return f, nil }
func (f *flood) Read(context.Context) (capture.Reading, error) { return f, nil }

func (f *flood) Next(_ context.Context, limit int) (*capture.Part, error) {
	n := min(limit, f.left)
	if n == 0 {
		return nil, nil
	}
	f.look()
	p := &capture.Part{}
	for range n {
		f.seq++
		p.Note(uint64(f.seq), 1_700_000_000_000_000+int64(f.seq))
		values := []crdt.Value{crdt.Text(uuid(f.seq))}
		for i := 1; i < len(f.columns); i++ {
			values = append(values, crdt.Text(strings.Repeat(fmt.Sprint(f.seq%10), 40)))
		}
		p.Rows = append(p.Rows, capture.Row{Table: "visit", Key: crdt.MakeKey(values[0]), At: 1_700_000_000_000_000, Columns: f.columns, Values: values})
	}
	f.left -= n
	return p, nil
}

func (f *flood) Insert(_ context.Context, _ *schema.Table, rows []merge.Row) ([]merge.RowError, error) {
	f.look()
	f.in += len(rows)
	return nil, nil
}

// TestLargeTransaction: a transaction of 60 MB goes out and in with the memory
// of a small one.
func TestLargeTransaction(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 60 MB")
	}
	const rows, bytesMax = 100_000, 20 << 20
	columns := wide.Tables["visit"].Shipped()
	open := func(site byte, f *flood) *replica.Replica {
		s, err := store.Open(store.Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		r, err := replica.Open(t.Context(), replica.Config{
			Self: clock.SiteID{site}, Store: s, Database: f, Source: f, Model: wide,
			NowMillis: func() int64 { return 1_800_000_000_000 },
		})
		if err != nil {
			t.Fatal(err)
		}
		r.SetLimits(1000, 256<<10)
		return r
	}
	from, to := &flood{left: rows, columns: columns}, &flood{}
	a := open(1, from)
	from.look()
	base := from.max
	if n, err := a.Capture(t.Context()); n != rows || err != nil {
		t.Fatalf("captured %d rows of %d: %v", n, rows, err)
	}
	b := open(2, to)
	for seq, last := uint64(0), a.Log().Vector().Seq(clock.SiteID{1}); seq < last; {
		first, entries, err := a.Log().Read(clock.SiteID{1}, seq, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Log().Append(clock.SiteID{1}, first, entries); err != nil {
			t.Fatal(err)
		}
		seq += uint64(len(entries))
	}
	res, err := b.Apply(t.Context(), 0)
	if err != nil || res.Batches != 1 || res.Changes != rows || to.in != rows {
		t.Fatalf("applied %+v, %d rows inserted, want %d in one batch: %v", res, to.in, rows, err)
	}
	t.Logf("the heap grew by %d MB in capture and %d MB in apply", (from.max-base)>>20, (to.max-base)>>20)
	if grown := max(from.max, to.max) - base; grown > bytesMax && !underRace {
		t.Errorf("the heap grew by %d MB, want %d at most", grown>>20, bytesMax>>20)
	}
}
