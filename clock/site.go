package clock

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// SiteID names a site: the first 16 bytes of the SHA-256 of its Ed25519 public
// key. The zero SiteID names no site; it is the origin of the baseline, the
// state that every site had seen before it first wrote.
type SiteID [16]byte

// IsZero reports whether id names no site.
func (id SiteID) IsZero() bool { return id == SiteID{} }

// Compare orders site ids by their bytes: -1, 0 or +1.
func (id SiteID) Compare(other SiteID) int {
	a, b := id.halves()
	c, d := other.halves()
	if a != c {
		return cmp.Compare(a, c)
	}
	return cmp.Compare(b, d)
}

// halves are the id as two numbers, which order as its bytes do: to compare
// them takes no call.
func (id *SiteID) halves() (uint64, uint64) {
	return binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
}

// String returns the id as 32 hexadecimal digits.
func (id SiteID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 hexadecimal digits, for messages to people.
func (id SiteID) Short() string { return hex.EncodeToString(id[:4]) }

// ParseSiteID reads what String wrote.
func ParseSiteID(s string) (SiteID, error) {
	var id SiteID
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return SiteID{}, fmt.Errorf("site id %q is not 32 hexadecimal digits", s)
	}
	copy(id[:], b)
	return id, nil
}
