package bench

import (
	"context"
	"fmt"
)

const memoryMethod = `
The most memory a site's process ever had resident (VmHWM), on fresh processes. *At once*:
both sites are stopped, the rows are written (100 a transaction, 4 connections), site A is
started and captures everything in one reading, then site B is started and gets it. *As
written*: only site B is stopped, A captures while rows are written; then B is started.`

const (
	memoryConns = 4
	memoryPerTx = 100
)

func measureMemory(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "Memory with a backlog", memoryMethod
	if l.o.BaselineOnly {
		return nil
	}
	p, err := l.arrivedPair(ctx)
	if err != nil {
		return err
	}
	for i, atOnce := range []bool{true, false} {
		if err := measureBacklog(ctx, l, r, p, atOnce, uint64(i+1)); err != nil {
			return err
		}
	}
	return nil
}

func measureBacklog(ctx context.Context, l *lab, r *result, p *barazaPair, atOnce bool, seed uint64) error {
	for _, s := range []*site{p.a, p.b} {
		if err := s.stop(); err != nil {
			return err
		}
	}
	if !atOnce {
		if err := p.a.run(ctx); err != nil {
			return err
		}
	}
	if _, err := write(ctx, p.source().db, job{rows: l.o.MemoryRows, perTx: memoryPerTx, conns: memoryConns, seed: seed}); err != nil {
		return err
	}
	n, err := sendMark(ctx, p.source())
	if err != nil {
		return err
	}
	if atOnce {
		if err := p.a.run(ctx); err != nil {
			return err
		}
	}
	if err := p.a.captured(ctx); err != nil {
		return err
	}
	how := map[bool]string{true: "at once", false: "as written"}[atOnce]
	if err := reportPeak(l, r, p.a, "captured "+how); err != nil {
		return err
	}
	if err := p.b.start(); err != nil {
		return err
	}
	if err := awaitMark(ctx, p.target(), n, 10*catchupPoll, catchupWithin, p.alive); err != nil {
		return err
	}
	if err := reportPeak(l, r, p.a, "captured "+how+" and sent"); err != nil {
		return err
	}
	if err := reportPeak(l, r, p.b, "applied, captured "+how); err != nil {
		return err
	}
	return equal(ctx, p.source(), p.target())
}

func reportPeak(l *lab, r *result, s *site, what string) error {
	const mib = 1 << 20
	peak, err := peakMemory(s.pid())
	if err != nil {
		return err
	}
	v := float64(peak) / mib
	r.add(line{
		what: fmt.Sprintf("%s changes %s, site %s", grouped(float64(l.o.MemoryRows)), what, s.name),
		bar:  atMost(256, "%.0f MiB"), value: v,
	})
	l.o.logf("%s, site %s: %.0f MiB", what, s.name, v)
	return nil
}
