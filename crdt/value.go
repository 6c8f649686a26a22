package crdt

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Value is one column's value in the form that is the same at every site: a
// tag byte and a payload. The empty Value is SQL NULL. Two values are equal
// exactly when they are equal as Go strings. Values are immutable.
type Value string

// Null is SQL NULL.
const Null Value = ""

// The tags. A tag tells how the payload is written, not the column's type.
const (
	TagInt     = 'i' // zigzag varint: any integer that fits int64; BIT, YEAR, BOOL too
	TagUint    = 'u' // uvarint: an integer above the int64 range
	TagFloat32 = 'f' // 4 bytes, IEEE 754 bits, big endian
	TagFloat64 = 'd' // 8 bytes, IEEE 754 bits, big endian
	TagDecimal = 'n' // decimal digits as the database prints them
	TagText    = 't' // UTF-8; CHAR, VARCHAR, TEXT, ENUM, SET
	TagBytes   = 'b' // BINARY, VARBINARY, BLOB
	TagTime    = 'T' // DATE, DATETIME, TIME as the database prints them; TIMESTAMP in UTC
	TagJSON    = 'j' // JSON text
	TagSpatial = 'g' // SRID (4 bytes, little endian) and WKB, as the database stores it
	TagRef     = 'r' // the Key of the referenced row
	TagLink    = 'l' // the table and the Key of the referenced row: a reference to one of several tables
)

// Int returns the value of a signed integer.
func Int(n int64) Value { return Value(binary.AppendVarint([]byte{TagInt}, n)) }

// Uint returns the value of an unsigned integer: the same Value that Int gives
// where int64 can hold it.
func Uint(n uint64) Value {
	if n <= math.MaxInt64 {
		return Int(int64(n))
	}
	return Value(binary.AppendUvarint([]byte{TagUint}, n))
}

// Float32 returns the value of a single-precision float, bit for bit.
func Float32(f float32) Value {
	return Value(binary.BigEndian.AppendUint32([]byte{TagFloat32}, math.Float32bits(f)))
}

// Float64 returns the value of a double-precision float, bit for bit.
func Float64(f float64) Value {
	return Value(binary.BigEndian.AppendUint64([]byte{TagFloat64}, math.Float64bits(f)))
}

// Text returns the value of a character string.
func Text(s string) Value { return Value(string(rune(TagText)) + s) }

// Bytes returns the value of a byte string.
func Bytes(s string) Value { return Value(string(rune(TagBytes)) + s) }

// Tagged returns the value with the given tag and payload.
func Tagged(tag byte, payload string) Value { return Value(string(rune(tag)) + payload) }

// Ref returns the value of a reference to the row with the given key.
func Ref(key Key) Value { return Value(string(rune(TagRef)) + string(key)) }

// Link returns the value of a reference to the row of a table, in a column that
// may refer to rows of several.
func Link(table string, key Key) Value {
	return Value(string(rune(TagLink)) + table + "\x00" + string(key))
}

// Link returns the row that a Link names; false when v is none.
func (v Value) Link() (table string, key Key, ok bool) {
	if v.Tag() != TagLink {
		return "", "", false
	}
	table, rest, ok := strings.Cut(string(v[1:]), "\x00")
	return table, Key(rest), ok
}

// IsNull reports whether v is SQL NULL.
func (v Value) IsNull() bool { return v == Null }

// Tag returns the tag byte, or 0 for NULL.
func (v Value) Tag() byte {
	if v == Null {
		return 0
	}
	return v[0]
}

// Payload returns what follows the tag.
func (v Value) Payload() string {
	if v == Null {
		return ""
	}
	return string(v[1:])
}

// Key returns the key that a reference holds; false when v is none.
func (v Value) Key() (Key, bool) {
	if v.Tag() != TagRef {
		return "", false
	}
	return Key(v[1:]), true
}

// AsInt returns the integer that v holds; false when it holds none or one
// beyond int64.
func (v Value) AsInt() (int64, bool) {
	if v.Tag() != TagInt {
		return 0, false
	}
	n, size := binary.Varint([]byte(v[1:]))
	return n, size > 0
}

// AsUint returns the non-negative integer that v holds.
func (v Value) AsUint() (uint64, bool) {
	if n, ok := v.AsInt(); ok {
		return uint64(n), n >= 0
	}
	if v.Tag() != TagUint {
		return 0, false
	}
	n, size := binary.Uvarint([]byte(v[1:]))
	return n, size > 0
}

// AsFloat returns the float that v holds, single or double.
func (v Value) AsFloat() (float64, bool) {
	switch {
	case v.Tag() == TagFloat32 && len(v) == 5:
		return float64(math.Float32frombits(binary.BigEndian.Uint32([]byte(v[1:])))), true
	case v.Tag() == TagFloat64 && len(v) == 9:
		return math.Float64frombits(binary.BigEndian.Uint64([]byte(v[1:]))), true
	}
	return 0, false
}

// String returns the value as a person would read it.
func (v Value) String() string {
	switch v.Tag() {
	case 0:
		return "NULL"
	case TagInt:
		n, _ := v.AsInt()
		return strconv.FormatInt(n, 10)
	case TagUint:
		n, _ := v.AsUint()
		return strconv.FormatUint(n, 10)
	case TagFloat32, TagFloat64:
		f, _ := v.AsFloat()
		return strconv.FormatFloat(f, 'g', -1, 64)
	case TagBytes, TagSpatial:
		return "0x" + hex.EncodeToString([]byte(v[1:]))
	case TagRef:
		return Key(v[1:]).String()
	case TagLink:
		table, key, _ := v.Link()
		return table + " " + key.String()
	case TagText:
		return strconv.Quote(string(v[1:]))
	case TagDecimal, TagTime, TagJSON:
		return string(v[1:])
	}
	return fmt.Sprintf("unknown value %x", string(v))
}
