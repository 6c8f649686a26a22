package sim

import (
	"fmt"

	"baraza/clock"
)

// checkOrder: what a site applies comes after all that its writer had seen, but for
// entries that none of the members has any more that the site knows.
func (s *Site) checkOrder(origin identity, seq uint64, seen, applied clock.VersionVector) error {
	if applied.Includes(seen) {
		return nil
	}
	for _, e := range seen {
		had := applied.Seq(e.Site)
		if had >= e.Seq {
			continue
		}
		next := s.w.logs[e.Site].through(had + 1)
		for _, o := range s.w.members() {
			if o.r != nil && !o.away() && s.knows(o.id) && o.r.Log().Vector().Seq(e.Site) >= next {
				return fmt.Errorf("%s applied entry %d of %s before entry %d of %s, which its writer had seen and %s has", s, seq, origin, had+1, e.Site.Short(), o)
			}
		}
	}
	return nil
}
