package node

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"baraza/capture"
	"baraza/clock"
	"baraza/merge"
	"baraza/schema"
)

// Rows of a table that a site does not have are kept there until the table comes.
// A table that every site has lost again, as one that was renamed and renamed back,
// would leave them for ever. So once some site has lost a table, every site says
// which tables it has and which it lost when; and what is kept of a table that
// nobody has had for a day is dropped. Where nothing is lost, nothing is said.

const (
	// goneTable is the system table of what the sites say, a row for each site.
	goneTable = merge.SystemPrefix + "tables"
	// goneLong is how long nobody must have had a table: migrations, and hands
	// that went wrong, take a table away for hours.
	goneLong = 24 * time.Hour
	// goneMax bounds how many lost tables a site tells of, in tables: the last.
	goneMax = 1000
	// goneInterval is how often a site looks at all that.
	goneInterval = time.Minute
)

// tableList is what a site says of its tables.
type tableList struct {
	ID  string   `json:"site"`
	Has []string `json:"has"`
	// Gone are the tables that it had, with the time it was seen to have lost
	// them, in milliseconds since the Unix epoch.
	Gone map[string]int64 `json:"gone,omitempty"`
}

// tableLists reads what all sites say.
func (n *Node) tableLists() (lists map[clock.SiteID]tableList, err error) {
	lists = map[clock.SiteID]tableList{}
	err = n.systemRecords(goneTable, func(b []byte) error {
		var l tableList
		if err := json.Unmarshal(b, &l); err != nil {
			return err
		}
		site, err := clock.ParseSiteID(l.ID)
		if err == nil {
			lists[site] = l
		}
		return err
	})
	return lists, err
}

// noteGone writes down which tables this site has lost; it is said by tend.
func (n *Node) noteGone(before, now map[string]knownTable) error {
	gone, err := n.goneTables()
	if err != nil {
		return err
	}
	was := maps.Clone(gone)
	maps.DeleteFunc(gone, func(name string, _ int64) bool { _, has := now[name]; return has })
	for name := range before {
		if _, has := now[name]; !has && n.tables().Tables[name] == nil {
			gone[name] = time.Now().UnixMilli()
		}
	}
	for len(gone) > goneMax {
		oldest := slices.MinFunc(slices.Sorted(maps.Keys(gone)), func(a, b string) int { return int(gone[a] - gone[b]) })
		delete(gone, oldest)
	}
	n.goneLooked = time.Time{}
	if maps.Equal(was, gone) {
		return nil
	}
	b, err := json.Marshal(gone)
	if err != nil {
		return err
	}
	return setKey(n.store, goneKey, b)
}

// goneKey is where the store has the tables that this site lost.
var goneKey = []byte("Tgone")

func (n *Node) goneTables() (gone map[string]int64, err error) {
	gone = map[string]int64{}
	b, err := n.store.Get(goneKey)
	if err == nil && b != nil {
		err = json.Unmarshal(b, &gone)
	}
	return gone, err
}

// tendGone says which tables this site has, when that is news, and forgets a piece
// of one that nobody has. It runs on the engine's goroutine.
func (n *Node) tendGone(ctx context.Context) (more bool, err error) {
	if time.Since(n.goneLooked) < goneInterval {
		return false, nil
	}
	lists, err := n.tableLists()
	if err != nil {
		return false, err
	}
	own := tableList{ID: n.key.ID().String()}
	if own.Gone, err = n.goneTables(); err != nil {
		return false, err
	}
	if len(lists) == 0 && len(own.Gone) == 0 {
		n.goneLooked = time.Now()
		return false, nil
	}
	for _, t := range schema.Order(n.tables()) {
		if t.Replicated {
			own.Has = append(own.Has, t.Name)
		}
	}
	slices.Sort(own.Has)
	if said, ok := lists[n.key.ID()]; !ok || !slices.Equal(said.Has, own.Has) || !maps.Equal(said.Gone, own.Gone) {
		b, err := json.Marshal(own)
		if err != nil {
			return false, err
		}
		if err := n.replica.WriteSystem(ctx, []capture.Row{recordRow(goneTable, n.key.ID(), b, time.Now())}); err != nil {
			return false, err
		}
		n.grown()
		lists[n.key.ID()] = own
	}
	var members []clock.SiteID
	for _, a := range n.book.Members() {
		members = append(members, a.Site)
	}
	long := goneLong
	if n.given.goneLong > 0 {
		long = n.given.goneLong
	}
	for _, table := range nobodys(lists, members, time.Now(), long) {
		if n.tables().Tables[table] != nil {
			continue // here, and left out
		}
		if more, err := n.replica.ForgetTable(ctx, table); more || err != nil {
			return more, err
		}
	}
	n.goneLooked = time.Now()
	return false, nil
}

// nobodys lists the tables that some site had and that no member has had for
// so long, as far as each of them has said; none while one has not.
func nobodys(lists map[clock.SiteID]tableList, members []clock.SiteID, now time.Time, long time.Duration) []string {
	gone := map[string]bool{}
	for _, l := range lists {
		for table := range l.Gone {
			gone[table] = true
		}
	}
	for _, site := range members {
		l, said := lists[site]
		if !said {
			return nil
		}
		for _, table := range l.Has {
			delete(gone, table)
		}
		for table, at := range l.Gone {
			if now.Sub(time.UnixMilli(at)) < long {
				delete(gone, table)
			}
		}
	}
	return slices.Sorted(maps.Keys(gone))
}
