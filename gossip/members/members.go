package members

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"baraza/clock"
)

// leaveTimeout bounds how long saying goodbye may take.
const leaveTimeout = 2 * time.Second

// Config are the settings of Members.
type Config struct {
	Self Member
	// Transport carries packets and streams; New takes it over.
	Transport memberlist.Transport
	// Keys are the ring keys (16, 24 or 32 bytes): the first encrypts, all
	// decrypt. There is no plaintext mode.
	Keys [][]byte
	// Log takes memberlist's messages; nil drops them.
	Log *slog.Logger
	// Event is told what happens, one call at a time. It must not block, nor
	// call Members. Nil for none.
	Event func(Event)
	// State gives, and Merge takes, what two members tell each other besides
	// when they exchange their whole states. Neither may block. Nil for none.
	State func() []byte
	Merge func([]byte)
	// Change may alter memberlist's own settings, as tests do.
	Change func(*memberlist.Config)
}

// Kind is what happened to a member.
type Kind int

// The kinds of events.
const (
	Up      Kind = iota + 1
	Down         // seems to be down, or said goodbye
	Changed      // its name or session address
	// Clash: two sites with this identity and different addresses. One that
	// moved looks the same for a moment; if it lasts, a disk was copied.
	Clash
)

func (k Kind) String() string {
	return [...]string{"", "up", "down", "changed", "clash"}[k]
}

// Event is something that happened to a member.
type Event struct {
	Kind   Kind
	Member Member
}

// Members is this site's view of the membership. It is safe for concurrent use.
type Members struct {
	cfg  Config
	list *memberlist.Memberlist
	ring *memberlist.Keyring

	mu   sync.Mutex
	self Member

	// up are the members that seem to be up. memberlist's own list hands out
	// nodes that it goes on writing to.
	upMu sync.Mutex
	up   map[clock.SiteID]Member
}

// New starts to take part. Close ends it.
func New(cfg Config) (*Members, error) {
	if cfg.Event == nil {
		cfg.Event = func(Event) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Keys) == 0 {
		return nil, errors.New("members: no ring key; membership is never sent in the clear")
	}
	if _, err := cfg.Self.meta(memberlist.MetaMaxSize); err != nil {
		return nil, err
	}
	m := &Members{cfg: cfg, self: cfg.Self, up: map[clock.SiteID]Member{}}
	var err error
	if m.ring, err = memberlist.NewKeyring(cfg.Keys, cfg.Keys[0]); err != nil {
		return nil, fmt.Errorf("members: ring key: %w", err)
	}
	c := preset()
	c.Name = cfg.Self.Site.String()
	c.Transport = cfg.Transport
	c.Keyring = m.ring
	c.Logger = logger(cfg.Log)
	c.Delegate, c.Events, c.Conflict, c.Alive = delegate{m}, events{m}, events{m}, events{m}
	if cfg.Change != nil {
		cfg.Change(c)
	}
	if m.list, err = memberlist.Create(c); err != nil {
		return nil, fmt.Errorf("members: %w", err)
	}
	return m, nil
}

// Close says goodbye and stops; the transport is shut down.
func (m *Members) Close() error {
	return errors.Join(m.list.Leave(leaveTimeout), m.list.Shutdown())
}

// Peer is where a site may be reached. Address is host:port.
type Peer struct {
	Site    clock.SiteID
	Address string
}

// Join exchanges states with peers, of whom at least one must answer. It
// blocks as long as dialling them takes.
func (m *Members) Join(peers []Peer) error {
	var at []string
	for _, p := range peers {
		if p.Site != m.cfg.Self.Site {
			at = append(at, p.Site.String()+"/"+p.Address)
		}
	}
	if len(at) == 0 {
		return nil
	}
	if n, err := m.list.Join(at); n == 0 && err != nil {
		return fmt.Errorf("members: no peer answers: %w", err)
	}
	return nil
}

// List returns the members that seem to be up, this site included, in no order.
func (m *Members) List() []Member {
	m.upMu.Lock()
	defer m.upMu.Unlock()
	return slices.Collect(maps.Values(m.up))
}

// SetSelf tells the others a new name or session address of this site.
func (m *Members) SetSelf(name, session string) error {
	m.mu.Lock()
	self := m.self
	self.Name, self.Session = name, session
	_, err := self.meta(memberlist.MetaMaxSize)
	if err == nil {
		m.self = self
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.list.UpdateNode(leaveTimeout)
}

// SetKeys replaces the ring keys: the first encrypts from now on. To rotate
// without losing anyone, add the new key everywhere, then put it first
// everywhere, then drop the old one.
func (m *Members) SetKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return errors.New("members: no ring key; membership is never sent in the clear")
	}
	keep := map[string]bool{}
	for _, k := range keys {
		keep[string(k)] = true
		if err := m.ring.AddKey(k); err != nil {
			return fmt.Errorf("members: ring key: %w", err)
		}
	}
	if err := m.ring.UseKey(keys[0]); err != nil {
		return fmt.Errorf("members: ring key: %w", err)
	}
	for _, k := range m.ring.GetKeys() {
		if !keep[string(k)] {
			if err := m.ring.RemoveKey(k); err != nil {
				return fmt.Errorf("members: ring key: %w", err)
			}
		}
	}
	return nil
}
