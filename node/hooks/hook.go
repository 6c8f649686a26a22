package hooks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"baraza/internal/kv"
	"baraza/node/config"
)

// hook is one of them.
type hook struct {
	cfg    config.Hook
	o      *Options
	client *http.Client
	wake   chan struct{}

	mu      sync.Mutex
	pending Changes
	// telling is what a call is telling just now; it is only read.
	telling Changes
	// allTold: the store says that everything is told; while something is not, it
	// does not, so that a crash loses nothing. committing counts transactions
	// under way.
	allTold    bool
	committing int
	told       time.Time
	failures   int
	err        string
}

// concerns reports whether the hook tells of any of the changes.
func (h *hook) concerns(c *Changes) bool {
	for name := range c.tables {
		if h.cfg.Tells(name) {
			return true
		}
	}
	return false
}

// begin makes the store remember that there is something to tell, before it
// can be lost. That is one write for each time the hook has told everything.
func (h *hook) begin(c *Changes) error {
	if !h.concerns(c) {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.allTold {
		if err := h.mark(markUntold, true); err != nil {
			return err
		}
		h.allTold = false
	}
	h.committing++
	return nil
}

func (h *hook) end(c *Changes) {
	if !h.concerns(c) {
		return
	}
	h.mu.Lock()
	h.committing--
	h.pending.merge(c, h.cfg.Tells)
	h.mu.Unlock()
	h.nudge()
}

func (h *hook) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *hook) state() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := State{Name: h.cfg.Name, Told: h.told, Failures: h.failures, Error: h.err}
	for _, c := range []*Changes{&h.telling, &h.pending} {
		s.Rows += c.Rows()
		s.All = s.All || c.All()
	}
	return s
}

// run waits for changes, collects for a while, and tells.
func (h *hook) run(ctx context.Context) {
	wait := h.o.RetryMin
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		if !sleep(ctx, time.Duration(h.cfg.After)) {
			return
		}
		for {
			err := h.tell(ctx)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				wait = h.o.RetryMin
				break
			}
			h.o.Log.Warn("a hook failed, trying again", "hook", h.cfg.Name, "error", err, "again_in", wait)
			if !sleep(ctx, wait) {
				return
			}
			wait = min(2*wait, h.o.RetryMax)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// tell tells what there is. What it could not tell stays.
func (h *hook) tell(ctx context.Context) error {
	h.mu.Lock()
	c := h.pending
	h.pending, h.telling = Changes{}, c
	h.mu.Unlock()
	if c.Empty() {
		return nil
	}
	err := h.deliver(ctx, &c)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.telling = Changes{}
	if err != nil {
		later := h.pending
		h.pending = c
		h.pending.merge(&later, h.cfg.Tells)
		if ctx.Err() == nil {
			h.failures++
			h.err = err.Error()
		}
		return err
	}
	h.told, h.failures, h.err = time.Now(), 0, ""
	return h.settle()
}

// settle makes the store remember that there is nothing to tell, when there is
// nothing. That it may forget that in a crash costs one call.
func (h *hook) settle() error {
	if h.allTold || !h.pending.Empty() || h.committing > 0 {
		return nil
	}
	if err := h.mark(markTold, false); err != nil {
		return err
	}
	h.allTold = true
	return nil
}

func (h *hook) mark(value []byte, sync bool) error {
	b := &kv.Batch{}
	b.Set(append(slices.Clone(h.o.Prefix), h.cfg.Name...), value)
	if err := h.o.Store.Write(b, sync); err != nil {
		return fmt.Errorf("remember what hook %s has told: %w", h.cfg.Name, err)
	}
	return nil
}
