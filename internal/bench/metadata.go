package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"baraza/node/store"
)

const metadataMethod = `
A table as that of the write rate, large. Its rows are written by four connections, 100 a
transaction, to a server without triggers and to site A, which captures meanwhile; site B is
stopped and then started, which gives the rate at which it applies. Then both sites run until
their logs are dropped, are stopped, and their stores are compacted and measured: what the
states of rows take, which is what is kept for ever, and all of the store. At last, with B
stopped so that nothing may be forgotten, all rows are deleted at A, and its store is measured:
what is left of a row then is a tombstone with its values. Then B runs again, until A has
forgotten what it may. *The data* is InnoDB's figure for the table
without its secondary indexes.`

// logDroppedWithin is how long two sites may take to drop what both have.
const logDroppedWithin = 20 * time.Minute

// stateKind is the first byte of the keys of row states, see node/replica/keys.go.
const stateKind = 's'

func measureMetadata(ctx context.Context, l *lab, r *result) error {
	r.title, r.method = "A large table, and what is kept of it", metadataMethod
	if l.o.BaselineOnly {
		return nil
	}
	p, err := l.arrivedPair(ctx)
	if err != nil {
		return err
	}
	if err := measureLarge(ctx, l, r, p); err != nil {
		return err
	}
	for _, s := range []*site{p.a, p.b} {
		if err := s.await(ctx, logDroppedWithin, "to drop its log", func(s *status) bool { return s.Log.Unstable == 0 && s.Log.Entries < 100 }); err != nil {
			return err
		}
	}
	for _, s := range []*site{p.a, p.b} {
		if err := measureStore(ctx, l, r, s, map[*site]string{p.a: "written there", p.b: "applied there"}[s]); err != nil {
			return err
		}
	}
	return measureTombstones(ctx, l, r, p)
}

// measureLarge writes the rows and applies them.
func measureLarge(ctx context.Context, l *lab, r *result, p *barazaPair) error {
	plain, err := l.server(ctx, "server-plain", true)
	if err != nil {
		return err
	}
	j := job{rows: l.o.LargeRows, perTx: memoryPerTx, conns: memoryConns, seed: 1}
	without, err := write(ctx, plain.db, j)
	if err != nil {
		return err
	}
	if err := p.cut(ctx); err != nil {
		return err
	}
	with, err := write(ctx, p.source().db, j)
	if err != nil {
		return err
	}
	n, err := sendMark(ctx, p.source())
	if err != nil {
		return err
	}
	start := time.Now()
	if err := p.settle(ctx); err != nil {
		return err
	}
	behind := time.Since(start)
	start = time.Now()
	if err := p.heal(ctx); err != nil {
		return err
	}
	if err := awaitMark(ctx, p.target(), n, catchupPoll, catchupWithin, p.alive); err != nil {
		return err
	}
	applied := time.Since(start)
	rows := grouped(float64(j.rows))
	r.add(line{
		what: rows + " rows written, 100 a transaction, process capturing", against: grouped(perSecond(j.rows, without)) + " rows/s without triggers",
		measured: fmt.Sprintf("%.2f× (%s rows/s), captured %.1f s later", without.Seconds()/with.Seconds(), grouped(perSecond(j.rows, with)), behind.Seconds()),
	})
	r.add(line{what: "applied at the other site", measured: grouped(perSecond(j.rows, applied)) + " rows/s"})
	return equal(ctx, p.source(), p.target())
}

// measureStore measures what a site keeps of rows that were written once.
func measureStore(ctx context.Context, l *lab, r *result, s *site, how string) error {
	data, err := s.server.dataBytes(ctx)
	if err != nil {
		return err
	}
	whole, states, err := s.storeBytes(ctx)
	if err != nil {
		return err
	}
	rows := float64(l.o.LargeRows)
	of := fmt.Sprintf("%.0f bytes of data a row", data/rows)
	r.add(line{what: "states of rows " + how, against: of, bar: atMost(20, "%.1f %%"), value: 100 * states / data, measured: fmt.Sprintf("%.1f %% (%.1f bytes a row)", 100*states/data, states/rows)})
	r.add(line{what: "all of that site's store", against: of, measured: fmt.Sprintf("%.1f %% (%.1f bytes a row)", 100*whole/data, whole/rows)})
	return nil
}

func measureTombstones(ctx context.Context, l *lab, r *result, p *barazaPair) error {
	if err := p.a.run(ctx); err != nil {
		return err
	}
	const perStatement = 1000
	for {
		res, err := p.source().db.ExecContext(ctx, fmt.Sprintf("DELETE FROM obs LIMIT %d", perStatement))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			break
		}
	}
	if err := p.a.captured(ctx); err != nil {
		return err
	}
	_, states, err := p.a.storeBytes(ctx)
	if err != nil {
		return err
	}
	rows := float64(l.o.LargeRows)
	r.add(line{what: "a tombstone that another site lacks, with the row's values", measured: fmt.Sprintf("%.0f bytes", states/rows)})
	for _, s := range []*site{p.a, p.b} {
		if err := s.run(ctx); err != nil {
			return err
		}
	}
	// They are counted now and then: 0 means nothing before the first time.
	counted := false
	if err := p.a.await(ctx, logDroppedWithin, "to forget deleted rows", func(s *status) bool {
		counted = counted || s.Log.Tombstones > 0
		return counted && s.Log.Tombstones == 0
	}); err != nil {
		return err
	}
	if _, states, err = p.a.storeBytes(ctx); err != nil {
		return err
	}
	r.add(line{what: "what is left of a deleted row when every site has said that it knows", bar: atMost(32, "%.1f bytes"), value: states / rows})
	return nil
}

// dataBytes is what InnoDB says that the rows take.
func (s *server) dataBytes(ctx context.Context) (bytes float64, err error) {
	if _, err := s.db.ExecContext(ctx, "ANALYZE TABLE obs"); err != nil {
		return 0, err
	}
	err = s.db.QueryRowContext(ctx, "SELECT DATA_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'obs'").Scan(&bytes)
	return bytes, err
}

// storeBytes stops the site, compacts its store and measures it.
func (b *site) storeBytes(ctx context.Context) (whole, states float64, err error) {
	if err := b.stop(); err != nil {
		return 0, 0, err
	}
	s, err := store.Open(store.Options{Dir: filepath.Join(b.dir, "store")})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = s.Close() }()
	if err := s.Compact(ctx); err != nil {
		return 0, 0, err
	}
	all, err := s.Used([]byte{0}, []byte{0xff})
	if err != nil {
		return 0, 0, err
	}
	some, err := s.Used([]byte{stateKind}, []byte{stateKind + 1})
	return float64(all), float64(some), err
}
