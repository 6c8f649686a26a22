package replica

import (
	"encoding/binary"
	"fmt"

	"baraza/clock"
	"baraza/internal/kv"
)

// names interns strings that repeat in row states (site ids, columns) as small
// numbers. A number is written in the same store batch that first uses it, or
// an earlier one.
type names struct {
	number map[string]uint64
	name   []string
	stored int // how many of name are in the store
	// site is the one that was asked for last, if any was, and siteNumber its
	// number: the stamps of a step are mostly of one.
	site       clock.SiteID
	siteNumber uint64
	asked      bool
}

// ofSite returns the number of a site's name.
func (n *names) ofSite(id clock.SiteID) uint64 {
	if id != n.site || !n.asked {
		i, known := n.number[string(id[:])] // without the copy that intern's argument is
		if !known {
			i = n.intern(string(id[:]))
		}
		n.site, n.siteNumber, n.asked = id, i, true
	}
	return n.siteNumber
}

func loadNames(store kv.Reader) (*names, error) {
	n := &names{number: map[string]uint64{}}
	var bad error
	err := store.Scan([]byte{keyName}, []byte{keyName + 1}, func(k, v []byte) bool {
		if len(k) != 9 || binary.BigEndian.Uint64(k[1:]) != uint64(len(n.name)) {
			bad = fmt.Errorf("the store's name list has a gap at %d: the store is damaged", len(n.name))
			return false
		}
		n.intern(string(v))
		return true
	})
	n.stored = len(n.name)
	if err == nil {
		err = bad
	}
	return n, err
}

func (n *names) intern(s string) uint64 {
	if i, ok := n.number[s]; ok {
		return i
	}
	i := uint64(len(n.name))
	n.number[s] = i
	n.name = append(n.name, s)
	return i
}

func (n *names) lookup(i uint64) (string, bool) {
	if i >= uint64(len(n.name)) {
		return "", false
	}
	return n.name[i], true
}

// flush adds the names that are not stored yet to a batch.
func (n *names) flush(b *kv.Batch) {
	for ; n.stored < len(n.name); n.stored++ {
		b.Set(binary.BigEndian.AppendUint64([]byte{keyName}, uint64(n.stored)), []byte(n.name[n.stored]))
	}
}
