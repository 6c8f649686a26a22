package sqlrow

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"baraza/crdt"
)

// ErrReference says that a reference reached AppendLiteral untranslated.
var ErrReference = errors.New("a reference has no literal; translate it to the local value first")

// AppendLiteral appends a literal that stores exactly v in a column of its
// type, under the session settings of Open. The text of a value that came from
// elsewhere cannot end the literal.
func AppendLiteral(b []byte, v crdt.Value) ([]byte, error) {
	switch v.Tag() {
	case 0:
		return append(b, "NULL"...), nil
	case crdt.TagInt:
		if n, ok := v.AsInt(); ok {
			return strconv.AppendInt(b, n, 10), nil
		}
	case crdt.TagUint:
		if n, ok := v.AsUint(); ok {
			return strconv.AppendUint(b, n, 10), nil
		}
	case crdt.TagFloat32, crdt.TagFloat64:
		if f, ok := v.AsFloat(); ok {
			return appendFloat(b, f)
		}
	case crdt.TagDecimal:
		if s := string(v[1:]); isDecimal(s) {
			return append(b, s...), nil
		}
	case crdt.TagText, crdt.TagTime, crdt.TagJSON:
		return appendQuoted(b, string(v[1:])), nil
	case crdt.TagBytes, crdt.TagSpatial:
		// Hexadecimal would be twice as long, and a BLOB of 16 MB would not
		// fit the server's max_allowed_packet.
		return appendQuoted(append(b, "_binary"...), string(v[1:])), nil
	case crdt.TagRef, crdt.TagLink:
		return b, ErrReference
	}
	return b, fmt.Errorf("a value that is none: %.40x", string(v))
}

// appendFloat: digits and an exponent make a double; the server rounds it to a
// FLOAT without loss, because it came from one. As text -0 keeps its sign in
// any expression.
func appendFloat(b []byte, f float64) ([]byte, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return b, fmt.Errorf("%v is no value that SQL has", f)
	case f == 0 && math.Signbit(f):
		return append(b, "'-0'"...), nil
	}
	return strconv.AppendFloat(b, f, 'e', -1, 64), nil
}

// isDecimal accepts what the server prints for a DECIMAL, and nothing else.
func isDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, frac, point := strings.Cut(s, ".")
	return whole+frac != "" && digits(whole) && digits(frac) && (!point || frac != "")
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// appendQuoted: in the pinned sql_mode a backslash escapes, and in utf8mb4 no
// other character holds the byte of a quote or a backslash.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '\'')
	for {
		i := strings.IndexAny(s, `'\`)
		if i < 0 {
			break
		}
		b = append(b, s[:i]...)
		b = append(b, '\\', s[i])
		s = s[i+1:]
	}
	b = append(b, s...)
	return append(b, '\'')
}
