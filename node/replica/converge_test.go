package replica_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

var (
	flagSeed = flag.Uint64("seed", 0, "run only the history with this seed")
	flagRuns = flag.Int("runs", 300, "how many random histories to run")
)

// history is a random run of some sites.
type history struct {
	sites int
	mode  mode
	tiny  bool // limits: every step spills, most batches are large
	// tidyAt is the step before which all that can be dropped is.
	tidyAt int
	// counting: the numbers of stock are counters from the start.
	counting, stocky bool
	ops              []op
	// newDisk makes the sites' disks, nil for the model's.
	newDisk func(*faults) (disk, error)
}

// newHistory makes a history; those with small seeds are short.
func newHistory(seed uint64, m mode) history {
	rnd := rand.New(rand.NewPCG(seed, 3))
	h := history{sites: 2 + rnd.IntN(4), mode: m, tiny: rnd.IntN(2) == 0}
	kinds := []opKind{
		opWrite, opWrite, opWrite, opWrite, opCapture, opCapture, opTransfer, opTransfer, opTransfer, opTransfer,
		opApply, opApply, opApply, opApply, opRetry,
	}
	if seed%2 > 0 {
		kinds = append(kinds, opPublish, opPublish, opTruncate)
	}
	if seed%3 > 0 {
		kinds = append(kinds, opCrash, opFault, opFault, opSkew)
	}
	if m == counts {
		h.mode, h.stocky = plain, true
	}
	if h.counting = seed%3 == 0 || h.stocky && seed%3 == 1; !h.counting && seed%2 == 0 {
		kinds = append(kinds, opCounter)
	}
	if m == clashes && seed%2 == 0 {
		kinds = append(kinds, opRule)
	}
	for range 10 + int(min(seed, 400)) {
		h.ops = append(h.ops, op{kinds[rnd.IntN(len(kinds))], rnd.IntN(h.sites), rnd.Uint64()})
	}
	if seed%5 == 0 {
		h.tidyAt = len(h.ops) / 2
	}
	if seed%4 == 1 && h.sites > 2 {
		h.ops = slices.Insert(h.ops, rnd.IntN(len(h.ops)), op{opForget, rnd.IntN(h.sites), rnd.Uint64()})
	}
	return h
}

// run returns what went wrong, and what had happened.
func (h history) run() (trace []string, err error) {
	newDisk := h.newDisk
	if newDisk == nil {
		newDisk = func(f *faults) (disk, error) { return newCrashStore(f), nil }
	}
	w, err := newWorldOn(newDisk, h.sites, h.mode, h.tiny)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, s := range w.sites {
			_ = s.store.Close()
		}
		trace = w.trace
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v %s", p, debug.Stack())
		}
	}()
	w.stocky = h.stocky
	if h.counting {
		rnd := seeded(1)
		err := errors.Join(w.sites[0].r.SetCounter(context.Background(), "stock", counters[0]), w.sites[0].r.SetCounter(context.Background(), "stock", counters[1]), w.exchange())
		for _, s := range w.sites {
			err = errors.Join(err, s.lookAtCounters(rnd))
		}
		if w.counting = true; err != nil {
			return w.trace, err
		}
	}
	for i, o := range h.ops {
		if i == h.tidyAt {
			if err := errors.Join(w.exchange(), w.tidy()); err != nil {
				return w.trace, err
			}
		}
		if err := w.run(o); err != nil {
			return w.trace, err
		}
	}
	if err := w.exchange(); err != nil {
		return w.trace, err
	}
	if err := w.check(); err != nil {
		return w.trace, err
	}
	if err := w.tidy(); err != nil {
		return w.trace, err
	}
	return w.trace, w.check()
}

// shrink leaves steps out as long as the history still fails.
func (h history) shrink() history {
	for size := len(h.ops) / 2; size > 0; {
		again := false
		for i := 0; i+size <= len(h.ops); {
			less := h
			less.ops = slices.Delete(slices.Clone(h.ops), i, i+size)
			if _, err := less.run(); err != nil {
				h, again = less, true
			} else {
				i += size
			}
		}
		if !again || size > 1 {
			size /= 2
		}
	}
	return h
}

func runHistories(t *testing.T, m mode) {
	first, last := uint64(1), uint64(*flagRuns)
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	for seed := first; seed <= last; seed++ {
		h := newHistory(seed, m)
		if _, err := h.run(); err == nil {
			continue
		}
		trace, err := h.shrink().run()
		t.Fatalf("%v\nthe shortest history found, of %d sites, tiny limits %v:\n  %s\nreplay: go test ./node/replica -run %s -seed %d",
			err, h.sites, h.tiny, strings.Join(trace, "\n  "), t.Name(), seed)
	}
}

// TestConverge: what must hold wherever no unique values clash: equal tables,
// which are what the log makes by the rules; equal conflicts; nothing lost;
// nothing captured twice or echoed.
func TestConverge(t *testing.T) { runHistories(t, plain) }

// TestCounters: so too with many increments, and counters declared from the
// start or while their table is written.
func TestCounters(t *testing.T) { runHistories(t, counts) }

// TestReferences: so too where rows are deleted that others refer to.
func TestReferences(t *testing.T) { runHistories(t, references) }

// TestFlows: with unique clashes too, nothing stops and nothing is lost.
func TestFlows(t *testing.T) { runHistories(t, clashes) }
