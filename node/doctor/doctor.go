package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"

	"baraza/node/config"
	"baraza/schema"
)

const (
	connectWithin = 10 * time.Second
	readWithin    = time.Minute
)

// Options say what to look at.
type Options struct {
	// Schema says which tables are to be replicated.
	Schema schema.Options
	// Profile is the profile that Schema began with: what becomes of each table is
	// told, with the profile's reasons. nil for none.
	Profile *config.Profile
	// AutoIncrement is who gives out which numbers, for a site that is set up; nil
	// where that is not known.
	AutoIncrement *config.AutoIncrement
	// Verbose lists every table, not only those with something to say.
	Verbose bool
	// MaxDrift is how far the server's clock may be from this machine's.
	MaxDrift time.Duration
	// Now is this machine's clock.
	Now func() time.Time
}

// patient is the server that is looked at.
type patient struct {
	db     *sql.DB
	report *Report
	opts   Options
	// set by server
	mariadb bool
	version version
	// database is the one that the DSN names, user is CURRENT_USER.
	database, user string
	grants         *grants
}

// Examine looks at the server of a DSN. The error says that it cannot be
// reached; what is wrong with it is in the report.
func Examine(ctx context.Context, dsn config.DSN, opts Options) (*Report, error) {
	if err := dsn.Check(); err != nil {
		return nil, err
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxDrift == 0 {
		opts.MaxDrift = config.DefaultMaxDrift
	}
	cfg, err := mysql.ParseDSN(dsn.Reveal())
	if err != nil {
		return nil, fmt.Errorf("the dsn cannot be read: %s", dsn) // checked above
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = connectWithin
	}
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = readWithin
	}
	cfg.InterpolateParams = true
	cfg.Logger = &mysql.NopLogger{} // the errors come back to us as well
	database := cfg.DBName
	db, err := connect(ctx, cfg)
	var refused *mysql.MySQLError
	denied := errors.As(err, &refused) && refused.Number == errDatabaseDenied
	if denied { // the grants can be looked at all the same
		cfg.DBName = ""
		db, err = connect(ctx, cfg)
	}
	if err != nil {
		return nil, unreachable(dsn, err)
	}
	defer db.Close()
	p := &patient{db: db, report: &Report{}, opts: opts, database: database}
	for _, check := range []struct {
		subject string
		run     func(context.Context) error
	}{
		{"server", p.server},
		{"grants", p.checkGrants},
		{"capture", p.capture},
		{"clock", p.clock},
		{"settings", p.settings},
		{"site", p.site},
		{"tables", p.tables},
	} {
		if denied && check.subject == "tables" {
			p.report.add(Problem, "tables", "not looked at: "+p.user+" may not use database "+database, "grant what is missing, then run the doctor again")
			continue
		}
		if err := check.run(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("the doctor was stopped while looking at %s: %w", check.subject, err)
			}
			p.report.add(Problem, check.subject, "this could not be looked at: "+err.Error(), "")
		}
	}
	return p.report, nil
}

// connect opens the one connection that everything is asked on: the session's
// settings are looked at too.
func connect(ctx context.Context, cfg *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, errors.New("the dsn cannot be used") // its own words could hold the password
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// The server's error numbers that have a remedy of their own.
const (
	errAccessDenied     = 1045
	errDatabaseDenied   = 1044
	errUnknownDatabase  = 1049
	errTooManyConnected = 1040
)

// unreachable says why there is no connection, and what to do.
func unreachable(dsn config.DSN, err error) error {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		switch server.Number {
		case errAccessDenied:
			return fmt.Errorf("%s: the server does not let this user in: check user, password and the host it may come from", dsn)
		case errUnknownDatabase:
			return fmt.Errorf("%s: the server has no such database: check the name after the slash", dsn)
		case errTooManyConnected:
			return fmt.Errorf("%s: the server has no connection free: raise max_connections", dsn)
		}
		return fmt.Errorf("%s: %s", dsn, server.Message)
	}
	var network net.Error
	if errors.As(err, &network) {
		return fmt.Errorf("%s: no server answers there: check that it runs, its address and port: %w", dsn, err)
	}
	return fmt.Errorf("%s: %w", dsn, err)
}

// variable returns a global variable, "" where the server has none of the name.
func (p *patient) variable(ctx context.Context, name string) (string, error) {
	var n, value string
	err := p.db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name = ?", name).Scan(&n, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// on reports whether the value of a variable means yes.
func on(value string) bool { return value == "ON" || value == "1" || value == "YES" }
