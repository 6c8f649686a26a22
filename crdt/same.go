package crdt

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// Same reports whether two values are the same to whoever reads them in a
// database: values of servers that write one thing in two ways are. See
// Canonical.
func Same(a, b Value) bool { return a == b || a.Canonical() == b.Canonical() }

// Canonical returns the form by which sites compare values. It is the value
// itself, but for two kinds:
//
//   - A float's negative zero is zero. MariaDB before 11 stores no other, and
//     to SQL the two are equal.
//   - A JSON document is its content: MariaDB keeps the text as it was written,
//     MySQL sorts the members of objects, keeps the last of those with one name,
//     and holds numbers as 64-bit integers or doubles.
//
// What travels is always the value itself.
func (v Value) Canonical() Value {
	switch v.Tag() {
	case TagFloat32, TagFloat64:
		if f, ok := v.AsFloat(); ok && f == 0 {
			return v[:1] + Value(make([]byte, len(v)-1))
		}
	case TagJSON:
		if b, ok := canonicalJSON([]byte(v[1:])); ok {
			return Value(b)
		}
	}
	return v
}

// canonicalJSON returns a text that is the same for the same document, and is
// no document itself; false for a text that is none.
func canonicalJSON(text []byte) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var document any
	if err := d.Decode(&document); err != nil || d.More() {
		return nil, false
	}
	return appendCanonical([]byte{TagJSON}, document), true
}

func appendCanonical(b []byte, x any) []byte {
	switch x := x.(type) {
	case map[string]any:
		names := make([]string, 0, len(x))
		for name := range x {
			names = append(names, name)
		}
		slices.Sort(names)
		b = append(b, '{')
		for _, name := range names {
			b = append(appendString(b, name), ':') // the length stands in front, so it needs no escapes
			b = append(appendCanonical(b, x[name]), ',')
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for _, element := range x {
			b = append(appendCanonical(b, element), ',')
		}
		return append(b, ']')
	case string:
		return appendString(append(b, '"'), x)
	case json.Number:
		return appendNumber(b, string(x))
	case bool:
		return strconv.AppendBool(b, x)
	}
	return append(b, "null"...)
}

// wholeMax bounds the doubles that are compared as integers.
const wholeMax = 1e18

// appendNumber: what fits a 64-bit integer is one, all else is a double.
func appendNumber(b []byte, s string) []byte {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.AppendInt(b, n, 10)
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return strconv.AppendUint(b, n, 10)
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil: // beyond a double
		return append(b, s...)
	case f == math.Trunc(f) && math.Abs(f) < wholeMax:
		return strconv.AppendInt(b, int64(f), 10)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}
