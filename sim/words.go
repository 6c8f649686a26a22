package sim

import (
	"fmt"

	"baraza/clock"
	"baraza/merge"
	"baraza/node/replica"
)

// What a site still has in its log when every site has everything
// (docs/decisions/0005): nothing but baraza's own rows, as those are no reason to say
// anything; and no word of a site on what it has applied that told nothing new.

// checkKept: the log has nothing else.
func (s *Site) checkKept() error {
	content := s.w.contents()
	for _, origin := range s.w.origins {
		l := s.w.logs[origin.id]
		if l == nil {
			continue
		}
		var before *word
		for i := range l.entries {
			e, seq := &l.entries[i], uint64(i+1)
			kept := seq >= s.r.Log().First(origin.id)
			if kept && seq <= content.Seq(origin.id) {
				return fmt.Errorf("%s keeps entry %d of %s, which has rows, when every site has everything", s, seq, origin)
			}
			applied, settled, says := replica.SaidIn(origin.id, e.Changes)
			if !says {
				continue
			}
			now := &word{applied, settled}
			if kept && before != nil && !now.tells(before, content) {
				return fmt.Errorf("%s says with entry %d nothing that it had not said before: %v, settled %v", origin, seq, applied, settled)
			}
			before = now
		}
	}
	return nil
}

// word is what a site said of what is applied.
type word struct{ applied, settled clock.VersionVector }

// tells reports whether a word is news after another: more is applied of what sites
// wrote, or settled, that was not all applied, or settled.
func (x *word) tells(before *word, content clock.VersionVector) bool {
	for _, c := range content {
		said, settled := before.applied.Seq(c.Site), before.settled.Seq(c.Site)
		if said < c.Seq && said < x.applied.Seq(c.Site) || settled < c.Seq && settled < x.settled.Seq(c.Site) {
			return true
		}
	}
	return false
}

// contents are the last entries of each origin that are of a batch with more than
// baraza's own rows.
func (w *World) contents() (v clock.VersionVector) {
	for _, origin := range w.origins {
		l := w.logs[origin.id]
		if l == nil {
			continue
		}
		last, content := uint64(0), false
		for i := range l.entries {
			e := &l.entries[i]
			content = content && !e.First
			for j := range e.Changes {
				content = content || !merge.IsSystem(e.Changes[j].Table)
			}
			if content {
				last = uint64(i + 1)
			}
		}
		if last > 0 {
			v.Set(clock.Entry{Site: origin.id, Seq: last})
		}
	}
	return v
}
