package gossip

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/clock"
)

// TestMessagePackIsTheLibrarys: what is written here is what the library writes,
// byte for byte, and both read it.
func TestMessagePackIsTheLibrarys(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	numbers := []int64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, -1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, math.MinInt64}
	for range 2000 {
		numbers = append(numbers, int64(rnd.Uint64()>>rnd.IntN(64)), -int64(rnd.Uint64()>>(1+rnd.IntN(63))))
	}
	for _, n := range numbers {
		u, i := library(t, func(e *msgpack.Encoder) error { return e.EncodeUint(uint64(n)) }), library(t, func(e *msgpack.Encoder) error { return e.EncodeInt(n) })
		if got := appendUint(nil, uint64(n)); !bytes.Equal(got, u) {
			t.Fatalf("unsigned %d is %x, of the library %x", uint64(n), got, u)
		}
		if got := appendInt(nil, n); !bytes.Equal(got, i) {
			t.Fatalf("%d is %x, of the library %x", n, got, i)
		}
		if r := (reader{b: u}); r.uint() != uint64(n) || r.err != nil || len(r.b) > 0 {
			t.Fatalf("unsigned %d does not come back: %v", uint64(n), r.err)
		}
		if r := (reader{b: i}); r.int() != n || r.err != nil || len(r.b) > 0 {
			t.Fatalf("%d does not come back: %v", n, r.err)
		}
	}
	// Other programs may write longer forms.
	for _, b := range [][]byte{{packUint64, 0, 0, 0, 0, 0, 0, 0, 5}, {packInt8, 5}, {packInt16, 0, 5}, {packInt32, 0, 0, 0, 5}, {packInt64, 0, 0, 0, 0, 0, 0, 0, 5}} {
		if r := (reader{b: b}); r.int() != 5 || r.err != nil {
			t.Errorf("%x is not 5: %v", b, r.err)
		}
	}
	for _, size := range []int{-1, 0, 1, 255, 256, MaxNoteBytes} {
		var note []byte
		if size >= 0 {
			note = make([]byte, size)
		}
		want := library(t, func(e *msgpack.Encoder) error { return e.EncodeBytes(note) })
		if got := appendBytes(nil, note); !bytes.Equal(got, want) {
			t.Errorf("%d bytes are %x, of the library %x", size, got[:4], want[:4])
		}
		if r := (reader{b: want}); len(r.note()) != max(size, 0) || r.err != nil || len(r.b) > 0 {
			t.Errorf("%d bytes do not come back: %v", size, r.err)
		}
	}
	for _, size := range []int{0, 1, 15, 16, MaxOrigins} {
		var v clock.VersionVector
		for n := range size {
			v = append(v, clock.Entry{Site: testSite(n), Seq: rnd.Uint64() >> rnd.IntN(64)})
		}
		want := library(t, func(e *msgpack.Encoder) error {
			err := e.EncodeArrayLen(len(v))
			for i := 0; i < len(v) && err == nil; i++ {
				if err = e.EncodeBytes(v[i].Site[:]); err == nil {
					err = e.EncodeUint(v[i].Seq)
				}
			}
			return err
		})
		if !bytes.Equal(appendVector(nil, v), want) {
			t.Errorf("a vector of %d is not as the library writes it", size)
		}
		if r := (reader{b: want}); !reflect.DeepEqual(r.vector(), v) || r.err != nil || len(r.b) > 0 {
			t.Errorf("a vector of %d does not come back: %v", size, r.err)
		}
	}
}

func library(t *testing.T, write func(*msgpack.Encoder) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(msgpack.NewEncoder(&b)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
