package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"baraza/clock"
	"baraza/node/replica"
)

const (
	// keptPerSite is how many log entries a site may still have of each origin
	// when everybody has everything: its last words on what it has applied. It is
	// no bound where clocks were wrong: a site's words become due at the others one
	// after the other, and each brings what is settled nearer.
	keptPerSite = 6
	// tidyRounds is how often everybody may speak until all is dropped.
	tidyRounds = 6
)

// tend says what this site has applied, when it is time, and drops a piece of
// what nobody needs any more, as node does.
func (s *Site) tend() (more bool, err error) {
	if err := s.count(context.Background()); err != nil {
		return false, err
	}
	if err := s.tellNumbers(); err != nil {
		return false, err
	}
	every := s.w.opts.Publish
	if every == 0 || s.w.now-s.engine.lastTend < every/tendsPerWord {
		return false, nil
	}
	s.engine.lastTend = s.w.now
	ctx := context.Background()
	if s.w.now-s.engine.lastWord >= every {
		said, err := s.r.PublishApplied(ctx)
		if err != nil {
			return false, err
		}
		s.engine.lastWord = s.w.now
		if said {
			s.w.note("%s says what it has applied", s)
			s.w.fail(s.check())
			s.advanced()
		}
	}
	s.w.fail(s.fold())
	if err := s.settleDoubts(ctx); err != nil {
		return false, err
	}
	more, err = s.r.Truncate(ctx)
	if err != nil {
		return false, err
	}
	s.w.fail(s.checkDropped())
	return more, nil
}

// tendsPerWord is how often a site drops what it can between two words.
const tendsPerWord = 3

// checkDropped: no log entry was dropped that some site has not applied, but for those
// whom the site does not know.
func (s *Site) checkDropped() error {
	for _, origin := range s.w.origins {
		last := s.r.Log().First(origin.id) - 1
		if last <= s.jumped.Seq(origin.id) {
			continue // it never had them
		}
		for _, other := range s.w.Sites {
			if other.away() || other.joining() {
				continue // it will get rows in their place
			}
			has := other.oracle.applied.Seq(origin.id)
			if other.r != nil { // it may have gone down as it got its rows, before anyone looked
				has = max(has, other.r.Applied().Seq(origin.id))
			}
			passed := s.passed[other.id]
			if has < last && !s.knows(other.id) { // who admitted it is gone, or has told nobody yet
				passed.Set(clock.Entry{Site: origin.id, Seq: last})
				s.passed[other.id] = passed
			} else if has < last && last > passed.Seq(origin.id) {
				return fmt.Errorf("%s dropped entries of %s up to %d, and %s has applied %d", s, origin, last, other, has)
			}
		}
	}
	return nil
}

// tidy lets everybody speak until all is dropped, and checks that hardly
// anything is kept.
func (w *World) tidy() error {
	if w.opts.Publish == 0 {
		return nil
	}
	w.forgetAgain()
	for w.membership.leaving > 0 {
		if err := w.Run(w.now + forgetPause); err != nil {
			return err
		}
	}
	if err := w.Run(w.now + tidyRounds*(w.opts.Publish+replica.RetryInterval+w.courierRound())); err != nil {
		return err
	}
	for _, s := range w.members() {
		st, err := s.r.Stability()
		if err != nil {
			return err
		}
		if most := uint64(keptPerSite * len(w.origins)); st.Entries > most && !w.soon.wrongClocks || len(st.Holders) > 0 {
			return fmt.Errorf("%s keeps %d log entries when every site has everything, for %v; %d is the bound", s, st.Entries, st.Holders, most)
		}
		if err := s.checkKept(); err != nil {
			return err
		}
	}
	return nil
}

// publishOf draws how often the sites of a plan say what they have applied: in
// half of the plans never, and logs are kept.
func publishOf(seed uint64) time.Duration {
	rnd := rand.New(rand.NewPCG(seed, 8))
	if rnd.IntN(2) == 0 {
		return 0
	}
	return time.Duration(2+rnd.IntN(20)) * time.Second
}
