package kvtest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"baraza/internal/kv"
)

// model is the slow obvious store that the random history is compared with.
type model map[string]string

func (m model) scan(lower, upper []byte) string {
	var out bytes.Buffer
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= string(lower) && (upper == nil || k < string(upper)) {
			if out.Len() > 0 {
				out.WriteByte(' ')
			}
			fmt.Fprintf(&out, "%s=%s", k, m[k])
		}
	}
	return out.String()
}

// randomKey returns the n-th key: keys of several lengths that differ early or late,
// in bytes of zero only, or by being longer.
func randomKey(n int) []byte {
	beginnings := []string{"k", "k\x00", "k with a long beginning/", "k with a long beginning/\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "m"}
	b := fmt.Appendf(nil, "%s%02d", beginnings[n%len(beginnings)], n/len(beginnings)/4)
	return append(b, make([]byte, 3*(n/len(beginnings)%4))...)
}

// randomHistory writes random batches to the store and to the model, and
// compares reads of both, and of snapshots of both.
func randomHistory(t *testing.T, s kv.Store) {
	const steps, keys = 3000, 600
	rng := rand.New(rand.NewPCG(1, 2)) // the same history each time
	key := func() []byte { return randomKey(rng.IntN(keys)) }
	m := model{}
	var snap kv.Snapshot
	var snapModel model
	for step := range steps {
		writeRandomly(t, s, m, rng, key)
		lower, upper := key(), key()
		if got, want := all(t, s, lower, upper), m.scan(lower, upper); got != want {
			t.Fatalf("step %d: Scan(%s, %s) = %q, want %q", step, lower, upper, got, want)
		}
		k := key()
		wantGet(t, s, string(k), m[string(k)])
		wantMany(t, s, m, rng.IntN(20), key)
		if snap != nil && rng.IntN(10) == 0 {
			if got, want := all(t, snap, nil, nil), snapModel.scan(nil, nil); got != want {
				t.Fatalf("step %d: the snapshot holds %q, want %q", step, got, want)
			}
			wantMany(t, snap, snapModel, keys/2, key)
			must(t, snap.Close())
			snap = nil
		}
		if snap == nil && rng.IntN(10) == 0 {
			snap, snapModel = s.Snapshot(), maps.Clone(m)
		}
	}
	if snap != nil {
		must(t, snap.Close())
	}
	wantAll(t, s, m.scan(nil, nil))
}

// wantMany compares GetMany of about n keys, present and absent.
func wantMany(t *testing.T, r kv.Reader, m model, n int, key func() []byte) {
	t.Helper()
	var ask [][]byte
	for range n {
		ask = append(ask, key())
	}
	slices.SortFunc(ask, bytes.Compare)
	ask = slices.CompactFunc(ask, bytes.Equal)
	next := 0
	must(t, kv.GetMany(r, ask, func(i int, got []byte) {
		want, there := m[string(ask[i])]
		if i != next || string(got) != want || (got != nil) != there {
			t.Fatalf("GetMany, key %s: number %d, %#v; want number %d, %q, there: %v", ask[i], i, got, next, want, there)
		}
		next++
	}))
	if next != len(ask) {
		t.Fatalf("GetMany told of %d of %d keys", next, len(ask))
	}
}

// writeRandomly writes one batch; now and then one that removes a whole range.
func writeRandomly(t *testing.T, s kv.Store, m model, rng *rand.Rand, key func() []byte) {
	var b kv.Batch
	for range rng.IntN(6) {
		k := key()
		if rng.IntN(3) == 0 {
			b.Delete(k)
			delete(m, string(k))
		} else {
			v := fmt.Append(nil, rng.IntN(1000))
			b.Set(k, v)
			m[string(k)] = string(v)
		}
	}
	if rng.IntN(100) == 0 {
		from := string(key())
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if k >= from && len(b.Ops) < 200 {
				b.Delete([]byte(k))
				delete(m, k)
			}
		}
	}
	must(t, s.Write(&b, false))
}
