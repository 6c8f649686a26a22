package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"baraza/internal/mariadb"
)

// pair is two servers of which the second gets what is written at the first.
type pair interface {
	name() string
	source() *server
	target() *server
	// cut stops the way from source to target, heal opens it again. Neither
	// waits for the rows.
	cut(ctx context.Context) error
	heal(ctx context.Context) error
	// settle waits until what was written while the pair was cut is as far as
	// it can get.
	settle(ctx context.Context) error
	// processes are what the pair costs, beside the clients.
	processes() []process
	// sites are the pair's, if it has any.
	sites() []*site
	// alive tells why nothing can arrive any more, nil while it can.
	alive() error
}

// lastMark numbers the rows of the table mark.
var lastMark int64

// sendMark writes a row at the source. A target that shows it shows all that
// was written before, for both kinds of pair keep the order of the source.
func sendMark(ctx context.Context, s *server) (int64, error) {
	lastMark++
	_, err := s.db.ExecContext(ctx, "INSERT INTO mark VALUES (?)", lastMark)
	return lastMark, err
}

// awaitMark looks for the row until it is there, or alive says that it will
// never be.
func awaitMark(ctx context.Context, s *server, n int64, interval, within time.Duration, alive func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		var found int
		err := s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM mark WHERE n = ?", n).Scan(&found)
		if err == nil && found == 1 {
			return nil
		}
		if err := alive(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a row did not arrive within %v: %w", within, ctx.Err())
		case <-time.After(interval):
		}
	}
}

// arrived waits until everything written so far is at the target.
func arrived(ctx context.Context, p pair) error {
	const interval, within = 20 * time.Millisecond, 10 * time.Minute
	n, err := sendMark(ctx, p.source())
	if err != nil {
		return err
	}
	if err := awaitMark(ctx, p.target(), n, interval, within, p.alive); err != nil {
		return fmt.Errorf("%s: %w", p.name(), err)
	}
	return nil
}

// arrivedPair makes two sites and waits until the one has what the other had.
func (l *lab) arrivedPair(ctx context.Context) (*barazaPair, error) {
	p, err := l.barazaPair(ctx)
	if err != nil {
		return nil, err
	}
	return p, arrived(ctx, p)
}

// barazaPair is two sites.
type barazaPair struct {
	a, b *site
}

// barazaPair makes two running sites that know each other.
func (l *lab) barazaPair(ctx context.Context) (*barazaPair, error) {
	p, err := l.stoppedPair(ctx)
	if err != nil {
		return nil, err
	}
	return p, p.begin(ctx)
}

// stoppedPair makes two servers with sites that are not set up yet.
func (l *lab) stoppedPair(ctx context.Context) (*barazaPair, error) {
	p := &barazaPair{}
	for _, one := range []struct {
		name string
		site **site
	}{{"a", &p.a}, {"b", &p.b}} {
		s, err := l.server(ctx, "server-"+one.name, true)
		if err != nil {
			return nil, err
		}
		if *one.site, err = l.site(one.name, s); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// begin sets both sites up and starts them.
func (p *barazaPair) begin(ctx context.Context) error {
	if err := p.a.init(ctx); err != nil {
		return err
	}
	if err := p.a.run(ctx); err != nil {
		return err
	}
	if err := p.b.join(ctx, p.a); err != nil {
		return err
	}
	return p.b.run(ctx)
}

func (p *barazaPair) name() string                     { return "baraza" }
func (p *barazaPair) source() *server                  { return p.a.server }
func (p *barazaPair) target() *server                  { return p.b.server }
func (p *barazaPair) cut(context.Context) error        { return p.b.stop() }
func (p *barazaPair) heal(context.Context) error       { return p.b.start() }
func (p *barazaPair) settle(ctx context.Context) error { return p.a.captured(ctx) }
func (p *barazaPair) sites() []*site                   { return []*site{p.a, p.b} }
func (p *barazaPair) alive() error                     { return errors.Join(p.a.alive(), p.b.alive()) }

func (p *barazaPair) processes() []process {
	return []process{
		{"site a", p.a.pid()},
		{"its server", p.a.server.PID()},
		{"site b", p.b.pid()},
		{"its server", p.b.server.PID()},
	}
}

// replicaPair is a primary and a replica of MariaDB's own replication.
type replicaPair struct {
	label            string
	primary, replica *server
}

// replicaPair makes a running pair. With threads above 1 the replica applies
// in parallel, optimistically.
func (l *lab) replicaPair(ctx context.Context, threads int) (*replicaPair, error) {
	p := &replicaPair{label: "MariaDB's own"}
	if threads > 1 {
		p.label = fmt.Sprintf("MariaDB's own, %d threads", threads)
	}
	var err error
	dir := fmt.Sprintf("mariadb-%d-", threads)
	if p.primary, err = l.server(ctx, dir+"primary", false, mariadb.WithBinlog()); err != nil {
		return nil, err
	}
	if p.replica, err = l.server(ctx, dir+"replica", false, mariadb.WithArgs("--server-id=2")); err != nil {
		return nil, err
	}
	if err := p.follow(ctx, threads); err != nil {
		return nil, err
	}
	_, err = p.primary.db.ExecContext(ctx, schemaSQL)
	return p, err
}

// follow starts the replication. The replica's database was made by hand, so
// it begins after the primary's; the tables come by replication.
func (p *replicaPair) follow(ctx context.Context, threads int) error {
	if threads == 1 {
		threads = 0 // that is how MariaDB says: not in parallel
	}
	var at string
	if err := p.primary.db.QueryRowContext(ctx, "SELECT @@gtid_current_pos").Scan(&at); err != nil {
		return err
	}
	_, err := p.replica.db.ExecContext(ctx, fmt.Sprintf(`SET GLOBAL gtid_slave_pos = '%s';
		SET GLOBAL slave_parallel_mode = 'optimistic'; SET GLOBAL slave_parallel_threads = %d;
		CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='root', MASTER_USE_GTID=slave_pos;
		START SLAVE`, at, threads, p.primary.Port()))
	return err
}

func (p *replicaPair) name() string                 { return p.label }
func (p *replicaPair) source() *server              { return p.primary }
func (p *replicaPair) target() *server              { return p.replica }
func (p *replicaPair) settle(context.Context) error { return nil }
func (p *replicaPair) sites() []*site               { return nil }
func (p *replicaPair) alive() error                 { return nil } // its servers' errors show anyway

func (p *replicaPair) cut(ctx context.Context) error {
	_, err := p.replica.db.ExecContext(ctx, "STOP SLAVE")
	return err
}

func (p *replicaPair) heal(ctx context.Context) error {
	_, err := p.replica.db.ExecContext(ctx, "START SLAVE")
	return err
}

func (p *replicaPair) processes() []process {
	return []process{{"primary", p.primary.PID()}, {"replica", p.replica.PID()}}
}

// binlogSize is how many bytes a server has written to its binlog.
func (s *server) binlogSize(ctx context.Context) (int64, error) {
	rows, err := s.db.QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var total int64
	for rows.Next() {
		var name string
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			return 0, err
		}
		total += size
	}
	return total, rows.Err()
}
