package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"baraza/capture/trigger"
	"baraza/clock"
	"baraza/internal/sqlrow"
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

// database is the site's connections to its server.
type database struct {
	app   *sql.DB // as an application would: capture reads, triggers are made
	apply *sql.DB // with @baraza_apply set
}

func openDatabase(ctx context.Context, dsn config.DSN) (*database, error) {
	name, err := sqlrow.Database(dsn.Reveal())
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, errors.New("the DSN names no database: end it with /DATABASE, as in user:password@tcp(127.0.0.1:3306)/openmrs")
	}
	d := &database{}
	if d.app, err = sqlrow.Open(dsn.Reveal(), false); err != nil {
		return nil, err
	}
	if d.apply, err = sqlrow.Open(dsn.Reveal(), true); err != nil {
		d.close()
		return nil, err
	}
	if err := d.app.PingContext(ctx); err != nil {
		d.close()
		return nil, fmt.Errorf("connect to database %s: %w; check that the server runs and that the DSN is right", dsn, err)
	}
	return d, nil
}

func (d *database) close() {
	for _, db := range []*sql.DB{d.app, d.apply} {
		if db != nil {
			_ = db.Close() // nothing of ours is unfinished there
		}
	}
}

func schemaOptions(c *config.Config) schema.Options {
	return schema.Options{Tables: c.Tables, Exclude: c.Exclude, Identity: c.Identity, References: c.References}
}

// loadModel reads the tables and refuses those that cannot be replicated.
func (d *database) loadModel(ctx context.Context, c *config.Config) (*schema.Model, []schema.Problem, error) {
	m, err := schema.Load(ctx, d.app, schemaOptions(c))
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

// claim marks the server as this site's, so that two sites never share one
// server's baraza schema.
func (d *database) claim(ctx context.Context, self clock.SiteID, database string) error {
	for _, q := range []string{
		"CREATE DATABASE IF NOT EXISTS baraza CHARACTER SET utf8mb4",
		"CREATE TABLE IF NOT EXISTS baraza.site (one TINYINT NOT NULL PRIMARY KEY, id CHAR(32) NOT NULL, db VARCHAR(64) NOT NULL)",
		fmt.Sprintf("INSERT IGNORE INTO baraza.site VALUES (1, '%s', '%s')", self, strings.ReplaceAll(database, "'", "''")),
	} {
		if _, err := d.app.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("set up the schema baraza: %w; `baraza doctor` prints the GRANT that is missing", err)
		}
	}
	return d.checkClaim(ctx, self)
}

func (d *database) checkClaim(ctx context.Context, self clock.SiteID) error {
	var id, db string
	if err := d.app.QueryRowContext(ctx, "SELECT id, db FROM baraza.site").Scan(&id, &db); err != nil {
		return fmt.Errorf("read baraza.site: %w", err)
	}
	if id != self.String() {
		return fmt.Errorf("this database server already belongs to another baraza site (%s, for database %s): give every site a server of its own, or take the old one out with `baraza tables remove --all --dsn DSN`", id, db)
	}
	return nil
}

// install sets up capture and apply.
func (d *database) install(ctx context.Context, m *schema.Model) error {
	if err := trigger.Install(ctx, d.app, m); err != nil {
		return fmt.Errorf("install the triggers: %w", err)
	}
	return sqldb.New(d.apply, m).Prepare(ctx)
}

// Uninstall takes everything of baraza out of a database server: the triggers
// and the schema baraza. The application's tables stay as they are.
func Uninstall(ctx context.Context, dsn config.DSN) error {
	d, err := openDatabase(ctx, dsn)
	if err != nil {
		return err
	}
	defer d.close()
	if err := trigger.Uninstall(ctx, d.app); err != nil {
		return err
	}
	_, err = d.app.ExecContext(ctx, "DROP DATABASE IF EXISTS baraza")
	return err
}
