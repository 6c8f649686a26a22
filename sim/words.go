package sim

import (
	"fmt"
	"slices"

	"baraza/clock"
	"baraza/merge"
	"baraza/node/replica"
)

// What a site still has in its log when every site has everything
// (docs/decisions/0005): nothing but baraza's own rows, as those are no reason to say
// anything; and no word of a site on what it has applied that told nothing new.

// checkKept: the log has nothing else, but a batch whose end went with its site.
func (s *Site) checkKept() error {
	content := s.w.contents()
	for _, origin := range s.w.origins {
		l := s.w.logs[origin.id]
		if l == nil {
			continue
		}
		var before *replica.Said
		for i := range l.entries {
			e, seq := &l.entries[i], uint64(i+1)
			kept := seq >= s.r.Log().First(origin.id)
			if kept && seq <= min(content.Seq(origin.id), s.oracle.applied.Seq(origin.id)) {
				return fmt.Errorf("%s keeps entry %d of %s, which has rows, when every site has everything", s, seq, origin)
			}
			now, says := replica.SaidIn(origin.id, e.Changes)
			if !says {
				continue
			}
			if kept && before != nil && !tells(&now, before, content) {
				return fmt.Errorf("%s says with entry %d nothing that it had not said before: %v", origin, seq, now)
			}
			before = &now
		}
	}
	return nil
}

// tells reports whether a word is news after another: more is applied of what sites
// wrote, or settled, that was not all applied, or settled, or a log is closed, or somebody
// counts as forgotten, or it is said that nobody has more of one.
func tells(now, before *replica.Said, content clock.VersionVector) bool {
	if !slices.Equal(now.Closed, before.Closed) || !slices.Equal(now.Heard, before.Heard) || !slices.Equal(now.Laid, before.Laid) {
		return true
	}
	for _, c := range content {
		said, settled := before.Applied.Seq(c.Site), before.Settled.Seq(c.Site)
		if said < c.Seq && said < now.Applied.Seq(c.Site) || settled < c.Seq && settled < now.Settled.Seq(c.Site) {
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
