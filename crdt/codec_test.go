package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"baraza/clock"
	"baraza/crdt"
)

// randomEntry makes an entry such as sites write; a seed gives always the same.
func randomEntry(seed uint64) *crdt.Entry {
	rng := rand.New(rand.NewPCG(seed, 0))
	e := &crdt.Entry{First: rng.IntN(2) == 0, Last: rng.IntN(2) == 0}
	if e.First {
		for i := range rng.IntN(4) {
			e.Context.Set(clock.Entry{Site: randomSite(rng), Seq: rng.Uint64() >> rng.IntN(64), Through: randomTime(rng) + clock.Timestamp(i)})
		}
	}
	if e.Last {
		e.Through = randomTime(rng)
	}
	shapes := [][]string{nil, {"a"}, {"a", "b"}, {"uuid", "ä column with a long name", ""}, make([]string, 300)}
	for range rng.IntN(20) {
		ch := crdt.Change{
			Table: fmt.Sprint("t", rng.IntN(3)), Time: randomTime(rng), Whole: rng.IntN(2) == 0,
			Key: crdt.MakeKey(randomValue(rng), randomValue(rng)), Prior: randomStamps(rng),
		}
		if ch.Delete = rng.IntN(4) == 0; !ch.Delete {
			ch.Columns = shapes[rng.IntN(len(shapes))]
			for range ch.Columns {
				ch.Values = append(ch.Values, randomValue(rng))
			}
		}
		if len(ch.Values) > 0 && rng.IntN(2) == 0 {
			ch.Key = crdt.Key(ch.Values[rng.IntN(len(ch.Values))])
		}
		e.Changes = append(e.Changes, ch)
	}
	return e
}

func randomSite(rng *rand.Rand) clock.SiteID {
	return clock.SiteID{0: byte(rng.IntN(4)), 15: byte(rng.IntN(2))}
}

func randomTime(rng *rand.Rand) clock.Timestamp {
	return clock.Timestamp(rng.Uint64() >> (rng.IntN(4) * 16))
}

func randomStamp(rng *rand.Rand) clock.Stamp {
	if rng.IntN(3) == 0 {
		return clock.Stamp{}
	}
	return clock.Stamp{Time: randomTime(rng), Site: randomSite(rng)}
}

func randomStamps(rng *rand.Rand) crdt.Stamps {
	s := crdt.Stamps{Row: randomStamp(rng), Deleted: randomStamp(rng)}
	for range rng.IntN(3) {
		s.Cells = append(s.Cells, crdt.CellStamp{Column: fmt.Sprint("c", rng.IntN(9)), Stamp: randomStamp(rng)})
	}
	return s
}

func randomValue(rng *rand.Rand) crdt.Value {
	switch rng.IntN(6) {
	case 0:
		return crdt.Null
	case 1:
		return crdt.Int(rng.Int64() - rng.Int64())
	case 2:
		return crdt.Float64(rng.NormFloat64())
	case 3:
		return crdt.Ref(crdt.MakeKey(crdt.Int(rng.Int64N(9))))
	case 4:
		return crdt.Bytes(string(make([]byte, rng.IntN(300))))
	}
	return crdt.Text("naïve \x00 text")
}

// same compares entries; an empty list is the same as none.
func same(a, b *crdt.Entry) bool {
	if len(a.Changes) == 0 && len(b.Changes) == 0 {
		return a.First == b.First && a.Last == b.Last && a.Through == b.Through && a.Context.String() == b.Context.String()
	}
	return reflect.DeepEqual(a, b)
}

// TestEntryRoundTrip: an entry decodes to what was encoded, and the same entry
// always has the same bytes.
func TestEntryRoundTrip(t *testing.T) {
	params := gopter.DefaultTestParametersWithSeed(*lawSeed)
	params.MinSuccessfulTests = *lawTests
	ok := prop.ForAll(func(seed uint64) bool {
		e := randomEntry(seed)
		b := e.Encode()
		got, err := crdt.DecodeEntry(b)
		if err != nil || !same(e, got) {
			t.Errorf("randomEntry(%d): error %v, decoded\n%+v\nfrom\n%+v", seed, err, got, e)
			return false
		}
		return string(got.Encode()) == string(b) && crdt.EndsBatch(b) == e.Last
	}, gen.UInt64()).Check(params)
	if !ok.Passed() {
		t.Errorf("replay: go test ./crdt -run '^%s$' -law.seed=%d", t.Name(), *lawSeed)
	}
}

// TestEntryCutShort: no proper beginning of an entry is an entry.
func TestEntryCutShort(t *testing.T) {
	for seed := range uint64(12) {
		b := randomEntry(seed).Encode()
		for n := 0; n < len(b); n += 1 + len(b)/500 {
			if _, err := crdt.DecodeEntry(b[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes of randomEntry(%d) decode", n, len(b), seed)
			}
		}
		if _, err := crdt.DecodeEntry(append(b, 0)); err == nil {
			t.Fatalf("randomEntry(%d) with a byte behind it decodes", seed)
		}
	}
}

// Decoding may allocate a fixed amount and so many bytes for each input byte.
const (
	decodeBytesFixed   = 64 << 10
	decodeBytesPerByte = 100
)

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestDecodeTrustsNoLength: each list's length is checked against what is left
// of the input before room for the list is made.
func TestDecodeTrustsNoLength(t *testing.T) {
	const many = "\xff\xff\x3f" // 1,048,575: within the limit of a list
	for name, input := range map[string]string{
		"context": "\x01\x01" + many,
		"sites":   "\x01\x00" + "\x00" + many,
		"shapes":  "\x01\x00" + "\x00" + "\x00" + many,
		"columns": "\x01\x00" + "\x00" + "\x00" + "\x01" + "\x01t" + "\xff\x1f",
		"changes": "\x01\x00" + "\x00" + "\x00" + "\x00" + many,
	} {
		input += "\x00\x00\x00\x00"
		used := allocated(func() {
			if _, err := crdt.DecodeEntry([]byte(input)); err == nil {
				t.Errorf("%s: a list longer than the entry decodes", name)
			}
		})
		if used > 32<<10 {
			t.Errorf("%s: %d bytes of input made the decoder allocate %d", name, len(input), used)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(randomEntry(seed).Encode())
	}
	f.Add([]byte{1, 3, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *crdt.Entry
		var err error
		if used, limit := allocated(func() { e, err = crdt.DecodeEntry(b) }), uint64(decodeBytesFixed+decodeBytesPerByte*len(b)); used > limit {
			t.Errorf("decoding %d bytes allocated %d, limit %d", len(b), used, limit)
		}
		if err != nil {
			return
		}
		again, err := crdt.DecodeEntry(e.Encode())
		if err != nil || !same(e, again) {
			t.Errorf("error %v, %+v became %+v", err, e, again)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add("a", "b", "")
	f.Add("", "", "\x00")
	f.Add("\x00", "\x01", "a\x00")
	f.Fuzz(func(t *testing.T, a, b, raw string) {
		for _, values := range [][]crdt.Value{
			{crdt.Text(a)},
			{crdt.Text(a), crdt.Text(b)},
			{crdt.Null},
			{crdt.Null, crdt.Bytes(b)},
			{crdt.Value(raw)},
			{crdt.Ref(crdt.MakeKey(crdt.Text(a), crdt.Text(b))), crdt.Int(int64(len(b)))},
		} {
			got := crdt.MakeKey(values...).Values()
			if !reflect.DeepEqual(got, values) {
				t.Errorf("MakeKey(%q).Values() = %q", values, got)
			}
		}
		_ = crdt.Key(raw).Values() // must not panic
		_ = crdt.Key(raw).String()
		_ = crdt.Value(raw).String()
	})
}
