package replica

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

func TestKeyPacking(t *testing.T) {
	uuid := crdt.MakeKey(crdt.Text("6f1c2b3a-0d4e-4f5a-8b6c-7d8e9fa0b1c2"))
	for _, c := range []struct {
		key   crdt.Key
		bytes int // with the length
	}{
		{uuid, 18},
		{crdt.MakeKey(crdt.Text("6F1C2B3A-0d4e-4f5a-8b6c-7d8e9fa0b1c2")), 38}, // upper case is another key
		{crdt.MakeKey(crdt.Text("6f1c2b3a-0d4e-4f5a-8b6c-7d8e9fa0b1cg")), 38},
		{crdt.MakeKey(crdt.Text("6f1c2b3a+0d4e-4f5a-8b6c-7d8e9fa0b1c2")), 38},
		{crdt.MakeKey(crdt.Bytes("6f1c2b3a-0d4e-4f5a-8b6c-7d8e9fa0b1c2")), 38},
		{crdt.MakeKey(crdt.Int(7)), 3},
		{crdt.MakeKey(crdt.Ref(uuid)), 39},
		{crdt.MakeKey(crdt.Ref(uuid), crdt.Text("a")), 0},
		{crdt.Key("\xff0123456789abcdef"), 18}, // 17 bytes that begin as a packed one does
	} {
		b := rowKey(keyState, merge.RowID{Table: "person", Key: c.key})
		ids := rowIDs(b)
		if len(ids) != 1 || ids[0].Table != "person" {
			t.Errorf("key %s comes back as %v", c.key, ids)
			continue
		}
		if ids[0].Key != c.key && c.key[0] != packedUUID { // MakeKey never makes one
			t.Errorf("key %s comes back as %s", c.key, ids[0].Key)
		}
		if n := len(b) - 8; c.bytes > 0 && n != c.bytes {
			t.Errorf("key %s takes %d bytes, want %d", c.key, n, c.bytes)
		}
	}
}

// No key is a prefix of another row's, so that scans see one row only.
func TestKeysAreNoPrefixes(t *testing.T) {
	var keys [][]byte
	for _, table := range []string{"a", "ab", "abc", ""} {
		for _, k := range []crdt.Key{crdt.MakeKey(crdt.Text("")), crdt.MakeKey(crdt.Text("x")), crdt.MakeKey(crdt.Text("xy")), crdt.MakeKey(crdt.Int(-1))} {
			keys = append(keys, rowKey(keyLoss, merge.RowID{Table: table, Key: k}))
		}
	}
	for i, a := range keys {
		for j, b := range keys {
			if i != j && len(a) <= len(b) && string(b[:len(a)]) == string(a) {
				t.Errorf("%q is a prefix of %q", a, b)
			}
		}
	}
}

func randomStamp(r *rand.Rand) clock.Stamp {
	if r.IntN(4) == 0 {
		return clock.Stamp{}
	}
	return clock.Stamp{Time: clock.Timestamp(r.Uint64()), Site: clock.SiteID{byte(r.IntN(3))}}
}

func randomState(r *rand.Rand) *merge.State {
	s := &merge.State{KnownRow: r.IntN(2) == 0, HasLoss: r.IntN(2) == 0, Place: merge.Place(r.IntN(4))}
	s.Row = randomStamp(r)
	if r.IntN(2) == 0 {
		s.Deleted = randomStamp(r)
	}
	for i := range r.IntN(4) {
		c := fmt.Sprintf("column_%d", i)
		s.Cells = append(s.Cells, crdt.CellStamp{Column: c, Stamp: randomStamp(r)})
		if r.IntN(2) == 0 {
			s.KnownCells = append(s.KnownCells, c)
		}
		if r.IntN(2) == 0 {
			s.Columns, s.Values = append(s.Columns, c), append(s.Values, crdt.Text(fmt.Sprint(r.Uint64())))
		}
	}
	if s.Place != merge.InDatabase {
		s.Reason = "so"
		for i := range r.IntN(3) {
			s.Missing = append(s.Missing, merge.RowID{Table: "t", Key: crdt.MakeKey(crdt.Int(int64(i)))})
		}
	}
	return s
}

func TestStateCodec(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	n := &names{number: map[string]uint64{}}
	for range 5000 {
		s := randomState(r)
		b := n.encodeState(s)
		got, err := n.decodeState(b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%+v\ncomes back as\n%+v, %v", s, got, err)
		}
		// Damage is noticed or harmless, and never a panic.
		cut := b[:r.IntN(len(b))]
		if got, err := n.decodeState(cut); err == nil {
			t.Fatalf("%x cut to %x reads as %+v", b, cut, got)
		}
		bad := slices.Clone(b)
		bad[r.IntN(len(bad))] ^= byte(1 + r.IntN(255))
		_, _ = n.decodeState(bad)
		l := crdt.Loss{Column: "c", Value: "tv", Stamp: randomStamp(r), Winner: randomStamp(r), WinnerDelete: r.IntN(2) == 0, WinnerValue: "tw", Visible: r.IntN(2) == 0}
		if got, err := n.decodeLoss(n.encodeLoss(&l)); err != nil || got != l {
			t.Fatalf("%+v comes back as %+v, %v", l, got, err)
		}
	}
}

// A row that all its columns got in one write costs ten bytes.
func TestStateIsSparse(t *testing.T) {
	n := &names{number: map[string]uint64{}}
	s := &merge.State{}
	s.Row = clock.Stamp{Time: clock.At(1_700_000_000_000, 0), Site: clock.SiteID{1}}
	if b := n.encodeState(s); len(b) != 10 {
		t.Errorf("the state takes %d bytes, want 10", len(b))
	}
}

func TestNamesSurvive(t *testing.T) {
	store := kv.NewMem()
	n, err := loadNames(store)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		var b kv.Batch
		n.intern("same")
		n.intern(fmt.Sprint("round ", round))
		n.flush(&b)
		if err := store.Write(&b, true); err != nil {
			t.Fatal(err)
		}
	}
	again, err := loadNames(store)
	if err != nil || !slices.Equal(again.name, n.name) || again.stored != 4 {
		t.Fatalf("names %q come back as %q, %v", n.name, again.name, err)
	}
	var b kv.Batch
	b.Delete(append([]byte{keyName}, 0, 0, 0, 0, 0, 0, 0, 1))
	if err := store.Write(&b, true); err != nil {
		t.Fatal(err)
	}
	if _, err := loadNames(store); err == nil {
		t.Error("a gap in the names is not noticed")
	}
}

func TestVectorAndHistoryCodecs(t *testing.T) {
	v := clock.VersionVector{{Site: clock.SiteID{1}, Seq: 3, Through: 9}, {Site: clock.SiteID{2}, Seq: 1 << 60, Through: 1 << 63}}
	if got := decodeVector(encodeVector(v)); !slices.Equal(got, v) {
		t.Errorf("%v comes back as %v", v, got)
	}
	var l local
	l.take(&capture.Part{Times: []capture.Time{{IDRange: capture.IDRange{First: 7, Last: 900}, At: 1 << 50}, {IDRange: capture.IDRange{First: 901, Last: 901}, At: 1<<50 + 5}}})
	l.take(&capture.Part{Times: []capture.Time{{IDRange: capture.IDRange{First: 3, Last: 3}, At: -9}, {IDRange: capture.IDRange{First: 1 << 62, Last: 1<<62 + 1}, At: 1 << 50}}})
	if want := (capture.IDs{{First: 7, Last: 901}, {First: 3, Last: 3}, {First: 1 << 62, Last: 1<<62 + 1}}); !slices.Equal(l.taken.ids, want) {
		t.Errorf("the ids are %v, want %v", l.taken.ids, want)
	}
	if got, ok := decodeHistory(l.taken.encode()); !ok || !slices.Equal(got.ids, l.taken.ids) || !slices.Equal(got.times, l.taken.times) {
		t.Errorf("%v comes back as %v, %v", l.taken, got, ok)
	}
	whole := l.taken.encode()
	if _, ok := decodeHistory(whole[:len(whole)-1]); ok {
		t.Error("a history that is cut off is not noticed")
	}
}

// A log row is one that was captured only if its time is that of the log row that
// had its id, not merely one of the batch; of more times than are remembered only
// the last ones are vague.
//
// Seen to fail when add widens every time: "3 at 10 was captured".
func TestHistoryIsExact(t *testing.T) {
	const more = 10
	var h history
	for id := uint64(1); id <= historyTimes+more; id++ {
		h.add(span{capture.IDRange{First: id, Last: id}, int64(id) * 10, int64(id) * 10})
	}
	h.add(span{capture.IDRange{First: historyTimes + 100, Last: historyTimes + 100}, 5, 5})
	if len(h.times) != historyTimes+1 || len(h.ids) != 2 {
		t.Errorf("%d times of %d runs of log rows are remembered", len(h.times), len(h.ids))
	}
	back, ok := decodeHistory(h.encode())
	if !ok || !slices.Equal(back.times, h.times) {
		t.Error("a long history does not come back")
	}
	last := int64(historyTimes+more) * 10
	for _, c := range []struct {
		id   uint64
		at   int64
		want bool
	}{
		{3, 30, true},
		{3, 10, false},
		{3, 31, false},
		{3, last, false},
		{historyTimes + more, last, true},
		{historyTimes + more, last - 10, true},
		{historyTimes + more, last + 10, false},
		{historyTimes + 50, last, false},
		{historyTimes + 100, 5, true},
		{historyTimes + 100, last, false},
	} {
		is := make([]bool, 1)
		back.mark([]capture.Noted{{ID: c.id, At: c.at}}, is)
		if is[0] != c.want {
			t.Errorf("%d at %d was captured: %v, want %v", c.id, c.at, is[0], c.want)
		}
	}
}

// TestTxnSpill: a step that spills after every row leaves what one does that
// keeps everything in memory, and reads back what it wrote on the way.
func TestTxnSpill(t *testing.T) {
	for seed := range uint64(200) {
		var stores [2]*kv.Mem
		for i, rows := range []int{1 << 20, 1 + int(seed%3)} {
			stores[i] = kv.NewMem()
			for step := range uint64(3) {
				if err := txnStep(stores[i], rows, seed*10+step); err != nil {
					t.Fatalf("seed %d, %d rows kept: %v", seed, rows, err)
				}
			}
		}
		if a, b := dump(t, stores[0]), dump(t, stores[1]); !slices.Equal(a, b) {
			t.Fatalf("seed %d: in memory\n%q\nspilled\n%q", seed, a, b)
		}
	}
}

// txnStep does a random step and holds what it reads against what it wrote.
func txnStep(store kv.Store, rows int, seed uint64) error {
	n, err := loadNames(store)
	if err != nil {
		return err
	}
	n.intern("\x00first") // the order of the others is the step's
	l := defaultLimits
	l.stepRows = rows
	r := &Replica{cfg: Config{Store: store}, names: n, limits: l}
	x := r.newTxn()
	rnd := rand.New(rand.NewPCG(seed, 4))
	type written struct {
		s      *merge.State
		losses []crdt.Loss
	}
	wrote := map[merge.RowID]written{}
	for range 30 {
		id := merge.RowID{Table: "t", Key: crdt.MakeKey(crdt.Int(int64(rnd.IntN(8))))}
		s := randomState(rnd)
		if s.Place != merge.Waiting {
			s.Missing = nil
		}
		s.HasLoss = rnd.IntN(2) == 0
		var losses []crdt.Loss
		if s.HasLoss {
			for range 1 + rnd.IntN(3) { // some as they were, some not
				losses = append(losses, crdt.Loss{
					Column: []string{"c", "longer"}[rnd.IntN(2)], Value: crdt.Value(fmt.Sprint("t", rnd.IntN(2))),
					Stamp: clock.Stamp{Time: clock.Timestamp(rnd.IntN(5))},
				})
			}
			crdt.SortLosses(losses)
			losses = slices.CompactFunc(losses, func(a, b crdt.Loss) bool { return crdt.CompareLosses(a, b) == 0 })
		}
		if rnd.IntN(6) == 0 {
			s, losses = nil, nil
		}
		if err := x.Put(id, s, losses); err != nil {
			return err
		}
		wrote[id] = written{s, losses}
		ask := merge.RowID{Table: "t", Key: crdt.MakeKey(crdt.Int(int64(rnd.IntN(8))))}
		if w, ok := wrote[ask]; ok {
			got, err := x.State(ask)
			if err != nil || !reflect.DeepEqual(got, w.s) {
				return fmt.Errorf("state of %s is %+v, %w, want %+v", ask.Key, got, err, w.s)
			}
			lost, err := x.Losses(ask)
			if err != nil || !slices.Equal(lost, w.losses) {
				return fmt.Errorf("losses of %s are %+v, %w, want %+v", ask.Key, lost, err, w.losses)
			}
		}
		waiting, err := x.WaitingFor(ask)
		if err != nil {
			return err
		}
		for id, w := range wrote {
			waits := w.s != nil && slices.Contains(w.s.Missing, ask)
			if waits != slices.Contains(waiting, id) {
				return fmt.Errorf("row %s waits for %s: %v, the index says %v", id.Key, ask.Key, waits, waiting)
			}
		}
		aside, err := x.NotPlaced("t", 0)
		if err != nil {
			return err
		}
		for id, w := range wrote {
			out := w.s != nil && (w.s.Place == merge.Held || w.s.Place == merge.Aside)
			if out != slices.Contains(aside, id) {
				return fmt.Errorf("row %s is out of place: %v, the index says %v", id.Key, out, aside)
			}
		}
	}
	return x.commit()
}

// dump returns all rows with their states, written out.
func dump(t *testing.T, store kv.Store) []string {
	t.Helper()
	n, err := loadNames(store)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	err = store.Scan(nil, nil, func(k, v []byte) bool {
		switch k[0] {
		case keyName:
		case keyState:
			s, err := n.decodeState(v)
			all = append(all, fmt.Sprintf("%q %+v %v", k, s, err))
		case keyLoss:
			l, err := n.decodeLoss(v)
			all = append(all, fmt.Sprintf("%q %+v %v", k, l, err))
		default:
			all = append(all, fmt.Sprintf("%q %q", k, v))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStagedOps(t *testing.T) {
	ops := &kv.Batch{}
	ops.Set([]byte("key"), []byte("value"))
	ops.Set([]byte("empty"), nil)
	ops.Delete([]byte("gone"))
	ops.Set([]byte{}, make([]byte, 300))
	b := appendOps(nil, ops)
	got := &kv.Batch{}
	if err := readOps(b, got); err != nil || !reflect.DeepEqual(got, ops) {
		t.Fatalf("%+v comes back as %+v: %v", ops, got, err)
	}
	ends := map[int]bool{0: true}
	for i := range got.Ops {
		part := &kv.Batch{Ops: ops.Ops[:i+1]}
		ends[len(appendOps(nil, part))] = true
	}
	for n := range b {
		if err := readOps(b[:n], &kv.Batch{}); (err == nil) != ends[n] {
			t.Errorf("the first %d bytes of %d: %v", n, len(b), err)
		}
	}
}

// What a site says of itself is read as it was written, also by who says that a
// forgotten site is laid.
func TestPublishedCodec(t *testing.T) {
	a, b := clock.SiteID{1}, clock.SiteID{2}
	for _, p := range []published{
		{},
		{applied: clock.VersionVector{{Site: a, Seq: 3, Through: 9}}, settled: clock.VersionVector{{Site: a, Seq: 2, Through: 7}}},
		{closed: []clock.SiteID{a, b}},
		{closed: []clock.SiteID{a, b}, laid: []clock.SiteID{b}},
		{closed: []clock.SiteID{a}, heard: []clock.SiteID{b}},
		{closed: []clock.SiteID{a}, heard: []clock.SiteID{b}, laid: []clock.SiteID{a}},
	} {
		got, err := decodePublished(p.encode())
		if err != nil || !reflect.DeepEqual(*got, p) {
			t.Errorf("%+v is read as %+v, %v", p, got, err)
		}
		if v := p.encode(); len(p.laid) > 0 {
			if _, err := decodePublished(v[:len(v)-1]); err == nil {
				t.Error("half a site is read")
			}
		}
	}
}
