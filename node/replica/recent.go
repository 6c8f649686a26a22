package replica

import (
	"slices"

	"baraza/clock"
)

// The last entries that came are those that are wanted next: they are applied
// here and pushed to peers. So they are kept in memory, without the store being
// asked.
const (
	// recentEntries bounds how many are kept, and recentBytes how large one may
	// be: together no more than 1 MiB.
	recentEntries = 64
	recentBytes   = 16 << 10
	// recentAtOnce is how many entries may come together. More are a backlog,
	// which would drive out everything and is gone before it is asked for.
	recentAtOnce = 4
)

// recent is the last entries that came, in no order.
type recent struct {
	list []recentEntry
	next int // to be replaced
}

type recentEntry struct {
	origin  clock.SiteID
	seq     uint64
	payload [][]byte // the entry and nothing else, read only
}

// own returns entries to keep, and to give the store: copies, for they may be
// pieces of a message. ok is false for more than are kept.
func own(entries [][]byte) (copies [][]byte, ok bool) {
	if len(entries) > recentAtOnce {
		return entries, false
	}
	copies = make([][]byte, len(entries))
	for i, e := range entries {
		copies[i] = slices.Clone(e)
	}
	return copies, true
}

// keep takes entries of an origin, the first numbered first. Nobody writes to
// them any more.
func (r *recent) keep(origin clock.SiteID, first uint64, entries [][]byte) {
	if len(entries) > recentAtOnce {
		return
	}
	for i, e := range entries {
		if len(e) > recentBytes {
			continue
		}
		x := recentEntry{origin, first + uint64(i), entries[i : i+1 : i+1]}
		if len(r.list) < recentEntries {
			r.list = append(r.list, x)
			continue
		}
		r.list[r.next] = x
		r.next = (r.next + 1) % recentEntries
	}
}

// find returns an entry, alone in a list; nil when it is not here.
func (r *recent) find(origin clock.SiteID, seq uint64) [][]byte {
	for i := range r.list {
		if x := &r.list[i]; x.seq == seq && x.origin == origin {
			return x.payload
		}
	}
	return nil
}

func (r *recent) clear() { *r = recent{} }
