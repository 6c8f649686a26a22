package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// lagPoll is how often the reader looks. It is part of every lag that is
// measured: half of it on average.
const lagPoll = 2 * time.Millisecond

const lagMethod = `
A client writes single-row inserts at the source and notes, for each, when its
commit was acknowledged. A reader on one connection asks the target every 2 ms
for the last row of each writer (an index look-up for each, so that it takes
little of the processor) and notes when the answer came. The lag of a row is the time
from the one to the other, in one process and by one clock. Rows of one writer
arrive in order with both kinds of replication. *Paced* is one connection with
random (exponential) pauses; *full speed* does not pause, and what is left to do
when the writing ends is waited for and counted.`

type lagKind struct {
	name     string
	conns    int
	paced    bool
	p50, p99 bar
}

var lagKinds = []lagKind{
	{"1 connection, paced", 1, true, atMost(40, "%.0f ms"), atMost(100, "%.0f ms")},
	{"1 connection, full speed", 1, false, bar{}, bar{}},
	{"8 connections, full speed", 8, false, bar{}, atMost(250, "%.0f ms")},
}

func measureLag(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "Lag from commit to visible at the peer", lagMethod
	pairs, err := l.pairs(ctx, 1)
	if err != nil {
		return err
	}
	for k, kind := range lagKinds {
		p50, p99, rate := make([][]float64, len(pairs)), make([][]float64, len(pairs)), make([][]float64, len(pairs))
		err := interleave(l.o.Reps, len(pairs), func(rep, v int) error {
			run := &lagRun{kind: kind, pair: pairs[v], person: 1000*(k+1) + 10*rep, o: l.o, seed: uint64(100*k + rep)}
			lags, err := run.measure(ctx)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", kind.name, pairs[v].name(), err)
			}
			a, b := millis(quantile(lags, 0.50)), millis(quantile(lags, 0.99))
			p50[v], p99[v] = append(p50[v], a), append(p99[v], b)
			rate[v] = append(rate[v], run.rate)
			r.rawf("%-26s rep %d  %-14s p50 %8.1f ms  p99 %8.1f ms  max %8.1f ms  %6d rows, written at %s rows/s; %s",
				kind.name, rep+1, pairs[v].name(), a, b, millis(quantile(lags, 1)), len(lags), grouped(run.rate), run.cpu)
			l.o.logf("%s", r.raw[len(r.raw)-1])
			return nil
		})
		if err != nil {
			return err
		}
		reportLag(r, kind, pairs, p50, p99, rate)
	}
	return nil
}

func reportLag(r *result, kind lagKind, pairs []pair, p50, p99, rate [][]float64) {
	// The rate belongs to the lag: whoever slows the writers has less to carry.
	at := func(v int) string { return fmt.Sprintf("at %s rows/s", grouped(median(rate[v]))) }
	last := len(pairs) - 1
	against := fmt.Sprintf("%s: %.1f · %.1f ms %s", pairs[last].name(), median(p50[last]), median(p99[last]), at(last))
	if last == 0 {
		r.add(line{what: kind.name, measured: against})
		return
	}
	for _, l := range []line{
		{what: kind.name + ", p50", bar: kind.p50, value: median(p50[0])},
		{what: kind.name + ", p99", bar: kind.p99, value: median(p99[0])},
	} {
		l.against, l.measured = against, fmt.Sprintf("%.1f ms %s", l.value, at(0))
		r.add(l)
	}
}

// pairs makes two sites and, beside them, a pair of MariaDB's own replication
// for each number of threads.
func (l *lab) pairs(ctx context.Context, threads ...int) (pairs []pair, err error) {
	if !l.o.BaselineOnly {
		p, err := l.barazaPair(ctx)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	for _, n := range threads {
		p, err := l.replicaPair(ctx, n)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	for _, p := range pairs {
		if err := arrived(ctx, p); err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

// lagRun is one repetition. Each writer has a person of its own, whose
// encounters count up from 0.
type lagRun struct {
	kind   lagKind
	pair   pair
	person int
	o      *Options
	seed   uint64

	committed [][]time.Time // by writer and encounter
	sights    []sight
	rate      float64
	cpu       string
}

// sight is what the reader saw: by writer, how many rows.
type sight struct {
	at   time.Time
	rows []int
}

func (r *lagRun) measure(ctx context.Context) ([]time.Duration, error) {
	r.committed = make([][]time.Time, r.kind.conns)
	stop, read := make(chan struct{}), make(chan error, 1)
	before := sample(r.pair.processes())
	go func() { read <- r.read(ctx, stop) }()

	start := time.Now()
	failed := make([]error, r.kind.conns)
	var writers sync.WaitGroup
	for w := range r.kind.conns {
		writers.Go(func() { failed[w] = r.write(ctx, w) })
	}
	writers.Wait()
	wrote := time.Since(start)
	err := errors.Join(failed...)
	if err == nil {
		err = arrived(ctx, r.pair)
	}
	time.Sleep(2 * lagPoll) // a last look
	close(stop)
	if err := errors.Join(err, <-read); err != nil {
		return nil, err
	}
	r.cpu = before.spent(r.pair.processes())
	lags, err := r.lags()
	r.rate = perSecond(len(lags), wrote)
	if err != nil {
		return nil, err
	}
	return lags, equal(ctx, r.pair.source(), r.pair.target())
}

func (r *lagRun) write(ctx context.Context, w int) error {
	c, err := r.pair.source().db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	gen := newGenerator(r.seed, uint64(w))
	end := time.Now().Add(time.Duration(r.o.LagSeconds) * time.Second)
	for n := 0; time.Now().Before(end); n++ {
		if r.kind.paced {
			pause := rand.ExpFloat64() / float64(r.o.LagRate)
			time.Sleep(time.Duration(pause * float64(time.Second)))
		}
		if _, err := c.ExecContext(ctx, gen.insert(r.person+w, n, 1)); err != nil {
			return err
		}
		r.committed[w] = append(r.committed[w], time.Now())
	}
	return nil
}

// read looks at the target until it is stopped.
func (r *lagRun) read(ctx context.Context, stop <-chan struct{}) error {
	c, err := r.pair.target().db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	parts := make([]string, r.kind.conns)
	values, into := make([]sql.NullInt64, r.kind.conns), make([]any, r.kind.conns)
	for w := range parts {
		parts[w] = fmt.Sprintf("(SELECT MAX(encounter_id) FROM obs WHERE person_id = %d)", r.person+w)
		into[w] = &values[w]
	}
	query := "SELECT " + strings.Join(parts, ", ")
	ticker := time.NewTicker(lagPoll)
	defer ticker.Stop()
	for {
		if err := c.QueryRowContext(ctx, query).Scan(into...); err != nil {
			return err
		}
		r.see(time.Now(), values)
		select {
		case <-stop:
			return nil
		case <-ticker.C:
		}
	}
}

func (r *lagRun) see(at time.Time, values []sql.NullInt64) {
	rows := make([]int, len(values))
	news := len(r.sights) == 0
	for w, v := range values {
		if v.Valid {
			rows[w] = int(v.Int64) + 1
		}
		news = news || rows[w] != r.sights[len(r.sights)-1].rows[w]
	}
	if news {
		r.sights = append(r.sights, sight{at, rows})
	}
}

// lags pairs commits with sights. A row may be seen before its writer hears of
// the commit: that is no lag.
func (r *lagRun) lags() (lags []time.Duration, err error) {
	for w, committed := range r.committed {
		next := 0
		for _, s := range r.sights {
			for ; next < s.rows[w] && next < len(committed); next++ {
				lags = append(lags, max(0, s.at.Sub(committed[next])))
			}
		}
		if next < len(committed) {
			err = fmt.Errorf("writer %d: %d of %d rows never seen at the target", w, len(committed)-next, len(committed))
		}
	}
	return lags, err
}
