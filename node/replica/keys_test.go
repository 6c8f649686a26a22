package replica

import (
	"math/rand/v2"
	"testing"

	"baraza/crdt"
	"baraza/merge"
)

// TestRowKeys: a row's key in the store names the row again, be its key a uuid or nearly
// one; and only what is written as a uuid is, in lower case, is packed.
func TestRowKeys(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 2))
	const uuid = "0f3e5a1c-9b7d-4c2e-8a61-d00000fedcba"
	check := func(text string, packed bool) {
		t.Helper()
		id := merge.RowID{Table: "obs", Key: crdt.MakeKey(crdt.Text(text))}
		b := rowKey(keyState, id)
		if got := rowIDs(b); len(got) != 1 || got[0] != id {
			t.Fatalf("%q is read as %v", text, got)
		}
		if is := len(b) < len(id.Key); is != packed {
			t.Fatalf("%q: packed %v", text, is)
		}
	}
	check("", false)
	check(uuid, true)
	check(uuid[1:], false)
	check(uuid+"0", false)
	for range 5000 {
		text := []byte(uuid)
		at, c := rnd.IntN(len(text)), byte(rnd.IntN(256))
		if rnd.IntN(2) == 0 {
			c = "0123456789abcdef-ABCDEFg/:`"[rnd.IntN(27)]
		}
		dash := text[at] == '-'
		text[at] = c
		check(string(text), dash && c == '-' || !dash && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f'))
	}
}
