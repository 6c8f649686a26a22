package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"baraza/capture"
	"baraza/capture/trigger"
	"baraza/clock"
	"baraza/internal/sqlrow"
	"baraza/merge"
	"baraza/merge/sqldb"
	"baraza/node/config"
	"baraza/schema"
)

// RefusedError lists the tables that cannot be replicated, one line each.
type RefusedError struct{ Problems []schema.Problem }

func (e *RefusedError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Database is the server that one site's database is on, as the node needs it.
// It is used by several goroutines; what Open returns by the engine's only.
type Database interface {
	// Load reads the tables.
	Load(ctx context.Context, o schema.Options) (*schema.Model, error)
	// Reserve makes sure that no process works on the server and that the site
	// may set it up. Nothing says yet whose it is.
	Reserve(ctx context.Context) error
	// Owner is the site whose mark the server has; the zero site for none.
	Owner(ctx context.Context) (clock.SiteID, error)
	// Claim marks the server as this site's, so that two sites never share one,
	// and refuses one that is another site's; with takeOver it takes one whose
	// site does not run. database is the model's, or "" where it is not known
	// yet.
	Claim(ctx context.Context, self clock.SiteID, database string, takeOver bool) error
	// AsApplication runs write in a transaction that capture takes for one of an
	// application's. Where write fails nothing is written.
	AsApplication(ctx context.Context, m *schema.Model, write func(context.Context, merge.Tx) error) error
	// Install sets up capture and apply for the tables of a model; it is called
	// again when the model has changed.
	Install(ctx context.Context, m *schema.Model) error
	// Open returns what the core works through.
	Open(ctx context.Context, m *schema.Model) (merge.Database, capture.Source, error)
	// Scanner reads whole tables beside that.
	Scanner(m *schema.Model) merge.Scanner
	// Signal is a text that changes when the schema may have changed. It costs
	// little, and changes now and then without a reason.
	Signal(ctx context.Context) (string, error)
	// Gaps lists replicated tables whose triggers were taken away.
	Gaps(ctx context.Context, m *schema.Model) ([]string, error)
	// Numbers returns for each table the next number that the database gives a row,
	// 0 where it gives none, and -1 for a table without rows.
	Numbers(ctx context.Context, m *schema.Model) (map[string]int64, error)
	// Pending counts the changes that wait to be captured.
	Pending(ctx context.Context) (uint64, error)
	// Close ends all connections. Nothing of ours is unfinished there.
	Close()
}

// server is a MySQL or MariaDB server.
type server struct {
	app   *sql.DB   // as an application would: capture reads, triggers are made
	apply *sql.DB   // with @baraza_apply set
	held  *sql.Conn // has the lock that one process works here
}

// openServer is openDatabase for Ports.
func openServer(ctx context.Context, dsn config.DSN) (Database, error) {
	d, err := openDatabase(ctx, dsn)
	if err != nil {
		return nil, err // not a Database that holds a nil
	}
	return d, nil
}

func openDatabase(ctx context.Context, dsn config.DSN) (*server, error) {
	name, err := sqlrow.Database(dsn.Reveal())
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, errors.New("the DSN names no database: end it with /DATABASE, as in user:password@tcp(127.0.0.1:3306)/openmrs")
	}
	d := &server{}
	if d.app, err = sqlrow.Open(dsn.Reveal(), false); err != nil {
		return nil, err
	}
	if d.apply, err = sqlrow.Open(dsn.Reveal(), true); err != nil {
		d.Close()
		return nil, err
	}
	if err := d.app.PingContext(ctx); err != nil {
		d.Close()
		return nil, fmt.Errorf("connect to database %s: %w; check that the server runs and that the DSN is right", dsn, err)
	}
	return d, nil
}

// Close implements Database.
func (d *server) Close() {
	if d.held != nil {
		_ = d.held.Close()
	}
	for _, db := range []*sql.DB{d.app, d.apply} {
		if db != nil {
			_ = db.Close()
		}
	}
}

// loadModel reads the tables and refuses those that cannot be replicated.
func loadModel(ctx context.Context, d Database, c *config.Config) (*schema.Model, []schema.Problem, error) {
	m, err := d.Load(ctx, c.Schema())
	if err != nil {
		return nil, nil, err
	}
	var refused, warnings []schema.Problem
	for _, p := range schema.Check(m) {
		if !p.Refused {
			warnings = append(warnings, p)
		} else {
			refused = append(refused, p)
		}
	}
	if len(refused) > 0 {
		return m, warnings, &RefusedError{refused}
	}
	for _, t := range m.Tables {
		if t.Replicated {
			return m, warnings, nil
		}
	}
	return m, warnings, fmt.Errorf("no table of database %s matches the patterns %q: give others with --tables", m.Database, c.Tables)
}

// Claim implements Database: the mark is a row of the schema baraza.
func (d *server) Claim(ctx context.Context, self clock.SiteID, database string, takeOver bool) error {
	if err := d.Reserve(ctx); err != nil {
		return err
	}
	if _, err := d.app.ExecContext(ctx, "INSERT IGNORE INTO baraza.site VALUES (1, ?, ?)", self.String(), database); err != nil {
		return err
	}
	if takeOver {
		_, err := d.app.ExecContext(ctx, "UPDATE baraza.site SET id = ?, db = ?", self.String(), database)
		return err
	}
	return d.checkClaim(ctx, self)
}

// Owner implements Database.
func (d *server) Owner(ctx context.Context) (owner clock.SiteID, err error) {
	var id string
	err = d.app.QueryRowContext(ctx, "SELECT id FROM baraza.site").Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return owner, nil
	}
	if err != nil {
		return owner, fmt.Errorf("read baraza.site: %w", err)
	}
	return clock.ParseSiteID(id)
}

// Reserve implements Database.
func (d *server) Reserve(ctx context.Context) error {
	if err := d.hold(ctx); err != nil {
		return err
	}
	for _, q := range []string{
		"CREATE DATABASE IF NOT EXISTS baraza CHARACTER SET utf8mb4",
		"CREATE TABLE IF NOT EXISTS baraza.site (one TINYINT NOT NULL PRIMARY KEY, id CHAR(32) NOT NULL, db VARCHAR(64) NOT NULL)",
	} {
		if _, err := d.app.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("set up the schema baraza: %w; `baraza doctor` prints the GRANT that is missing", err)
		}
	}
	return nil
}

// hold takes the lock that says that a process works on this server. It goes
// with the connection; a second process is stopped by the marks all the same.
func (d *server) hold(ctx context.Context) error {
	if d.held != nil {
		if d.held.PingContext(ctx) == nil {
			return nil
		}
		_ = d.held.Close()
		d.held = nil
	}
	conn, err := d.app.Conn(ctx)
	if err != nil {
		return err
	}
	var got sql.NullInt64
	if _, err = conn.ExecContext(ctx, "SET SESSION wait_timeout = 31536000"); err == nil {
		err = conn.QueryRowContext(ctx, "SELECT GET_LOCK('baraza', 0)").Scan(&got)
	}
	if err == nil && got.Int64 != 1 {
		err = errors.New("another baraza process works on this database server: stop it first")
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	d.held = conn
	return nil
}

func (d *server) checkClaim(ctx context.Context, self clock.SiteID) error {
	var id, db string
	if err := d.app.QueryRowContext(ctx, "SELECT id, db FROM baraza.site").Scan(&id, &db); err != nil {
		return fmt.Errorf("read baraza.site: %w", err)
	}
	if id != self.String() {
		return fmt.Errorf("this database server already belongs to another baraza site (%s, for database %s): give every site a server of its own; if that site's data directory is lost, take its database into the network again with `baraza invite` at another site and `baraza join` here; if there is no other site, take it out with `baraza tables remove --all --dsn DSN` and run init", id, db)
	}
	return nil
}

// Load implements Database.
func (d *server) Load(ctx context.Context, o schema.Options) (*schema.Model, error) {
	return schema.Load(ctx, d.app, o)
}

// Install implements Database.
func (d *server) Install(ctx context.Context, m *schema.Model) error {
	if err := trigger.Install(ctx, d.app, m); err != nil {
		return fmt.Errorf("install the triggers: %w", err)
	}
	return sqldb.New(d.apply, m).Prepare(ctx)
}

// Open implements Database.
func (d *server) Open(ctx context.Context, m *schema.Model) (merge.Database, capture.Source, error) {
	source, err := trigger.New(ctx, d.app, m)
	if err != nil {
		return nil, nil, err
	}
	return sqldb.New(d.apply, m), source, nil
}

// AsApplication implements Database: the triggers fire on a connection that is not
// one of those that apply.
func (d *server) AsApplication(ctx context.Context, m *schema.Model, write func(context.Context, merge.Tx) error) error {
	tx, err := sqldb.New(d.app, m).Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err := write(ctx, tx); err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return err
	}
	return tx.Commit()
}

// Scanner implements Database.
func (d *server) Scanner(m *schema.Model) merge.Scanner { return sqldb.NewScanner(d.app, m) }

// Pending implements Database.
func (d *server) Pending(ctx context.Context) (n uint64, err error) {
	err = d.app.QueryRowContext(ctx, "SELECT COUNT(*) FROM baraza.log").Scan(&n)
	return n, err
}

// Uninstall takes everything of baraza out of a database server: the triggers
// and the schema baraza. The application's tables stay as they are.
func Uninstall(ctx context.Context, dsn config.DSN) error {
	d, err := openDatabase(ctx, dsn)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := trigger.Uninstall(ctx, d.app); err != nil {
		return err
	}
	_, err = d.app.ExecContext(ctx, "DROP DATABASE IF EXISTS baraza")
	return err
}
