package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"baraza/sim/counterfactual"
	"baraza/sim/report"
	"baraza/sim/scenario"
)

// Options are what a sweep is run with.
type Options struct {
	// Dir takes the table of runs; what is in it is not run again.
	Dir string
	// Workers is how many runs go on at once.
	Workers int
	// Done is called after each run with how many are done of how many, those of
	// earlier times among them; nil for none. It is never called twice at once.
	Done func(r *Result, done, all int)
}

// Do runs what is not yet in the table, and returns the results of all runs, in
// the order of Runs. When it is stopped, the runs that ended are in the table.
func (s *Sweep) Do(ctx context.Context, o Options) (results []Result, err error) {
	t, done, err := openTable(s, o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.file.Close()) }()
	runs := s.Runs()
	have := map[Run]bool{}
	for _, r := range done {
		if have[r.Run] {
			return nil, fmt.Errorf("%s: %s seed %d is there twice: take one line out", t.file.Name(), strings.Join(s.Labels(&s.Points[r.Point]), " "), r.Seed)
		}
		have[r.Run] = true
	}
	todo := slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return have[r] })
	err = s.all(ctx, o.Workers, todo, func(r *Result) error {
		if err := t.append(r); err != nil {
			return fmt.Errorf("a run could not be written down: %w: make room and run the sweep again", err)
		}
		if err := s.keep(o.Dir, r); err != nil {
			return err
		}
		done = append(done, *r)
		if o.Done != nil {
			o.Done(r, len(done), len(runs))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("stopped after %d of %d runs, which are kept: the same command goes on with the others: %w", len(done), len(runs), err)
	}
	slices.SortFunc(done, func(a, b Result) int { return slices.Index(runs, a.Run) - slices.Index(runs, b.Run) })
	return done, nil
}

// all runs a list on so many workers, and calls each for the results one by
// one, as they come. The first error ends it.
func (s *Sweep) all(ctx context.Context, workers int, todo []Run, each func(*Result) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	jobs := make(chan Run)
	var mu sync.Mutex
	var first error
	var group sync.WaitGroup
	for range max(min(workers, len(todo)), 1) {
		group.Go(func() {
			for job := range jobs {
				r, err := s.one(ctx, job)
				mu.Lock()
				if err == nil && first == nil {
					err = each(r)
				}
				if err != nil && first == nil {
					first = err
					stop()
				}
				mu.Unlock()
			}
		})
	}
	for _, job := range todo {
		select {
		case jobs <- job:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(jobs)
	group.Wait()
	if first == nil {
		first = ctx.Err()
	}
	return first
}

// one runs a point with a seed.
func (s *Sweep) one(ctx context.Context, job Run) (*Result, error) {
	sc := s.Points[job.Point].Scenario
	o := scenario.Options{Seed: job.Seed}
	var other *counterfactual.Watcher
	if s.Counterfactual {
		other = counterfactual.New(len(sc.Sites))
		o.Watch = other
	}
	began := time.Now()
	res, err := sc.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	r := &Result{
		Run: job, Outcome: Held, Took: time.Since(began),
		Hash: report.HashText(res.Hash), Steps: res.Steps, Simulated: res.Simulated,
	}
	if !res.Held() {
		r.Outcome = strings.Join(strings.Fields(report.Verdict(res)), " ") // a run is a line
	}
	if res.Err != nil {
		return r, nil
	}
	for _, m := range s.Metrics() {
		if v, ok := res.Measured.Value(m.Name); ok {
			r.Figures = append(r.Figures, v)
		}
	}
	if other != nil {
		c, err := other.Count()
		if err != nil {
			return nil, err
		}
		for _, m := range counterfactual.Metrics {
			r.Figures = append(r.Figures, m.Value(c))
		}
	}
	return r, nil
}

// Scenario is where the scenario of a run that did not hold is kept.
func (s *Sweep) Scenario(dir string, r *Result) string {
	return filepath.Join(dir, "broken", s.Points[r.Point].Hash+".yaml")
}

// keep writes the scenario of a run that did not hold, with what it names, so
// that it can be run by itself.
func (s *Sweep) keep(dir string, r *Result) error {
	if r.Outcome == Held {
		return nil
	}
	name, sc := s.Scenario(dir, r), s.Points[r.Point].Scenario
	write := func(name, text string) error {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		return os.WriteFile(name, []byte(text), 0o600)
	}
	for other, text := range sc.Files {
		if !filepath.IsLocal(filepath.FromSlash(other)) {
			continue // it cannot lie beside the scenario; the run will name it
		}
		if err := write(filepath.Join(filepath.Dir(name), filepath.FromSlash(other)), text); err != nil {
			return err
		}
	}
	return write(name, sc.Text)
}
