package replica

import (
	"fmt"
	"slices"
	"testing"

	"baraza/clock"
	"baraza/internal/kv"
)

func entries(from, to int) [][]byte {
	var all [][]byte
	for i := from; i <= to; i++ {
		all = append(all, fmt.Appendf(nil, "entry %03d", i))
	}
	return all
}

func TestLog(t *testing.T) {
	store := kv.NewMem()
	self, other := clock.SiteID{1}, clock.SiteID{2}
	l := &Log{store: store, self: self}
	for _, c := range []struct {
		from, to int
		bad      bool
		have     uint64
	}{
		{from: 2, to: 3, bad: true}, // a gap
		{from: 1, to: 3, have: 3},
		{from: 1, to: 2, have: 3}, // had already
		{from: 3, to: 5, have: 5}, // in part
		{from: 7, to: 7, bad: true, have: 5},
		{from: 6, to: 6, have: 6},
	} {
		err := l.Append(other, uint64(c.from), entries(c.from, c.to))
		if (err != nil) != c.bad || l.Vector().Seq(other) != c.have {
			t.Errorf("append %d to %d: %v, the log has %d, want %d", c.from, c.to, err, l.Vector().Seq(other), c.have)
		}
	}
	if err := l.Append(self, 1, entries(1, 1)); err == nil {
		t.Error("entries of this very site are taken from a peer")
	}
	if err := l.Append(other, 7, [][]byte{{1}}); err == nil {
		t.Error("an entry of one byte is taken")
	}
	again := &Log{store: store, self: self}
	if err := again.load(); err != nil || again.Vector().Seq(other) != 6 {
		t.Errorf("after a restart the log has %v, %v", again.Vector(), err)
	}
	for _, c := range []struct {
		after    uint64
		bytes    int
		from, to int
	}{
		{0, 1 << 20, 1, 6},
		{2, 1 << 20, 3, 6},
		{2, 1, 3, 3}, // at least one
		{2, 10, 3, 4},
		{6, 100, 7, 6},
		{9, 100, 10, 9},
	} {
		first, got, err := again.Read(other, c.after, c.bytes)
		if err != nil || first != uint64(c.from) || !slices.EqualFunc(got, entries(c.from, c.to), slices.Equal[[]byte]) {
			t.Errorf("read after %d, %d bytes: %d, %q, %v", c.after, c.bytes, first, got, err)
		}
	}
}
