package bench

import (
	"context"
	"fmt"
	"time"

	"baraza/internal/mariadb"
	"baraza/internal/netcut"
)

const (
	wireConns = 4
	wirePace  = 5 * time.Millisecond // between the rows of the paced writer
	wireQuiet = time.Second          // for acknowledgements after the last row
	wireHot   = 5_000
)

const wireMethod = `
Both sites are reached through relays only, which count every byte of payload of TCP
and UDP in both directions: TLS, acknowledgements, announcements and membership are in
the figure, the headers of TCP, UDP and IP are not. The same statements go to a server with ROW format binlog
and otherwise default settings, whose binlog files are measured; that is what
MariaDB's own replication would send. Those hold each statement's text too
(annotations); a second server leaves them out. Single-row transactions of rows of
about 100 bytes: a random uuid, numbers, dates that go up, one of ten remarks with a
random number. *Paced* is one connection that writes a row every 5 ms or more, so that each
travels nearly alone; *after a cut* is what site B gets when it is started again.`

type wireKind struct {
	name          string
	update, paced bool
	cut           bool
}

var wireKinds = []wireKind{
	{name: "inserts, paced", paced: true},
	{name: "inserts, 4 connections at full speed"},
	{name: "inserts, after a cut", cut: true},
	{name: "updates, 4 connections at full speed", update: true},
}

func measureWire(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "Bytes on the wire", wireMethod
	w, err := l.wire(ctx)
	if err != nil {
		return err
	}
	if !l.o.BaselineOnly {
		if err := w.begin(ctx); err != nil {
			return err
		}
		idle, err := w.idle(ctx)
		if err != nil {
			return err
		}
		r.rawf("idle: %.0f bytes/s both ways", idle)
	}
	for k, kind := range wireKinds {
		var sent, logged, bare []float64
		for rep := range l.o.Reps {
			j := job{rows: l.o.WireRows, perTx: 1, conns: wireConns, update: kind.update, hot: wireHot, seed: uint64(1000*(k+1) + rep)}
			if kind.paced {
				j.rows, j.conns, j.pause = max(j.rows/10, 1), 1, wirePace
			}
			bytes, err := w.measure(ctx, kind, j)
			if err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
			n := float64(j.rows)
			sent, logged, bare = append(sent, bytes.sent/n), append(logged, bytes.logged/n), append(bare, bytes.bare/n)
			r.rawf("%-38s rep %d  wire %6.1f  binlog %6.1f, without annotations %6.1f bytes a change", kind.name, rep+1, sent[rep], logged[rep], bare[rep])
			l.o.logf("%s", r.raw[len(r.raw)-1])
		}
		against := fmt.Sprintf("%.0f bytes of binlog a change (%.0f without annotations)", median(logged), median(bare))
		if w.pair == nil {
			r.add(line{what: kind.name, measured: against})
			continue
		}
		x := median(ratios(sent, logged))
		r.add(line{
			what: kind.name, against: against, bar: atMost(0.3, "%.2f×"), value: x,
			measured: fmt.Sprintf("%.2f× (%.0f bytes)", x, median(sent)),
		})
	}
	return nil
}

// wire is two sites that are joined by relays, and two servers with a binlog:
// as it is by default, and without the statements' texts.
type wire struct {
	lab          *lab
	binlog, bare *server
	pair         *barazaPair
	relays       []*netcut.Relay
}

func (l *lab) wire(ctx context.Context) (w *wire, err error) {
	w = &wire{lab: l}
	if w.binlog, err = l.server(ctx, "binlog", true, mariadb.WithBinlog()); err != nil {
		return nil, err
	}
	if w.bare, err = l.server(ctx, "bare", true, mariadb.WithBinlog(), mariadb.WithArgs("--binlog-annotate-row-events=OFF")); err != nil {
		return nil, err
	}
	for _, s := range []*server{w.binlog, w.bare} {
		if err := fill(ctx, s, wireHot); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *wire) begin(ctx context.Context) (err error) {
	if w.pair, err = w.lab.stoppedPair(ctx); err != nil {
		return err
	}
	if w.relays, err = w.lab.relayed(w.pair.a, w.pair.b); err != nil {
		return err
	}
	if err := w.pair.begin(ctx); err != nil {
		return err
	}
	if err := fill(ctx, w.pair.source(), wireHot); err != nil {
		return err
	}
	return arrived(ctx, w.pair)
}

// relayed puts a relay before each site; it must not be set up yet.
func (l *lab) relayed(sites ...*site) ([]*netcut.Relay, error) {
	var relays []*netcut.Relay
	for _, s := range sites {
		r, err := netcut.New("127.0.0.1:0", s.listen)
		if err != nil {
			return nil, err
		}
		l.atEnd(func() { _ = r.Close() })
		s.advertise = r.Addr()
		relays = append(relays, r)
	}
	return relays, nil
}

// total is how many bytes have passed, membership's packets included.
func total(relays []*netcut.Relay) (n int64) {
	for _, r := range relays {
		n += int64(r.Bytes() + r.PacketBytes())
	}
	return n
}

// idle is how many bytes a second pass when nothing is written.
func (w *wire) idle(ctx context.Context) (float64, error) {
	const watch = 5 * time.Second
	before := total(w.relays)
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(watch):
	}
	return float64(total(w.relays)-before) / watch.Seconds(), nil
}

// passed is how many bytes a job made.
type passed struct{ sent, logged, bare float64 }

// measure does a job at the servers with a binlog and at the sites.
func (w *wire) measure(ctx context.Context, kind wireKind, j job) (p passed, err error) {
	if p.logged, err = logged(ctx, w.binlog, j); err != nil {
		return p, err
	}
	if p.bare, err = logged(ctx, w.bare, j); err != nil || w.pair == nil {
		return p, err
	}
	before := total(w.relays)
	if kind.cut {
		_, _, err = w.lab.cutAndHeal(ctx, w.pair, j, "")
	} else if _, err = write(ctx, w.pair.source().db, j); err == nil {
		err = arrived(ctx, w.pair)
	}
	if err != nil {
		return p, err
	}
	time.Sleep(wireQuiet)
	sent := total(w.relays) - before
	if sent < int64(j.rows) {
		return p, fmt.Errorf("only %d bytes passed the relays for %d rows: the sites do not meet through them", sent, j.rows)
	}
	p.sent = float64(sent)
	return p, equal(ctx, w.pair.source(), w.pair.target())
}

// logged is how many bytes of binlog a job makes.
func logged(ctx context.Context, s *server, j job) (float64, error) {
	before, err := s.binlogSize(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := write(ctx, s.db, j); err != nil {
		return 0, err
	}
	after, err := s.binlogSize(ctx)
	return float64(after - before), err
}
