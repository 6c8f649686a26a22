package sim

import (
	"fmt"
	"slices"
	"time"

	"baraza/clock"
	"baraza/gossip"
)

// ExchangeKind is which half of the protocol sites have. Baraza pushes along trees and
// repairs them by what sites announce; by itself each half is one of the two ways in
// which Demers et al., "Epidemic algorithms for replicated database maintenance" (1987),
// spread updates. It is for comparisons: sites in production have both.
type ExchangeKind int

// The kinds. What a connection begins with is the same for all: each end says what it
// has, and subscribes to what it lacks.
const (
	// Both is what sites do.
	Both ExchangeKind = iota
	// PushAlone: sites announce nothing but the first that they have of an origin, to
	// which others subscribe. Where a provider fails, nothing but the next connection
	// tells a site what it lacks.
	PushAlone
	// AntiEntropyAlone: nothing is pushed. Once in Exchange.Every a site tells a peer
	// what it has, and gives it what it asked for.
	AntiEntropyAlone
)

// ExchangeKinds are their names in scenarios.
var ExchangeKinds = []string{"both", "push", "anti-entropy"}

func (k ExchangeKind) String() string { return ExchangeKinds[k] }

// Exchange says how sites exchange entries. The protocol is that of production: what it
// has to say is left out, or waits for the next round.
type Exchange struct {
	Kind  ExchangeKind
	Every time.Duration // of AntiEntropyAlone
}

// Check says what is wrong with it.
func (e Exchange) Check() error {
	if (e.Kind == AntiEntropyAlone) != (e.Every > 0) {
		return fmt.Errorf("exchange: anti-entropy, and no other, has rounds: say how often, as in {kind: anti-entropy, every: 30s}")
	}
	return nil
}

// config is the protocol's, for a site. One that waits for rounds has patience with
// providers for some of them.
func (e Exchange) config(site clock.SiteID) gossip.Config {
	c := gossip.Config{Site: site}
	if e.Kind == AntiEntropyAlone {
		c.HaveDelay, c.AckDelay = e.Every, e.Every
		c.Grace, c.Stall = 3*e.Every, 3*e.Every+time.Minute
	}
	return c
}

// said is what a site said over a connection, where half of the protocol is left out.
type said struct {
	origins []clock.SiteID // that it announced
	open    bool           // it gives what it was asked for
}

// says returns what of a message goes out; false for nothing of it.
func (e Exchange) says(m gossip.Message, s *said) (gossip.Message, bool) {
	have, is := m.(gossip.Have)
	if e.Kind != PushAlone || !is {
		return m, true
	}
	have.Changed = slices.DeleteFunc(have.Changed, func(x clock.Entry) bool { return slices.Contains(s.origins, x.Site) })
	for _, x := range have.Changed {
		s.origins = append(s.origins, x.Site)
	}
	return have, len(have.Changed) > 0
}

// gives reports whether a site gives entries now: where nothing is pushed, from the
// beginning of a round until it has nothing more.
func (e Exchange) gives(s *said) bool { return e.Kind != AntiEntropyAlone || s.open }

// rounds lets a site that starts give its peers in rounds, at moments of its own.
func (s *Site) rounds() {
	every := s.w.opts.Exchange.Every
	if every == 0 {
		return
	}
	var round func()
	round = func() {
		for _, l := range s.links {
			if at := l.sideOf(s); l.up(at) {
				l.conn.side[at].said.open = true
				s.sendTo(l.other(s).id)
			}
		}
		s.pump()
		s.while(every, round)
	}
	s.while(time.Duration(s.rnd.Int64N(int64(every))), round)
}
