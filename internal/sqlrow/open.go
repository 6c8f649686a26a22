package sqlrow

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// What a connection waits for at most, unless the DSN says otherwise.
const (
	dialTimeout  = 10 * time.Second
	readTimeout  = 10 * time.Minute // the longest single statement: TRUNCATE, ALTER, a large DELETE
	writeTimeout = time.Minute
)

// sqlMode is strict, so that a value that does not fit is an error and never
// changed, and lets everything in that another session of another mode may
// have stored: zero dates, invalid dates, 0 in an auto-increment column.
const sqlMode = "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"

// lockWaitSeconds is how long the merge waits for a row that an application
// holds, or for a table whose schema is being changed, before it lets go of its
// own and tries again.
const lockWaitSeconds = "2"

// Open returns a handle whose every connection has baraza's session settings.
// With apply the triggers of capture do not see what it writes, a statement may
// be several, and waits for locks are short.
func Open(dsn string, apply bool) (*sql.DB, error) {
	cfg, err := config(dsn)
	if err != nil {
		return nil, err
	}
	if apply {
		cfg.Params["@baraza_apply"] = "1"
		cfg.Params["innodb_lock_wait_timeout"] = lockWaitSeconds
		cfg.Params["lock_wait_timeout"] = lockWaitSeconds
		cfg.MultiStatements = true // one round trip for many updates
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("the DSN: %w", err)
	}
	db := sql.OpenDB(connector)
	// The server closes idle connections by itself after wait_timeout.
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

// Database returns the database that a DSN names, "" for none.
func Database(dsn string) (string, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "", fmt.Errorf("the DSN is not of the form user:password@tcp(host:port)/database: %w", err)
	}
	return cfg.DBName, nil
}

func config(dsn string) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("the DSN is not of the form user:password@tcp(host:port)/database: %w", err)
	}
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	cfg.Collation = ""
	cfg.ParseTime = false
	cfg.InterpolateParams = true // one round trip for a statement, not three
	cfg.MultiStatements = false
	cfg.ClientFoundRows = true // rows found, not rows changed
	cfg.MaxAllowedPacket = 0   // ask the server, so that what is too large is an error here
	cfg.Logger = &mysql.NopLogger{}
	orElse(&cfg.Timeout, dialTimeout)
	orElse(&cfg.ReadTimeout, readTimeout)
	orElse(&cfg.WriteTimeout, writeTimeout)
	if cfg.Params == nil {
		cfg.Params = make(map[string]string)
	}
	cfg.Params["sql_mode"] = sqlMode
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["foreign_key_checks"] = "1"
	cfg.Params["unique_checks"] = "1"
	cfg.Params["autocommit"] = "1"
	return cfg, nil
}

func orElse(d *time.Duration, otherwise time.Duration) {
	if *d == 0 {
		*d = otherwise
	}
}
