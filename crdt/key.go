package crdt

import (
	"encoding/binary"
	"strings"
)

// Key is a row's portable key: the values of its identity columns, joined so
// that different lists never give the same Key. Values are put in canonical
// form first (letter case folded where the collation folds it, padding
// removed), so two Keys are equal exactly when the database says the rows'
// keys are equal. Identity columns that are references hold the Key of the
// referenced row.
type Key string

// MakeKey joins canonical values to a key.
func MakeKey(values ...Value) Key {
	if len(values) == 1 && len(values[0]) > 0 && values[0][0] != 0 {
		return Key(values[0]) // the common case costs no framing
	}
	b := []byte{0}
	for _, v := range values {
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(b, v...)
	}
	return Key(b)
}

// Values takes a key apart; nil when k is not one that MakeKey made.
func (k Key) Values() []Value {
	if k == "" {
		return nil
	}
	if k[0] != 0 {
		return []Value{Value(k)}
	}
	var values []Value
	for b := []byte(k[1:]); len(b) > 0; {
		n, size := binary.Uvarint(b)
		if size <= 0 || uint64(len(b)-size) < n {
			return nil
		}
		values = append(values, Value(b[size:size+int(n)]))
		b = b[size+int(n):]
	}
	return values
}

// String returns the key's values as a person would read them.
func (k Key) String() string {
	values := k.Values()
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = strings.Trim(v.String(), `"`)
	}
	return strings.Join(parts, ",")
}
