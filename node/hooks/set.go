package hooks

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"baraza/internal/kv"
	"baraza/node/config"
)

// The wait after a hook that failed, which doubles each time.
const (
	RetryMin = time.Second
	RetryMax = 5 * time.Minute
)

// Options say what hooks stand on.
type Options struct {
	// Site is the name of this site.
	Site string
	App  config.App
	// Store remembers, under Prefix, which hooks have something to tell.
	Store  kv.Store
	Prefix []byte
	Log    *slog.Logger
	// RetryMin and RetryMax are for tests; 0 means the constants.
	RetryMin, RetryMax time.Duration
}

// Set is the hooks of one site. It is safe for concurrent use.
type Set struct {
	hooks []*hook
	off   []State
}

// State is how one hook is.
type State struct {
	Name string
	// Off: the application's address is not set.
	Off bool
	// Rows wait to be told of, as far as they are known one by one; All says
	// that more do.
	Rows int
	All  bool
	// Told is when it last succeeded; zero for never since the start.
	Told time.Time
	// Failures counts those since, Error is the last one's.
	Failures int
	Error    string
}

// What the store knows of a hook: it has told everything, or not. Of one that
// was off it knows nothing, and then everything is to be told.
var (
	markUntold = []byte{0}
	markTold   = []byte{1}
)

// Open reads which hooks have something to tell from before.
func Open(o Options, hooks []config.Hook) (*Set, error) {
	if o.RetryMin == 0 {
		o.RetryMin, o.RetryMax = RetryMin, RetryMax
	}
	s := &Set{}
	client := &http.Client{
		// A redirect is most often a login page, which would answer 200.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for i := range hooks {
		if _, on := hooks[i].Address(o.App); !on {
			s.off = append(s.off, State{Name: hooks[i].Name, Off: true})
			continue
		}
		h := &hook{cfg: hooks[i], o: &o, client: client, wake: make(chan struct{}, 1)}
		if h.cfg.After == 0 {
			h.cfg.After = config.Duration(config.DefaultHookAfter)
		}
		if h.cfg.Timeout == 0 {
			h.cfg.Timeout = config.Duration(config.DefaultHookTimeout)
		}
		s.hooks = append(s.hooks, h)
	}
	return s, s.readMarks(&o)
}

// readMarks reads what the hooks have told, and drops what is known of others.
func (s *Set) readMarks(o *Options) error {
	drop := &kv.Batch{}
	told := map[string]bool{}
	err := o.Store.Scan(o.Prefix, kv.After(o.Prefix), func(k, v []byte) bool {
		name := string(k[len(o.Prefix):])
		if !slices.ContainsFunc(s.hooks, func(h *hook) bool { return h.cfg.Name == name }) {
			drop.Delete(slices.Clone(k))
		}
		told[name] = bytes.Equal(v, markTold)
		return true
	})
	if err != nil {
		return fmt.Errorf("read what hooks have told: %w", err)
	}
	for _, h := range s.hooks {
		if h.allTold = told[h.cfg.Name]; !h.allTold {
			h.pending.everything = true
			h.nudge()
		}
	}
	if drop.Empty() {
		return nil
	}
	if err := o.Store.Write(drop, true); err != nil {
		return fmt.Errorf("forget what hooks have told that are off: %w", err)
	}
	return nil
}

// Run tells until the context ends.
func (s *Set) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, h := range s.hooks {
		all.Go(func() { h.run(ctx) })
	}
	all.Wait()
}

// States returns how the hooks are, in the order of the settings, those that
// are off last.
func (s *Set) States() []State {
	states := make([]State, 0, len(s.hooks)+len(s.off))
	for _, h := range s.hooks {
		states = append(states, h.state())
	}
	return append(states, s.off...)
}

// begin is called before a transaction commits, end after it has, or failed to.
func (s *Set) begin(c *Changes) error {
	for _, h := range s.hooks {
		if err := h.begin(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) end(c *Changes) {
	for _, h := range s.hooks {
		h.end(c)
	}
}
