package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"baraza/internal/mariadb"

	"github.com/go-sql-driver/mysql"
)

const databaseName = "clinic"

// serverArgs are given to every server: durable commits, and room enough that
// no measurement is about a tiny buffer pool or log.
var serverArgs = []string{
	"--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M",
}

// lab is a directory with the servers and sites of one section.
type lab struct {
	o       *Options
	dir     string
	closers []func()
}

func newLab(o *Options, name string) (*lab, error) {
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "baraza-bench-"+name+"-")
	if err != nil {
		return nil, err
	}
	return &lab{o: o, dir: dir}, nil
}

// atEnd adds what is to be closed; the last is closed first.
func (l *lab) atEnd(f func()) { l.closers = append(l.closers, f) }

func (l *lab) close() error {
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
	l.closers = nil
	if l.o.Keep {
		l.o.logf("kept %s", l.dir)
		return nil
	}
	return os.RemoveAll(l.dir)
}

// server is a private server with the tables of the measurements.
type server struct {
	*mariadb.Server
	// db is root's handle on the database of the measurements.
	db *sql.DB
}

// server starts one; its name must be new in this lab. withTables makes the
// tables.
func (l *lab) server(ctx context.Context, name string, withTables bool, opts ...mariadb.Option) (*server, error) {
	opts = append([]mariadb.Option{mariadb.WithArgs(serverArgs...)}, opts...)
	m, err := mariadb.Start(filepath.Join(l.dir, name), opts...)
	if err != nil {
		return nil, err
	}
	l.atEnd(m.Kill)
	root, err := openDB(m.DSN("root", ""))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if _, err := root.ExecContext(ctx, "CREATE DATABASE "+databaseName+" CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"); err != nil {
		return nil, err
	}
	db, err := openDB(m.DSN("root", databaseName))
	if err != nil {
		return nil, err
	}
	l.atEnd(func() { _ = db.Close() })
	s := &server{Server: m, db: db}
	if withTables {
		_, err = db.ExecContext(ctx, schemaSQL)
	}
	return s, err
}

func openDB(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MultiStatements = true
	cfg.InterpolateParams = true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// checksum is the same for two servers exactly when obs holds the same rows,
// the sites' own numbers aside.
func (s *server) checksum(ctx context.Context) (string, error) {
	var n, sum string
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(CAST(CONV(LEFT(MD5(CONCAT_WS('|', uuid, person_id,
		encounter_id, concept_id, obs_datetime, value_numeric, value_text, voided, date_created)), 12), 16, 10) AS UNSIGNED)), 0) FROM obs`).Scan(&n, &sum)
	return n + " rows, sum " + sum, err
}

var errDiffer = errors.New("the tables differ at the end")

// equal fails when two servers do not hold the same rows: a measurement of a
// replication that loses rows is worth nothing.
func equal(ctx context.Context, a, b *server) error {
	x, err := a.checksum(ctx)
	if err != nil {
		return err
	}
	y, err := b.checksum(ctx)
	if err == nil && x != y {
		err = fmt.Errorf("%w: %s at the source, %s at the target", errDiffer, x, y)
	}
	return err
}
