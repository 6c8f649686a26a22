package trigger

import (
	"testing"

	"baraza/internal/sqlrow"
)

// What a log row says of an update, of a table whose columns were a, b and c when its
// triggers were made, and are now b, c, d and e.
//
// Seen to fail when a column that was gone counts as written, and when what has come
// counts as perhaps not written although one was gone.
func TestWritten(t *testing.T) {
	n := &numbered{
		generation: generation{table: "item"}, now: &sqlrow.Table{Columns: []string{"b", "c", "d", "e"}},
		shipped: []int{-1, 0, 1}, unknown: of(2, 3),
	}
	for _, c := range []struct {
		same             string
		written, perhaps mask
	}{
		{"\x01\x01\x01", of(2, 3), of(2, 3)},
		{"\x00\x00\x01", of(0, 2, 3), of(2, 3)},
		{"\x02\x00\x01", of(0, 2, 3), mask{}},
		{"\x02\x01\x01", of(2, 3), mask{}},
		{"\x02\x02\x00", of(1, 2, 3), mask{}}, // b was away for a while
	} {
		written, perhaps, err := n.written([]byte(c.same))
		if err != nil || written != c.written || perhaps != c.perhaps {
			t.Errorf("%q: written %v, perhaps %v, %v; want %v and %v", c.same, written, perhaps, err, c.written, c.perhaps)
		}
	}
	if written, perhaps, err := n.written(nil); err != nil || written != of(0, 1, 2, 3) || !perhaps.empty() {
		t.Errorf("with no word of the columns: written %v, perhaps %v, %v", written, perhaps, err)
	}
	if _, _, err := n.written([]byte("\x00\x00")); err == nil {
		t.Error("a log row that tells of too few columns is read")
	}
}

func of(places ...int) (m mask) {
	for _, i := range places {
		m.set(i)
	}
	return m
}
