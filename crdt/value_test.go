package crdt_test

import (
	"math"
	"testing"
	"testing/quick"

	"baraza/crdt"
)

func TestValuesRoundTrip(t *testing.T) {
	check := func(name string, f any) {
		t.Helper()
		if err := quick.Check(f, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("Int", func(n int64) bool { got, ok := crdt.Int(n).AsInt(); return ok && got == n })
	check("Uint", func(n uint64) bool { got, ok := crdt.Uint(n).AsUint(); return ok && got == n })
	check("Float64", func(n uint64) bool {
		got, ok := crdt.Float64(math.Float64frombits(n)).AsFloat()
		return ok && math.Float64bits(got) == n
	})
	check("Float32", func(f float32) bool { got, ok := crdt.Float32(f).AsFloat(); return ok && got == float64(f) })
	check("Text", func(s string) bool { return crdt.Text(s).Payload() == s && !crdt.Text(s).IsNull() })
	check("Ref", func(s string) bool { k, ok := crdt.Ref(crdt.Key(s)).Key(); return ok && string(k) == s })
}

// TestOneNumberOneValue: an integer is the same Value whatever its column's
// type, since equal means equal as strings.
func TestOneNumberOneValue(t *testing.T) {
	for _, n := range []uint64{0, 1, math.MaxInt64} {
		if crdt.Uint(n) != crdt.Int(int64(n)) {
			t.Errorf("Uint(%d) is not Int(%d)", n, n)
		}
	}
	if crdt.Uint(math.MaxInt64+1) == crdt.Int(math.MinInt64) {
		t.Error("2^63 and -2^63 are one Value")
	}
	if _, ok := crdt.Int(-1).AsUint(); ok {
		t.Error("-1 was taken for an unsigned number")
	}
	if crdt.Text("") == crdt.Null || !crdt.Null.IsNull() {
		t.Error("the empty string is NULL")
	}
}

func TestValuesForPeople(t *testing.T) {
	for _, test := range []struct {
		value crdt.Value
		want  string
	}{
		{crdt.Null, "NULL"},
		{crdt.Int(-5), "-5"},
		{crdt.Uint(math.MaxUint64), "18446744073709551615"},
		{crdt.Float32(0.5), "0.5"},
		{crdt.Text(`a"b`), `"a\"b"`},
		{crdt.Bytes("\x00\xff"), "0x00ff"},
		{crdt.Tagged(crdt.TagDecimal, "1.50"), "1.50"},
		{crdt.Ref(crdt.MakeKey(crdt.Text("x"), crdt.Int(2))), "x,2"},
	} {
		if got := test.value.String(); got != test.want {
			t.Errorf("%q reads %q, want %q", string(test.value), got, test.want)
		}
	}
}
