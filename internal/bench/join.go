package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"baraza/internal/netcut"
)

const (
	joinPoll   = 100 * time.Millisecond
	joinWithin = 60 * time.Minute
)

const joinMethod = `
A site with a database that was there before baraza is joined by two others: one
whose server holds the same rows, and one whose tables are empty. The time is from
the join command until the joined site shows a row that only the first site had, has
as many rows as it, and reports nothing left to bring up; then both are compared. Bytes
pass relays and are counted in both directions. Against that, mariadb-dump | mariadb from
the first server into a third on the same machine, before and after; its bytes are those in
the pipe.`

func measureJoin(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "Joining", joinMethod
	source, err := l.server(ctx, "server-first", true)
	if err != nil {
		return err
	}
	if err := fill(ctx, source, l.o.JoinRows); err != nil {
		return err
	}
	dumpBytes, before, err := l.copyByDump(ctx, source, "copy-1")
	if err != nil {
		return err
	}
	r.rawf("mariadb-dump | mariadb         %7.2f s  %12s bytes", before.Seconds(), grouped(dumpBytes))
	l.o.logf("%s", r.raw[0])
	if l.o.BaselineOnly {
		r.add(line{what: "full copy", measured: fmt.Sprintf("%.1f s, %s bytes", before.Seconds(), grouped(dumpBytes))})
		return nil
	}
	first, err := l.joinable(ctx, source)
	if err != nil {
		return err
	}
	same, err := l.server(ctx, "server-same", true)
	if err != nil {
		return err
	}
	if err := fill(ctx, same, l.o.JoinRows); err != nil {
		return err
	}
	empty, err := l.server(ctx, "server-empty", true)
	if err != nil {
		return err
	}
	emptyBytes, emptyTook, err := l.joinOne(ctx, first, "empty", empty, r)
	if err != nil {
		return err
	}
	sameBytes, _, err := l.joinOne(ctx, first, "same", same, r)
	if err != nil {
		return err
	}
	_, after, err := l.copyByDump(ctx, source, "copy-2")
	if err != nil {
		return err
	}
	r.rawf("mariadb-dump | mariadb         %7.2f s", after.Seconds())
	dumpTook := median([]float64{before.Seconds(), after.Seconds()})
	rows, full := grouped(float64(l.o.JoinRows)), fmt.Sprintf("full copy: %s bytes", grouped(dumpBytes))
	r.add(line{
		what: "bytes of joining an equal database of " + rows + " rows", against: full,
		bar: atMost(1, "%.2f %%"), value: 100 * sameBytes / dumpBytes,
	})
	r.add(line{what: "bytes of joining an empty one", against: full, measured: fmt.Sprintf("%.0f %%", 100*emptyBytes/dumpBytes)})
	r.add(line{
		what: "speed of joining an empty one", against: fmt.Sprintf("mariadb-dump \\| mariadb: %.1f s", dumpTook),
		bar: atLeast(1, "%.2f×"), value: dumpTook / emptyTook.Seconds(),
	})
	return nil
}

// joinable makes the first site, behind a relay.
func (l *lab) joinable(ctx context.Context, s *server) (*relayedSite, error) {
	first, err := l.site("first", s)
	if err != nil {
		return nil, err
	}
	relays, err := l.relayed(first)
	if err != nil {
		return nil, err
	}
	if err := first.init(ctx); err != nil {
		return nil, err
	}
	return &relayedSite{first, relays}, first.run(ctx)
}

type relayedSite struct {
	*site
	relays []*netcut.Relay
}

// joinOne lets a new site join and returns the bytes and the time it took.
func (l *lab) joinOne(ctx context.Context, first *relayedSite, name string, s *server, r *result) (float64, time.Duration, error) {
	b, err := l.site(name, s)
	if err != nil {
		return 0, 0, err
	}
	own, err := l.relayed(b)
	if err != nil {
		return 0, 0, err
	}
	n, err := sendMark(ctx, first.server)
	if err != nil {
		return 0, 0, err
	}
	relays := append(own, first.relays...)
	passed, start := total(relays), time.Now()
	if err := b.join(ctx, first.site); err != nil {
		return 0, 0, err
	}
	if err := b.start(); err != nil {
		return 0, 0, err
	}
	profiled := l.profile(ctx, "join "+name, first.site, b)
	if err := b.ready(ctx); err != nil {
		return 0, 0, err
	}
	if err := awaitMark(ctx, s, n, joinPoll, joinWithin, b.alive); err != nil {
		return 0, 0, err
	}
	if err := awaitCount(ctx, first.server, s); err != nil {
		return 0, 0, err
	}
	took := time.Since(start)
	bytes := float64(total(relays) - passed)
	r.rawf("join of the database %-9s %7.2f s  %12s bytes", name, took.Seconds(), grouped(bytes))
	l.o.logf("%s", r.raw[len(r.raw)-1])
	return bytes, took, errors.Join(profiled(), equal(ctx, first.server, s))
}

// awaitCount waits until two servers have as many rows.
func awaitCount(ctx context.Context, a, b *server) error {
	const query = "SELECT COUNT(*) FROM obs"
	var want, got int
	if err := a.db.QueryRowContext(ctx, query).Scan(&want); err != nil {
		return err
	}
	for deadline := time.Now().Add(joinWithin); time.Now().Before(deadline); time.Sleep(joinPoll) {
		if err := b.db.QueryRowContext(ctx, query).Scan(&got); err != nil {
			return err
		}
		if got == want {
			return nil
		}
	}
	return fmt.Errorf("%d rows instead of %d after %v", got, want, joinWithin)
}

// copyByDump copies the tables to a fresh server and returns the bytes in the
// pipe and the time.
func (l *lab) copyByDump(ctx context.Context, from *server, name string) (float64, time.Duration, error) {
	to, err := l.server(ctx, "server-"+name, false)
	if err != nil {
		return 0, 0, err
	}
	dump := exec.CommandContext(ctx, "mariadb-dump", "--no-defaults", "--socket="+from.Socket(), "--user=root", "--single-transaction", "--skip-triggers", databaseName)
	load := exec.CommandContext(ctx, "mariadb", "--no-defaults", "--socket="+to.Socket(), "--user=root", databaseName)
	out, err := dump.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	in, err := load.StdinPipe()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := load.Start(); err != nil {
		return 0, 0, err
	}
	if err := dump.Start(); err != nil {
		return 0, 0, err
	}
	bytes, err := io.Copy(in, out)
	_ = in.Close()
	for _, c := range []*exec.Cmd{dump, load} {
		if waitErr := c.Wait(); err == nil && waitErr != nil {
			err = fmt.Errorf("%s: %w", c.Args[0], waitErr)
		}
	}
	took := time.Since(start)
	if err != nil {
		return 0, 0, err
	}
	return float64(bytes), took, equal(ctx, from, to)
}
