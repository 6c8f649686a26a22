package replica

import (
	"encoding/binary"
	"fmt"
	"slices"

	"baraza/merge"
)

// A site is one process at a time. Every start has a number and a nonce, kept in
// the store and the database, and sites tell each other the last of theirs: so
// peers see when a site goes on from an older state than they have met, as after
// a restore of both, and when two sites go on from one, as after a copy.

// Boot is one start of a site.
type Boot struct{ Count, Nonce uint64 }

// Boots are starts of one site that followed each other, the latest first.
type Boots []Boot

// bootsKept is how many starts a site remembers, and bootsTold how many it tells.
const (
	bootsKept = 256
	bootsTold = 16
)

// Told returns what peers are told.
func (b Boots) Told() Boots { return b[:min(len(b), bootsTold)] }

// Meeting is what a site makes of a peer that says hello.
type Meeting int

// The meetings.
const (
	// MeetFine: the process that was met last, or a later start of the site.
	MeetFine Meeting = iota
	// MeetEarlier: the process before the one that was met last still runs:
	// that one is a copy.
	MeetEarlier
	// MeetStranger: the site was set back, or is a copy.
	MeetStranger
)

// Meet judges a peer by its starts as it was met last, and as it says now.
func Meet(known, says Boots) Meeting {
	switch {
	case len(known) == 0 || len(says) == 0 || slices.Contains(says, known[0]):
		return MeetFine
	case says[len(says)-1].Count > known[0].Count: // too long ago to tell
		return MeetFine
	case slices.Contains(known, says[0]):
		return MeetEarlier
	}
	return MeetStranger
}

// Outdated reports whether a peer has met this site, own being its starts, as
// another process that this one does not come from: this one was set back, or is
// a copy. A process that goes on from this very one is a copy of it.
func Outdated(own, seen Boots) bool {
	if len(own) == 0 || len(seen) == 0 || slices.Contains(own, seen[0]) || slices.Contains(seen, own[0]) {
		return false
	}
	oldest := own[len(own)-1]
	return len(own) < bootsKept || oldest.Count <= seen[0].Count // else it is forgotten
}

// Boots returns the starts of this site, the latest first.
func (r *Replica) Boots() (Boots, error) { return r.boots() }

func (r *Replica) boots() (Boots, error) {
	v, err := r.cfg.Store.Get(metaBoots)
	if err != nil {
		return nil, err
	}
	if len(v)%16 != 0 {
		return nil, fmt.Errorf("the list of starts has %d bytes: the store is damaged", len(v))
	}
	var all Boots
	for ; len(v) > 0; v = v[16:] {
		all = append(all, Boot{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])})
	}
	return all, nil
}

// with returns the starts with one more.
func (b Boots) with(m merge.Mark) Boots {
	return append(Boots{{m.Boot, m.Nonce}}, b[:min(len(b), bootsKept-1)]...)
}

func (b Boots) encode() []byte {
	var v []byte
	for _, boot := range b {
		v = binary.BigEndian.AppendUint64(v, boot.Count)
		v = binary.BigEndian.AppendUint64(v, boot.Nonce)
	}
	return v
}
