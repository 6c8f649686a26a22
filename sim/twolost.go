package sim

import (
	"math/rand/v2"
	"time"
)

// Two sites that are lost at a moment at which others have what the second wrote, and
// not what it had seen of the first: entries that somebody waits for, and that nobody
// has any more, or one who is away for long (docs/decisions/0005-stability.md).

const (
	// twoLostIn is how many plans in which sites come and go there are to one that
	// loses two at a time, and twoLostStream their stream of random numbers.
	twoLostIn     = 2
	twoLostStream = 141
	// twoLostSites is how many sites such a plan has at most.
	twoLostSites = 5
	// twoLostLasts is how long it lasts at least that who still has the entries is
	// away: so long that the others have heard that the two are gone.
	twoLostLasts = forgetWithin + 30*time.Second
	// twoLostBack is in what part of that sites join again.
	twoLostBack = 4
	// twoLostTries is how long the moment is waited for, and twoLostLook how often
	// one looks.
	twoLostTries = time.Minute
	twoLostLook  = 10 * time.Millisecond
)

// loseTwo draws such faults for a plan. Sites forget who is lost while things go on where
// they say what they have applied: in most such plans they do. Not where a number alone
// names rows, and not with counters, R4, R5 and more sites (docs/limits.md).
func (p *Plan) loseTwo(length time.Duration) {
	rnd := rand.New(rand.NewPCG(p.Seed, twoLostStream))
	if p.Sites < 3 || p.Sites > twoLostSites || p.Mix.Rules != Plain || p.Mix.Counters || p.Mix.Numbers != NoNumbers || !p.mayMove() || rnd.IntN(twoLostIn) > 0 {
		return
	}
	if every := time.Duration(2+rnd.IntN(10)) * time.Second; p.Publish == 0 && rnd.IntN(3) > 0 {
		p.Publish = every
	}
	for range 1 + rnd.IntN(2) {
		p.Faults = append(p.Faults, Fault{At: within(rnd, length), For: twoLostLasts + within(rnd, length/2), Kind: TwoLost, Seed: rnd.Uint64()})
	}
}

// twoLost is such a loss in the making.
type twoLost struct {
	w    *World
	rnd  *rand.Rand
	last time.Duration // of waiting for the moment
	lost time.Duration // until they are there again
	heal func()
	// first writes, second reads that and writes; others have what the second wrote.
	// keeper is one who may get what the first wrote, and is away then; nil for none.
	first, second, keeper *Site
	lives                 [2]int
	// wrote are their own entries before and after that, as far as it has come.
	wrote [2]struct{ before, after uint64 }
	step  int // of the two, who is to write next
}

// LoseTwo does so with two sites that a line joins, and away says for how long.
func (w *World) LoseTwo(away time.Duration, rnd *rand.Rand) {
	t := &twoLost{w: w, rnd: rnd, last: w.now + min(away, twoLostTries), lost: away}
	if !t.choose() {
		w.note("no two sites are lost")
		return
	}
	w.note("%s and %s are to be lost", t.first, t.second)
	t.heal = w.Cut("two sites lost", func(from, to int) bool { // what the first writes stays with the three
		a, b := w.Sites[from], w.Sites[to]
		return t.hides(a) && !t.among(b) || t.hides(b) && !t.among(a)
	})
	t.write()
	t.look()
}

func (t *twoLost) hides(s *Site) bool { return s == t.first || s == t.keeper }
func (t *twoLost) among(s *Site) bool { return t.hides(s) || s == t.second }

// choose finds the sites.
func (t *twoLost) choose() bool {
	for _, n := range t.rnd.Perm(len(t.w.Sites)) {
		s := t.w.Sites[n]
		var near []*Site
		for _, l := range s.links {
			if o := l.other(s); l.lent == nil && l.blocked == [2]int{} && l.up(0) && l.up(1) && o.whole() {
				near = append(near, o)
			}
		}
		if !s.whole() || len(near) == 0 {
			continue
		}
		t.rnd.Shuffle(len(near), func(i, j int) { near[i], near[j] = near[j], near[i] })
		t.first, t.second = s, near[0]
		if len(near) > 1 && len(t.w.members()) > 3 && t.rnd.IntN(3) > 0 {
			t.keeper = near[1]
		}
		t.lives = [2]int{t.first.life, t.second.life}
		return true
	}
	return false
}

// whole reports whether a site is a member that does what it should.
func (s *Site) whole() bool {
	return s.up && !s.away() && !s.restored.behind && s.fetch == nil && !s.r.BringingUp()
}

// write lets the site whose turn it is write.
func (t *twoLost) write() {
	s := t.turn()
	t.wrote[t.step].before = s.r.Log().Vector().Seq(s.id)
	s.Write(t.rnd.Uint64())
}

func (t *twoLost) turn() *Site { return [2]*Site{t.first, t.second}[t.step] }

// look looks whether it is time for what comes next.
func (t *twoLost) look() {
	w := t.w
	if w.repaired || w.err != nil {
		return
	}
	if w.now > t.last || !t.first.whole() || !t.second.whole() || t.lives != [2]int{t.first.life, t.second.life} {
		w.note("%s and %s stay", t.first, t.second)
		t.heal()
		return
	}
	s := t.turn()
	if wrote := &t.wrote[t.step]; wrote.after == 0 && s.db.Pending() == 0 {
		if seq := s.r.Log().Vector().Seq(s.id); seq > wrote.before {
			wrote.after = seq
		} else { // it was refused, or changed nothing
			s.Write(t.rnd.Uint64())
		}
	}
	switch {
	case t.wrote[t.step].after == 0:
	case t.step == 0 && t.second.r.Applied().Seq(t.first.id) >= t.wrote[0].after:
		t.step = 1
		t.write()
	case t.step == 1 && t.now():
		t.strike()
		return
	}
	w.after(twoLostLook, t.look)
}

// now reports whether some site has what the second wrote, and only these sites what the
// first did.
func (t *twoLost) now() (yes bool) {
	for _, s := range t.w.Sites {
		if t.among(s) || s.r == nil || s.away() {
			continue
		}
		have := s.r.Log().Vector()
		if have.Seq(t.first.id) >= t.wrote[0].after {
			return false
		}
		yes = yes || have.Seq(t.second.id) >= t.wrote[1].after
	}
	return yes
}

// strike is the moment.
func (t *twoLost) strike() {
	t.heal()
	t.w.note("%s and %s are lost", t.first, t.second)
	if k := t.keeper; k != nil {
		if k.r != nil && k.r.Log().Vector().Seq(t.first.id) >= t.wrote[0].after {
			t.w.note("%s is away, and has what one of them wrote", k)
		}
		t.w.after(t.lost, t.w.Cut("two sites lost", func(from, to int) bool { return from == k.n-1 || to == k.n-1 }))
	}
	for _, s := range []*Site{t.first, t.second} {
		if s == t.first && t.rnd.IntN(3) == 0 { // the database of the second has what both wrote
			s.Leave()
		}
		if !s.left {
			s.LoseDisk(time.Duration(t.rnd.Int64N(int64(max(t.lost/twoLostBack, 1))))) // soon: others have not forgotten them
		}
	}
}
