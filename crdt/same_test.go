package crdt

import (
	"math"
	"testing"
)

func TestSame(t *testing.T) {
	j := func(s string) Value { return Tagged(TagJSON, s) }
	for _, c := range []struct {
		a, b Value
		same bool
	}{
		{Int(0), Int(0), true},
		{Int(0), Null, false},
		{Null, Null, true},
		{Float64(0), Float64(math.Copysign(0, -1)), true},
		{Float32(0), Float32(float32(math.Copysign(0, -1))), true},
		{Float64(0), Float64(5e-324), false},
		{Float64(1), Float64(-1), false},
		{Float32(0), Float64(0), false},
		{Text("a"), Text("A"), false},
		{Text(`{}`), Text(`{ }`), false},
		{j(`{"b":1, "aa":2.50, "b":3}`), j(`{"b": 3, "aa": 2.5}`), true},
		{j(`{"b":1, "aa":2.50, "b":3}`), j(`{"b": 1, "aa": 2.5}`), false},
		{j(`[1e2,-0,1.0,"\u00e9\/"]`), j(`[100.0, 0, 1.0, "é/"]`), true},
		{j(`[12345678901234567890123, 0.1234567890123456789]`), j(`[1.2345678901234568e22, 0.12345678901234568]`), true},
		{j(`18446744073709551615`), j(`18446744073709551614`), false},
		{j(`9007199254740993`), j(`9007199254740992`), false},
		{j(`[1,2]`), j(`[2,1]`), false},
		{j(`"1"`), j(`1`), false},
		{j(`null`), Null, false},
		{j(`["a,", "b"]`), j(`["a", ",b"]`), false},
		{j(`[true,false]`), j(` [ true , false ] `), true},
		{j(`{"a":{}}`), j(`{"a":[]}`), false},
		{j(`not one`), j(`not one`), true},
		{j(`1 2`), j(`1`), false},
		{j(`1e999`), j(`2e999`), false},
	} {
		if Same(c.a, c.b) != c.same || Same(c.b, c.a) != c.same {
			t.Errorf("%s and %s: %v, want %v", c.a, c.b, !c.same, c.same)
		}
	}
}
