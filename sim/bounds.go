package sim

import (
	"fmt"
)

// What a site keeps in memory, and has under way, must not grow with what it
// has to do. The bounds, for one site:
const (
	// lineBytesMax is what may be under way on a line, each way: a message is
	// begun while there is less than the window.
	lineBytesMax = windowBytes + entriesBytes + entryBytesMax
	// entryBytesMax is how large one log entry may be here.
	entryBytesMax = 2 << 20
	// unsyncedMax is how many writes of the store may wait for a sync.
	unsyncedMax = 64
)

// bound is something that is counted and its greatest count.
type bound struct {
	what      string
	count, to int
}

// checkBounds: nothing that is kept in memory is beyond its bound.
func (s *Site) checkBounds() error {
	if !s.up || s.restored.behind {
		return nil
	}
	sites, retired := len(s.w.origins), len(s.w.origins)-len(s.w.Sites)
	held, gossip := s.r.Sizes(), s.p.Sizes()
	arrived := 0
	for _, a := range s.storer.list {
		for _, p := range a.Payloads {
			arrived += len(p)
		}
	}
	bounds := []bound{
		{"bytes that arrived and are not stored", arrived, (len(s.links) + s.couriers) * lineBytesMax},
		{"store writes that are not synced", len(s.disk.undo), unsyncedMax},
		{"contexts of origins", held.Contexts, sites},
		{"origins searched for the end of a batch", held.Scans, sites},
		{"rows to be woken", held.Wake, len(s.oracle.rows)},
		{"interned names", held.Names, sites + columnCount + systemColumns},
		{"origins in the protocol", gossip.Origins, sites},
		{"peers in the protocol", gossip.Peers, retired + len(s.links) + s.couriers + len(s.w.lent.links)},
		{"subscriptions", gossip.Subscriptions, sites * len(s.links)},
		{"commands to be sent", gossip.Commands, sites * len(s.links)},
	}
	if !s.halfway { // else the answer to a release may have been lost: the next step asks
		bounds = append(bounds, bound{"ranges of captured rows that are not released", held.Taken, s.db.Pending()})
	}
	for _, l := range s.links {
		if l.conn != nil {
			bounds = append(bounds, bound{"bytes under way on one line", l.conn.side[l.sideOf(s)].bytes, lineBytesMax})
		}
	}
	for _, b := range bounds {
		if b.count > b.to {
			return fmt.Errorf("%s has %d %s; %d is the bound", s, b.count, b.what, b.to)
		}
	}
	return nil
}

// columnCount is how many columns all tables have.
var columnCount = func() (n int) {
	for _, t := range clinic.Tables {
		n += len(t.Columns)
	}
	return n
}()

// systemColumns are the columns of baraza's own tables.
const systemColumns = 1

// storeKeysPerRow is how many keys a store may have for a row: its state, and
// places in indexes of rows that wait or are set aside.
const storeKeysPerRow = 4

// storeKeysPerSite is how many keys a store may have for a site: how far its log
// goes and from where, what is applied of it, its context, its last word.
const storeKeysPerSite = 6

// checkStore: a store holds the log, and a bounded number of keys for each row
// and each conflict, and for each site. Whatever is staged and forgotten shows
// here. It is asked when all is at rest.
func (s *Site) checkStore() error {
	keys, entries := 0, 0
	if err := s.disk.Scan(nil, nil, func(_, _ []byte) bool { keys++; return true }); err != nil {
		return err
	}
	for _, e := range s.r.Log().Vector() {
		entries += int(e.Seq)
	}
	values := 0 // each may be lost, and is kept while it may be one again
	for _, r := range s.oracle.rows {
		values += (len(r.past) + len(r.facts)) * (len(r.Cells) + 1)
	}
	rows, sites := len(s.oracle.rows), len(s.w.origins)
	most := entries + storeKeysPerRow*rows + values + storeKeysPerSite*sites + columnCount + 16
	if keys > most {
		return fmt.Errorf("the store of %s has %d keys; of %d log entries, %d rows and %d values it may have %d", s, keys, entries, rows, values, most)
	}
	return nil
}
