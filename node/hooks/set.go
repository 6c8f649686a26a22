package hooks

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
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
type Set struct{ hooks []*hook }

// State is how one hook is.
type State struct {
	Name string
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
		h := &hook{cfg: hooks[i], o: &o, client: client, wake: make(chan struct{}, 1)}
		if h.cfg.After == 0 {
			h.cfg.After = config.Duration(config.DefaultHookAfter)
		}
		if h.cfg.Timeout == 0 {
			h.cfg.Timeout = config.Duration(config.DefaultHookTimeout)
		}
		mark, err := o.Store.Get(h.markKey())
		if err != nil {
			return nil, fmt.Errorf("read what hook %s has told: %w", h.cfg.Name, err)
		}
		if mark != nil {
			h.marked, h.pending.everything = true, true
			h.nudge()
		}
		s.hooks = append(s.hooks, h)
	}
	return s, nil
}

// Run tells until the context ends.
func (s *Set) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, h := range s.hooks {
		all.Go(func() { h.run(ctx) })
	}
	all.Wait()
}

// States returns how the hooks are, in the order of the settings.
func (s *Set) States() []State {
	states := make([]State, len(s.hooks))
	for i, h := range s.hooks {
		states[i] = h.state()
	}
	return states
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
