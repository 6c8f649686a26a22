package bench

import (
	"context"
	"fmt"
	"time"
)

const (
	catchupConns   = 4
	catchupThreads = 4
	catchupPoll    = 5 * time.Millisecond
	catchupWithin  = 15 * time.Minute
)

const catchupMethod = `
The way from source to target is cut (site B is stopped; the replica's STOP SLAVE),
four connections write single-row transactions at the source, the last one being a
row of a second table; then the way is opened (site B is started; START SLAVE) and
the target asked every 5 ms for that last row. The time is from the command that
opens to the answer, so it holds the start of B's process and its reconnecting;
an *empty* cut, with nothing missed but that row, shows how much that is. Site A
captures during the cut, as MariaDB's primary writes its binlog then. At the end
both tables are compared.`

type catchupKind struct {
	name   string
	update bool
	bar    bar
}

var catchupKinds = []catchupKind{
	{"single-row inserts", false, atLeast(3, "%.1f×")},
	{"many updates per row", true, atLeast(10, "%.1f×")},
}

func measureCatchup(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "Catch-up after a cut", catchupMethod
	pairs, err := l.pairs(ctx, 1, catchupThreads)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if err := fill(ctx, p.source(), l.o.HotRows); err != nil {
			return err
		}
		if err := arrived(ctx, p); err != nil {
			return err
		}
	}
	if err := measureEmptyCuts(ctx, l, r, pairs); err != nil {
		return err
	}
	for k, kind := range catchupKinds {
		rates := make([][]float64, len(pairs))
		err := interleave(l.o.Reps, len(pairs), func(rep, v int) error {
			label := fmt.Sprintf("%s rep %d", kind.name, rep+1)
			j := job{
				rows: l.o.CatchupRows, perTx: 1, conns: catchupConns, update: kind.update, hot: l.o.HotRows,
				seed: uint64(1000*(k+1) + rep),
			}
			took, cpu, err := l.cutAndHeal(ctx, pairs[v], j, label)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", kind.name, pairs[v].name(), err)
			}
			rates[v] = append(rates[v], perSecond(j.rows, took))
			r.rawf("%-28s %-26s %7.2f s %8s rows/s; %s", label, pairs[v].name(), took.Seconds(), grouped(perSecond(j.rows, took)), cpu)
			l.o.logf("%s", r.raw[len(r.raw)-1])
			return nil
		})
		if err != nil {
			return err
		}
		reportCatchup(r, kind, pairs, rates)
	}
	return nil
}

func measureEmptyCuts(ctx context.Context, l *lab, r *result, pairs []pair) error {
	took := make([][]float64, len(pairs))
	err := interleave(l.o.Reps, len(pairs), func(_, v int) error {
		d, _, err := l.cutAndHeal(ctx, pairs[v], job{conns: 1, perTx: 1}, "")
		took[v] = append(took[v], d.Seconds())
		return err
	})
	if err != nil {
		return fmt.Errorf("an empty cut: %w", err)
	}
	for v, p := range pairs {
		r.rawf("empty cut                    %-26s %s s", p.name(), each("%.2f", took[v]))
		l.o.logf("%s", r.raw[len(r.raw)-1])
	}
	return nil
}

// cutAndHeal is one repetition: how long the target takes to have everything,
// and what each process used for it.
func (l *lab) cutAndHeal(ctx context.Context, p pair, j job, label string) (time.Duration, string, error) {
	if err := p.cut(ctx); err != nil {
		return 0, "", err
	}
	if _, err := write(ctx, p.source().db, j); err != nil {
		return 0, "", err
	}
	n, err := sendMark(ctx, p.source())
	if err != nil {
		return 0, "", err
	}
	if err := p.settle(ctx); err != nil {
		return 0, "", err
	}
	before := sample(p.processes())
	start := time.Now()
	if err := p.heal(ctx); err != nil {
		return 0, "", err
	}
	profiled := l.profile(ctx, label, p.sites()...)
	if err := awaitMark(ctx, p.target(), n, catchupPoll, catchupWithin, p.alive); err != nil {
		return 0, "", err
	}
	took := time.Since(start)
	spent := before.spent(p.processes())
	if err := profiled(); err != nil {
		return 0, "", err
	}
	return took, spent, equal(ctx, p.source(), p.target())
}

func reportCatchup(r *result, kind catchupKind, pairs []pair, rates [][]float64) {
	last := len(pairs) - 1 // MariaDB's parallel rate
	for v := 1; v <= last && len(pairs) == 3; v++ {
		l := line{
			what:    fmt.Sprintf("%s: %s rows/s", kind.name, grouped(median(rates[0]))),
			against: fmt.Sprintf("%s: %s rows/s", pairs[v].name(), grouped(median(rates[v]))),
			value:   median(ratios(rates[0], rates[v])),
		}
		l.measured = fmt.Sprintf("%.1f×", l.value)
		if v == last {
			l.bar = kind.bar
		}
		r.add(l)
	}
	if len(pairs) < 3 {
		for v, p := range pairs {
			r.add(line{what: kind.name, against: p.name(), measured: grouped(median(rates[v])) + " rows/s"})
		}
	}
}
