package replica

import (
	"errors"

	"baraza/clock"
	"baraza/internal/kv"
)

// Bringing a site up by state: a member serves a View of what it has, the
// joining site takes it over with a BringUp, and what the joining site had of
// its own becomes its first batch, the adoption batch. Nothing is replaced
// unseen: rows that only the joining site has go to everyone, and where both
// have a row and differ, the member's values win and the others become
// conflicts at every site.
//
//	view.go      the serving side
//	digest.go    which ranges of a table differ
//	takeover.go  the receiving side, chunk by chunk
//	adoption.go  the adoption batch

// ErrBringUp says that the site waits for its first rows; until it has them it neither
// captures nor applies.
var ErrBringUp = errors.New("this site has not got its first rows yet")

// BeginBringUp makes a store that of a site that is to be brought up by state.
func BeginBringUp(store kv.Store) error {
	b := &kv.Batch{}
	b.Set(metaBringUp, []byte{1})
	return store.Write(b, true)
}

// BringingUp reports whether the site waits for its first rows.
func (r *Replica) BringingUp() bool { return r.bringingUp }

// loadBringUp reads whether the site is to be brought up, and removes what a
// bring-up that was completed may have left.
func (r *Replica) loadBringUp() error {
	b, err := r.cfg.Store.Get(metaBringUp)
	if err != nil {
		return err
	}
	r.bringingUp = b != nil
	if err := r.loadRecover(); err != nil || r.recovering || r.bringingUp {
		return err
	}
	return dropKeys(r.cfg.Store, keyTaken)
}

// dropKeys removes all keys of a kind.
func dropKeys(store kv.Store, kind byte) error {
	for {
		b := &kv.Batch{}
		more := false
		err := store.Scan([]byte{kind}, []byte{kind + 1}, func(k, _ []byte) bool {
			if b.Size() > moveBytes {
				more = true
				return false
			}
			b.Delete(append([]byte(nil), k...))
			return true
		})
		if err != nil || b.Empty() {
			return err
		}
		if err := store.Write(b, false); err != nil || !more {
			return err
		}
	}
}

// Header is what a view says of itself: the point at which it was taken.
type Header struct {
	Site clock.SiteID
	// Vector and Contexts are what the site had applied, and per origin the
	// context of the last batch of it.
	Vector   clock.VersionVector
	Contexts map[clock.SiteID]clock.VersionVector
	// Settled is what the site had said every site has applied (merge.Settled).
	Settled clock.VersionVector
	// Content is, per origin, the last entry that has more than baraza's own
	// rows; nil from an older version.
	Content map[clock.SiteID]uint64
	// Clock is the greatest timestamp that the site had given or seen.
	Clock clock.Timestamp
	// ZoneSeconds is how far the site's database's local time is ahead of UTC.
	ZoneSeconds int
	// Named are the rows that a joining site may have under other identities, by
	// table.
	Named map[string][]NamedRow
	// Tables are the replicated tables, parents before children.
	Tables []string
}
