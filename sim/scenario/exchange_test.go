package scenario_test

import (
	"fmt"
	"testing"
	"time"

	"baraza/sim"
	"baraza/sim/measure"
	"baraza/sim/scenario"
)

// said counts what sites send over each connection's end.
type said struct {
	*measure.Recorder
	haves int
	last  map[[2]int]time.Duration
	// rounds are the times between a site's entries to a peer, but for those of one round.
	rounds []time.Duration
}

func (s *said) Attach(w *sim.World) { s.Recorder.Attach(w) }

func (s *said) Sent(m sim.Message) {
	end := [2]int{m.From, m.To}
	switch m.Kind {
	case "have":
		s.haves++
	case "entries":
		if last, is := s.last[end]; is && m.Sent > last {
			s.rounds = append(s.rounds, m.Sent-last)
		}
		s.last[end] = m.Sent
	}
}

// Each half of the protocol by itself spreads everything, at the price that it has:
// all promises hold, and what is left out is left out.
//
// Seen to fail when push alone announces all, and when anti-entropy gives between rounds.
func TestExchange(t *testing.T) {
	const every = 8 * time.Second
	runs := map[string]*said{}
	delays := map[string]float64{}
	for _, kind := range []string{"both", "push", "{kind: anti-entropy, every: 8s}"} {
		s, err := scenario.Read("test.yaml", fmt.Sprintf(`
duration: 10m
sites: 5
topology: {kind: random, degree: 3}
exchange: %s
workload: {rate: 10/min, rows: 30, mix: {insert: 50, update: 50}, large: 0}
faults: [{every: 2m, for: 40s, fault: [one, one-way]}]
`, kind), none)
		if err != nil {
			t.Fatal(err)
		}
		saw := &said{Recorder: measure.New(len(s.Sites), s.Sample, s.Duration, s.Spacetime), last: map[[2]int]time.Duration{}}
		res := run(t, s, scenario.Options{Watch: saw})
		if !res.Held() {
			t.Fatalf("exchange %s: %v %v", kind, res.Err, res.Failed)
		}
		runs[kind] = saw
		delays[kind], _ = res.Measured.Value("delay_p50")
	}
	both, push, rounds := runs["both"], runs["push"], runs["{kind: anti-entropy, every: 8s}"]
	if push.haves == 0 || push.haves*5 > both.haves {
		t.Errorf("pushing alone, sites announce %d times, and %d otherwise", push.haves, both.haves)
	}
	for _, d := range rounds.rounds {
		if d < every {
			t.Fatalf("in rounds of %v a site gives a peer entries after %v", every, d)
		}
	}
	if d := delays["{kind: anti-entropy, every: 8s}"]; d < 2 || delays["both"] > 1 || delays["push"] > 1 {
		t.Errorf("median delays in s: %v", delays)
	}
}
