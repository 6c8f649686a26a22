package dialer

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"baraza/clock"
)

const (
	// MeshSites is the greatest network, this site included, in which each site
	// has a session with each other.
	MeshSites = 9
	// neighboursEach is how many sessions a site of a larger network keeps to
	// each side of the ring of site ids.
	neighboursEach = 1
	// shortcuts is how many it keeps besides, across the ring: they make the
	// way between any two sites short, and the network hard to cut apart.
	shortcuts = 4
)

// Targets returns the peers that self should dial or have a session with, out
// of all: in a small network everyone, else the next site on either side of the
// ring of ids and a few across, chosen by a hash of both ids, so that the choice
// is each site's own and always the same.
//
// A peer that was tried and not reached does not count: the next in line is a
// target too. So the sites that can reach each other stay connected whichever
// are away, and the ones that are away are still tried.
func Targets(self clock.SiteID, all []clock.SiteID, unreachable func(clock.SiteID) bool) []clock.SiteID {
	peers := slices.Clone(all)
	slices.SortFunc(peers, clock.SiteID.Compare)
	peers = slices.DeleteFunc(slices.Compact(peers), func(id clock.SiteID) bool { return id == self || id.IsZero() })
	if len(peers) < MeshSites {
		return peers
	}
	// The ring, seen from here: peers[0] is the next, the last is the one before.
	at, _ := slices.BinarySearchFunc(peers, self, clock.SiteID.Compare)
	ring := slices.Concat(peers[at:], peers[:at])
	back := slices.Clone(ring)
	slices.Reverse(back)
	across := slices.Clone(ring)
	slices.SortStableFunc(across, func(a, b clock.SiteID) int { return cmp.Compare(rank(self, a), rank(self, b)) })

	chosen := map[clock.SiteID]bool{}
	choose(chosen, ring, neighboursEach, unreachable)
	choose(chosen, back, neighboursEach, unreachable)
	choose(chosen, across, shortcuts, unreachable)
	return slices.DeleteFunc(peers, func(id clock.SiteID) bool { return !chosen[id] })
}

// choose adds peers in order until n were added that are not unreachable.
func choose(chosen map[clock.SiteID]bool, order []clock.SiteID, n int, unreachable func(clock.SiteID) bool) {
	for _, id := range order {
		if n == 0 {
			return
		}
		chosen[id] = true
		if !unreachable(id) {
			n--
		}
	}
}

// rank orders peers for one site as if by chance (rendezvous hashing).
func rank(self, peer clock.SiteID) uint64 {
	h := sha256.Sum256(slices.Concat(self[:], peer[:]))
	return binary.BigEndian.Uint64(h[:])
}
