package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

func newTestWorld(t *testing.T, sites int) *World {
	t.Helper()
	w, err := New(Options{Seed: 1, Sites: sites, Rows: 4, Latency: Latency{Base: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// reach returns how many sites each site can send to, itself included.
func reach(w *World) []int {
	n := make([]int, len(w.Sites))
	for i := range n {
		n[i] = 1
	}
	for _, l := range w.Links {
		for d := range l.blocked {
			if l.blocked[d] == 0 {
				n[l.ends[d].n-1]++
			}
		}
	}
	return n
}

// TestCuts: each cut leaves what its name says, and healing leaves nothing cut.
func TestCuts(t *testing.T) {
	for sites := 2; sites <= 9; sites++ {
		w := newTestWorld(t, sites)
		rnd := rand.New(rand.NewPCG(uint64(sites), 1))
		least := func(n []int) int {
			m := n[0]
			for _, k := range n {
				m = min(m, k)
			}
			return m
		}
		for name, c := range map[string]struct {
			cut  func(*rand.Rand) func()
			good func(n []int) bool
		}{
			"one":    {w.CutOne, func(n []int) bool { return least(n) == 1 }},
			"halves": {w.CutHalves, func(n []int) bool { return least(n) == sites/2 }},
			"majority": {w.CutMajority, func(n []int) bool {
				return sites == 2 || 2*least(n) <= sites
			}},
			"ring": {w.CutRing, func(n []int) bool { return 2*least(n) > sites && (sites < 5 || least(n) < sites) }},
			"bridge": {w.CutBridge, func(n []int) bool {
				bridges := 0
				for _, k := range n {
					if k == sites {
						bridges++
					}
				}
				return bridges == 1 || sites < 3
			}},
		} {
			heal := c.cut(rnd)
			if n := reach(w); !c.good(n) {
				t.Errorf("%s of %d sites: they reach %v", name, sites, n)
			}
			heal()
			heal()
			if n := reach(w); least(n) != sites {
				t.Errorf("%s of %d sites, healed: they reach %v", name, sites, n)
			}
		}
	}
}

// TestConnection: a short cut delays what is said; a long one, also one-way,
// ends the connection, and another comes up when it is over.
func TestConnection(t *testing.T) {
	w := newTestWorld(t, 2)
	a, l := w.Sites[0], w.Links[0]
	run := func(d time.Duration) {
		t.Helper()
		if err := w.Run(w.now + d); err != nil {
			t.Fatal(err)
		}
	}
	run(10 * time.Second)
	first := l.conn
	if !l.up(0) || !l.up(1) {
		t.Fatal("not connected after 10 s")
	}
	heal := w.CutHalves(rand.New(rand.NewPCG(1, 1)))
	a.Write(1)
	run(5 * time.Second)
	if w.settled() {
		t.Fatal("a change came through a cut")
	}
	heal()
	run(time.Second)
	if !w.settled() || l.conn != first {
		t.Fatalf("a short cut: settled %v, the same connection %v", w.settled(), l.conn == first)
	}
	heal = w.Cut("one-way", func(from, _ int) bool { return from == 0 })
	run(3 * deadAfter)
	if l.up(0) || l.up(1) {
		t.Fatalf("after a long one-way cut the ends are up: %v %v", l.up(0), l.up(1))
	}
	heal()
	run(2 * redialMax)
	if !l.up(0) || !l.up(1) || l.conn == first {
		t.Fatal("no new connection after the cut")
	}
}

// TestCheckersBite: what is done behind the core's back is found.
func TestCheckersBite(t *testing.T) {
	w := newTestWorld(t, 2)
	s := w.Sites[0]
	person, setting := clinic.Tables["person"], clinic.Tables["setting"]
	for seed := uint64(1); s.db.Len("patient") == 0 || s.db.Len("setting") == 0; seed++ {
		s.Write(seed)
	}
	if err := w.Settle(time.Minute); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	write := func(do func(tx merge.Tx) error) {
		t.Helper()
		tx, err := s.db.Begin(ctx)
		if err == nil {
			err = do(tx)
		}
		if err == nil {
			err = tx.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	behind := func(what, want string, do, undo func(tx merge.Tx) error) {
		t.Helper()
		write(do)
		if err := s.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
		write(undo)
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
	}
	row := s.db.Rows("setting")[0]
	insert := func(table *schema.Table, r merge.Row) func(merge.Tx) error {
		return func(tx merge.Tx) error { _, err := tx.Insert(ctx, table, []merge.Row{r}); return err }
	}
	remove := func(table *schema.Table, key crdt.Key) func(merge.Tx) error {
		return func(tx merge.Tx) error { _, err := tx.Delete(ctx, table, []crdt.Key{key}); return err }
	}
	note := func(r merge.Row, v crdt.Value) func(merge.Tx) error {
		return func(tx merge.Tx) error {
			_, err := tx.Update(ctx, person, []merge.Row{{Key: r.Key, Columns: []string{"note"}, Values: []crdt.Value{v}}})
			return err
		}
	}
	behind("a row is deleted", "is missing", remove(setting, row.Key), insert(setting, row))
	one := s.db.Rows("person")[0]
	behind("a value is changed", "not", note(one, crdt.Text("x")), note(one, one.Values[slices.Index(one.Columns, "note")]))
	r := merge.Row{Key: keyOf(99)}
	set(&r, field{"uuid", crdt.Text(uuid(99))}, field{"name", crdt.Null}, field{"weight", crdt.Null}, field{"note", crdt.Null})
	behind("a row is invented", "nobody logged", insert(person, r), remove(person, r.Key))
	key := row.Key
	w.ledger.cells[cell{merge.RowID{Table: "setting", Key: key}, "value", crdt.Text("v9.9")}] = nil
	if err := s.checkLedger(); err == nil || !strings.Contains(err.Error(), "lost without a trace") {
		t.Errorf("a value that is nowhere: %v", err)
	}
}
