package clock

import (
	"bytes"
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
	return bytes.Compare(id[:], other[:])
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
