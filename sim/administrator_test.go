package sim

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// behindRows is a chain of three sites whose middle one joined after the first had
// written, so that the last one's only neighbour has rows in place of its log.
func behindRows(t *testing.T, administrator bool) (w *World, first cell, did *[]string) {
	t.Helper()
	did = &[]string{}
	w, err := New(Options{
		Seed: 1, Sites: 3, Rows: 4, Topology: Chain, Latency: Latency{Base: 20 * time.Millisecond}, BytesPerSecond: 2000,
		Joins: []Join{{Site: 1, At: 80 * time.Second}}, Administrator: administrator,
		Trace: func(line string) {
			if strings.Contains(line, "the administrator") {
				*did = append(*did, line)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, w, 10*time.Second)
	for n := range 200 { // they take longer than the rows
		w.Do(Op{Site: 0, Seed: uint64(n)})
		run(t, w, 200*time.Millisecond)
	}
	first = setting(w.Sites[0], 9)
	heal := w.Cut("one line", func(from, to int) bool { return max(from, to) == 2 })
	run(t, w, time.Minute)
	heal()
	if !w.Sites[1].shows(first) {
		t.Fatal("s2 has not joined")
	}
	return w, first, did
}

func run(t *testing.T, w *World, d time.Duration) {
	t.Helper()
	if err := w.Run(w.now + d); err != nil {
		t.Fatal(err)
	}
}

// TestAdministrator: a site whose neighbour was brought up by rows gets what it lacks
// over the line that an administrator gives it, and not without.
//
// Seen to fail when no line is made.
func TestAdministrator(t *testing.T) {
	w, first, did := behindRows(t, true)
	run(t, w, 10*time.Second)
	if w.Sites[2].shows(first) {
		t.Fatal("s3 needs nobody")
	}
	if err := w.Settle(Patience); err != nil {
		t.Error(err)
	}
	if !w.Sites[2].shows(first) || len(*did) != 1 || !strings.Contains((*did)[0], "a line to s1") {
		t.Errorf("s3 shows it: %v; %q", w.Sites[2].shows(first), *did)
	}
	w, _, _ = behindRows(t, false)
	if err := w.Settle(Patience); !errors.Is(err, ErrNotSettled) {
		t.Errorf("without an administrator: %v", err)
	}
}

// TestAdministratorLetsJoinAgain: where nobody has the entries any more, the site
// joins again.
//
// Seen to fail when the administrator gives up.
func TestAdministratorLetsJoinAgain(t *testing.T) {
	w, first, did := behindRows(t, true)
	w.Sites[0].Leave()
	news := setting(w.Sites[2], 2)
	if err := w.Settle(Patience); err != nil {
		t.Error(err)
	}
	for _, s := range w.Sites[1:] {
		if !s.shows(first) || !s.shows(news) {
			t.Errorf("%s shows the first %v, the second %v", s, s.shows(first), s.shows(news))
		}
	}
	if len(*did) != 1 || !strings.Contains((*did)[0], "join again") {
		t.Errorf("%q", *did)
	}
}
