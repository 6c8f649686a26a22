package replica

import (
	"fmt"
	"slices"

	"baraza/clock"
	"baraza/internal/kv"
	"baraza/merge"
)

// A join that was cut goes on from whichever member is there, and rows that the first one
// gave stay until their entries come. If that member is gone for good before anybody got
// those entries, no other site ever has the rows. So a site remembers what the members
// had from which it tried to get its rows. When what is still missing of that was the
// log of sites that are gone, and all members have said so, its tables are in doubt: what
// it has and others lack becomes known to all. (Rows that a number alone names stay out:
// nobody could tell of which insert they are.)

var metaTried = []byte("mtried/") // member -> what it had when this site tried to get its rows from it

// begins notes that rows are taken over from a member from now on.
func (b *BringUp) begins() error {
	w := &kv.Batch{}
	w.Set(siteKey(metaTried, b.header.Site), encodeVector(b.header.Vector))
	if err := b.r.cfg.Store.Write(w, true); err != nil {
		return fmt.Errorf("note from whom this site gets its rows: %w", err)
	}
	return nil
}

// doubtTried puts the tables in doubt once it is certain that a part of what a member
// gave will never come otherwise.
func (r *Replica) doubtTried() error {
	w, doubt := &kv.Batch{}, false
	var failed error
	err := r.cfg.Store.Scan(metaTried, kv.After(metaTried), func(k, v []byte) bool {
		var lacks, over bool
		if lacks, over, failed = r.missing(decodeVector(v)); over {
			doubt = doubt || lacks
			w.Delete(slices.Clone(k))
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil || w.Empty() {
		return err
	}
	for _, table := range r.merger.Order {
		if !doubt || merge.IsSystem(table) || r.number(table) != "" {
			continue
		}
		if err := r.Doubt(table, "a site is gone for good from which this one began to get its rows"); err != nil {
			return err
		}
	}
	return r.cfg.Store.Write(w, true)
}

// missing reports whether this site lacks a part of what a member had, and whether no
// more of that will come.
func (r *Replica) missing(had clock.VersionVector) (lacks, over bool, err error) {
	for _, e := range had {
		if r.applied.Seq(e.Site) >= e.Seq {
			continue
		}
		lacks = true
		if !slices.Contains(r.gone, e.Site) {
			return lacks, false, nil
		}
		if laid, err := r.laid(e.Site); err != nil || !laid {
			return lacks, false, err
		}
	}
	return lacks, true, nil
}
