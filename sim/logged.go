package sim

import (
	"fmt"

	"baraza/clock"
	"baraza/crdt"
	"baraza/node/replica"
)

// Wall is what the clock on a site's wall reads, in microseconds since the Unix
// epoch.
func (w *World) Wall(site int) int64 { return w.Sites[site].clock.micros(w.now) }

// maxDriftMillis is how far ahead of a site's clock what it applies may be
// stamped.
func (w *World) maxDriftMillis() int64 {
	if w.opts.MaxDrift == 0 {
		return replica.DefaultMaxDriftMillis
	}
	return w.opts.MaxDrift.Milliseconds()
}

// SiteID returns the name by which a site, counted from 0, stamps.
func (w *World) SiteID(site int) clock.SiteID { return w.Sites[site].id }

// Logged calls each for the entries that a site logged of its own after a
// number, and returns the number of the last. While the site is down there are
// none.
func (w *World) Logged(site int, after uint64, each func(seq uint64, e *crdt.Entry)) (uint64, error) {
	s := w.Sites[site]
	if !s.up {
		return after, nil
	}
	for upTo := s.r.Log().Vector().Seq(s.id); after < upTo; {
		first, raw, err := s.r.Log().Read(s.id, after, entriesBytes)
		if err != nil {
			return after, err
		}
		if first != after+1 || len(raw) == 0 {
			return after, fmt.Errorf("%s does not have entry %d of its own log: look before it is dropped", s, after+1)
		}
		for _, b := range raw {
			e, err := crdt.DecodeEntry(b)
			if err != nil {
				return after, err
			}
			after++
			each(after, e)
		}
	}
	return after, nil
}
