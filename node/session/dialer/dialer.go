package dialer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"baraza/clock"
)

// Timing. A cut heals within BackoffMax plus AddressesMax dials, and both ends
// try.
const (
	// BackoffMin and BackoffMax bound the wait between attempts; it doubles,
	// and is cut by up to a half at random so that sites do not dial in step.
	BackoffMin = 500 * time.Millisecond
	BackoffMax = 15 * time.Second
	// DialTimeout bounds one attempt at one address, handshake included. A
	// satellite line needs about 3 s.
	DialTimeout = 6 * time.Second
	// AddressesMax bounds the addresses of a peer that are tried in an attempt.
	AddressesMax = 4
	// firstWait is how much longer the site with the greater id waits at first,
	// so that two sites that start together do not both dial.
	firstWait = time.Second
	// steadyAfter is how long a session must have lasted to count as success.
	steadyAfter = 5 * time.Second
	// dialsMax bounds the attempts under way.
	dialsMax = 16
	// lookEvery is how often the book and the sessions are compared.
	lookEvery = 250 * time.Millisecond
)

// Peer is a line of the peer book. Addresses are host:port; a peer without any
// is never dialled, it dials itself.
type Peer struct {
	ID        clock.SiteID
	Name      string
	Addresses []string
}

// Config says what a Dialer works with. The functions are called by several
// goroutines.
type Config struct {
	Self clock.SiteID
	// Book returns all peers. It is asked often and should be quick.
	Book func() []Peer
	// Dial connects to a peer, and fails if it is someone else who answers.
	Dial func(ctx context.Context, peer Peer, address string) (net.Conn, error)
	// Connected tells whether there is a session; Add starts one, and owns the
	// connection from then on.
	Connected func(clock.SiteID) bool
	Add       func(conn net.Conn, peer clock.SiteID) error
	// Rand gives the jitter. It is used by one goroutine.
	Rand *rand.Rand
	// Log takes the first failure of a row of them; nil drops it.
	Log *slog.Logger
	// Once: a peer that could not be reached is tried again only after a Kick.
	// It is for tests of what else heals.
	Once bool
}

// State is how dialling a peer goes.
type State struct {
	Failures int       // in a row
	Error    string    // of the last attempt; "" after a success
	Next     time.Time // the next attempt, if it is needed
}

// Dialer dials. Run makes it work.
type Dialer struct {
	cfg  Config
	kick chan struct{}

	mu    sync.Mutex
	peers map[clock.SiteID]*dialled
}

// dialled is what the dialer remembers of a peer.
type dialled struct {
	State
	busy    bool
	upSince time.Time // zero when there is no session
}

// New returns a Dialer.
func New(cfg Config) *Dialer {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Dialer{cfg: cfg, kick: make(chan struct{}, 1), peers: map[clock.SiteID]*dialled{}}
}

// Kick makes the dialer try every peer now: the book has changed, or the
// network is back.
func (d *Dialer) Kick() {
	d.mu.Lock()
	for _, p := range d.peers {
		p.Next = time.Time{}
	}
	d.mu.Unlock()
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// State returns how dialling a peer goes.
func (d *Dialer) State(id clock.SiteID) State {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.peers[id]; p != nil {
		return p.State
	}
	return State{}
}

// Run dials until the context ends, and then waits for what is under way.
func (d *Dialer) Run(ctx context.Context) {
	var dials sync.WaitGroup
	defer dials.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.kick:
		}
		for _, p := range d.due(time.Now()) {
			dials.Go(func() { d.attempt(ctx, p) })
		}
		timer.Reset(lookEvery)
	}
}

// due returns the peers to be dialled now, and marks them busy.
func (d *Dialer) due(now time.Time) []Peer {
	book := d.cfg.Book()
	byID := make(map[clock.SiteID]Peer, len(book))
	ids := make([]clock.SiteID, 0, len(book))
	for _, p := range book {
		if len(p.Addresses) > 0 {
			byID[p.ID] = p
			ids = append(ids, p.ID)
		}
	}
	up := map[clock.SiteID]bool{}
	for _, id := range ids {
		up[id] = d.cfg.Connected(id)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	busy := d.observe(byID, up, now)
	var due []Peer
	unreachable := func(id clock.SiteID) bool { return !up[id] && d.peers[id].Failures > 0 }
	for _, id := range Targets(d.cfg.Self, ids, unreachable) {
		p := d.peers[id]
		if p.busy || up[id] || now.Before(p.Next) || busy+len(due) >= dialsMax {
			continue
		}
		p.busy = true
		due = append(due, byID[id])
	}
	return due
}

// observe brings what is remembered in line with the book and the sessions,
// and returns how many attempts are under way.
func (d *Dialer) observe(book map[clock.SiteID]Peer, up map[clock.SiteID]bool, now time.Time) (busy int) {
	for id, p := range d.peers {
		if _, known := book[id]; !known && !p.busy {
			delete(d.peers, id)
		}
		if p.busy {
			busy++
		}
	}
	for id := range book {
		p := d.peers[id]
		if p == nil {
			p = &dialled{}
			if d.cfg.Self.Compare(id) > 0 {
				p.Next = now.Add(firstWait)
			}
			d.peers[id] = p
		}
		switch {
		case up[id] && p.upSince.IsZero():
			p.upSince = now
		case up[id] && now.Sub(p.upSince) >= steadyAfter:
			p.State = State{}
		case !up[id] && !p.upSince.IsZero():
			if now.Sub(p.upSince) < steadyAfter {
				d.failed(p, "the session did not last", now)
			}
			p.upSince = time.Time{}
		}
	}
	return busy
}

// attempt tries a peer's addresses in turn.
func (d *Dialer) attempt(ctx context.Context, p Peer) {
	var errs []error
	for _, address := range p.Addresses[:min(len(p.Addresses), AddressesMax)] {
		err := d.dial(ctx, p, address)
		if err == nil || d.cfg.Connected(p.ID) {
			errs = nil
			break
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	if ctx.Err() != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.peers[p.ID]
	s.busy = false
	if err := errors.Join(errs...); err != nil {
		d.failed(s, err.Error(), time.Now())
		if s.Failures == 1 {
			d.cfg.Log.Info("cannot reach a peer, trying on", "peer", p.Name, "error", err)
		}
	}
}

func (d *Dialer) dial(ctx context.Context, p Peer, address string) error {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	conn, err := d.cfg.Dial(ctx, p, address)
	if err != nil {
		return err
	}
	return d.cfg.Add(conn, p.ID)
}

// failed notes a failure and sets the next attempt. The caller holds mu, and
// so has the random source to itself.
func (d *Dialer) failed(p *dialled, why string, now time.Time) {
	wait := Backoff(p.Failures, d.cfg.Rand.Float64())
	if d.cfg.Once {
		wait = math.MaxInt64 / 4
	}
	p.State = State{Failures: p.Failures + 1, Error: why, Next: now.Add(wait)}
}

// Backoff returns how long to wait after so many failures before; chance is
// between 0 and 1.
func Backoff(failures int, chance float64) time.Duration {
	wait := BackoffMax
	if failures < 16 {
		wait = min(BackoffMin<<failures, BackoffMax)
	}
	return wait - time.Duration(chance*float64(wait)/2)
}
