package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	writeConns  = 4
	writeFilled = 20_000 // rows in the table before, which updates change
	// Large transactions get more rows, for a repetition to last some seconds.
	writeManyFactor = 5
)

const writeMethod = `
Four connections write at full speed to a table of ten columns with an integer
key, a unique uuid and a second index. 100 rows a transaction are one INSERT of
100 rows, or one UPDATE of 100 neighbouring rows. Three servers: one without
triggers; one with baraza's triggers whose process is stopped; one with the
process running and capturing (alone, without peers). What a site still had to
capture when the writing ended is given with the repetitions, and waited for
before the next one.`

type writeKind struct {
	name   string
	perTx  int
	update bool
	bar    bar
}

var writeKinds = []writeKind{
	{"inserts, 1 row a transaction", 1, false, atLeast(0.75, "%.2f×")},
	{"inserts, 100 rows a transaction", 100, false, atLeast(0.60, "%.2f×")},
	{"updates, 1 row a transaction", 1, true, atLeast(0.75, "%.2f×")},
	{"updates, 100 rows a transaction", 100, true, atLeast(0.60, "%.2f×")},
}

// writeVariant is one of the three servers.
type writeVariant struct {
	name    string
	server  *server
	site    *site // nil without triggers
	running bool  // while rows are written
}

func measureWrite(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "Write rate of the application", writeMethod
	variants, err := writeVariants(ctx, l)
	if err != nil {
		return err
	}
	for k, kind := range writeKinds {
		rates := make([][]float64, len(variants))
		err := interleave(l.o.Reps, len(variants), func(rep, v int) error {
			j := job{
				rows: l.o.WriteRows, perTx: kind.perTx, conns: writeConns, update: kind.update, hot: writeFilled,
				seed: uint64(1000*k + rep + 1),
			}
			if kind.perTx > 1 {
				j.rows *= writeManyFactor
			}
			profiled := func() error { return nil }
			if variants[v].running {
				profiled = l.profile(ctx, fmt.Sprintf("%s rep %d", kind.name, rep+1), variants[v].site)
			}
			rate, backlog, err := variants[v].measure(ctx, j)
			err = errors.Join(err, profiled())
			if err != nil {
				return fmt.Errorf("%s, %s: %w", kind.name, variants[v].name, err)
			}
			rates[v] = append(rates[v], rate)
			r.rawf("%-32s rep %d  %-18s %9s rows/s%s", kind.name, rep+1, variants[v].name, grouped(rate), backlog)
			l.o.logf("%s", r.raw[len(r.raw)-1])
			return nil
		})
		if err != nil {
			return err
		}
		reportWrite(r, kind, variants, rates)
	}
	return nil
}

func reportWrite(r *result, kind writeKind, variants []*writeVariant, rates [][]float64) {
	against := grouped(median(rates[0])) + " rows/s without triggers"
	for v := 1; v < len(variants); v++ {
		l := line{what: kind.name + ", " + variants[v].name, against: against, value: median(ratios(rates[v], rates[0]))}
		l.measured = fmt.Sprintf("%.2f× (%s rows/s)", l.value, grouped(median(rates[v])))
		if variants[v].running {
			l.bar = kind.bar
		}
		r.add(l)
	}
	if len(variants) == 1 {
		r.add(line{what: kind.name, measured: against})
	}
}

func writeVariants(ctx context.Context, l *lab) ([]*writeVariant, error) {
	variants := []*writeVariant{
		{name: "no triggers"},
		{name: "process stopped"},
		{name: "process capturing", running: true},
	}
	if l.o.BaselineOnly {
		variants = variants[:1]
	}
	for i, v := range variants {
		var err error
		if v.server, err = l.server(ctx, fmt.Sprintf("server-%d", i), true); err != nil {
			return nil, err
		}
		if err = fill(ctx, v.server, writeFilled); err != nil {
			return nil, err
		}
		if i == 0 {
			continue
		}
		if v.site, err = l.site(fmt.Sprintf("site-%d", i), v.server); err != nil {
			return nil, err
		}
		if err = v.site.init(ctx); err != nil {
			return nil, err
		}
		if v.running {
			if err = v.site.run(ctx); err != nil {
				return nil, err
			}
		}
	}
	return variants, nil
}

// measure writes and leaves nothing to capture behind.
func (v *writeVariant) measure(ctx context.Context, j job) (rate float64, backlog string, err error) {
	who := []process{{"server", v.server.PID()}}
	if v.running {
		who = append(who, process{"site", v.site.pid()})
	}
	before := sample(who)
	took, err := write(ctx, v.server.db, j)
	if spent := "; " + before.spent(who); err != nil || v.site == nil {
		return perSecond(j.rows, took), spent, err
	} else if !v.running {
		backlog = spent
	}
	if !v.running {
		if err := v.site.run(ctx); err != nil {
			return 0, "", err
		}
		if err := v.site.captured(ctx); err != nil {
			return 0, "", err
		}
		return perSecond(j.rows, took), backlog, v.site.stop()
	}
	st, err := v.site.status(ctx)
	if err != nil {
		return 0, "", err
	}
	start := time.Now()
	if err := v.site.captured(ctx); err != nil {
		return 0, "", err
	}
	backlog = fmt.Sprintf("; %d left to capture, which took %.1f s; %s", st.PendingCapture, time.Since(start).Seconds(),
		before.spent(who))
	return perSecond(j.rows, took), backlog, nil
}
