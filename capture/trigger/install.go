package trigger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"baraza/internal/sqlrow"
	"baraza/schema"
)

// ddlWait is how many seconds a CREATE or DROP TRIGGER waits for transactions
// that use the table. While it waits, everybody else waits behind it.
const ddlWait = 10

// createHome are the tables that every installation has. The key is text: it
// can be twice as long as the longest primary key, twice again for latin1: a
// VARBINARY of that length would make every row of the log 16 KB wide in the
// server's memory, which it clears and copies.
var createHome = []string{
	"CREATE DATABASE IF NOT EXISTS " + home,
	`CREATE TABLE IF NOT EXISTS ` + home + `.log (
		id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
		tbl SMALLINT UNSIGNED NOT NULL,
		op TINYINT NOT NULL,
		at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
		same VARBINARY(128) COMMENT 'of an update, a byte for each column: 1 where it left the value as it was, 2 where there was none',
		k BLOB NOT NULL) ENGINE=InnoDB`,
	`CREATE TABLE IF NOT EXISTS ` + home + `.tables (
		id SMALLINT UNSIGNED PRIMARY KEY,
		db VARCHAR(64) NOT NULL,
		name VARCHAR(64) NOT NULL,
		columns LONGTEXT NOT NULL COMMENT 'JSON: the columns at place 0, 1, 2 ... of log.same, and the primary key',
		gone LONGTEXT NOT NULL COMMENT 'how the table of deleted rows was made') ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
}

// Install creates the triggers for the replicated tables of the model, and
// replaces those that do not fit it any more. It changes nothing that is in
// order, so it may be run at every start. No change is lost in between: new
// triggers are there before old ones go.
func Install(ctx context.Context, db *sql.DB, m *schema.Model) error {
	conn, err := ddlConn(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, stmt := range createHome {
		if err := exec(ctx, conn, stmt); err != nil {
			return err
		}
	}
	if err := exec(ctx, conn, "SELECT same FROM "+home+".log LIMIT 0"); err != nil {
		return fmt.Errorf("%s.log is not of this version, and triggers that do not fit it would stop the application; remove them with the version that made them: %w", home, err)
	}
	have, err := inspect(ctx, conn)
	if err != nil {
		return err
	}
	plans, err := makePlans(m, have)
	if err != nil {
		return err
	}
	keep := make(map[int]bool)
	ids := make(map[string]int)
	for _, p := range plans {
		id, err := have.install(ctx, conn, m, p)
		if err != nil {
			return err
		}
		keep[id] = true
		ids[p.table.Def.Name] = id
	}
	all := cascades(m, plans, ids)
	for i := range all {
		if err := have.installCascade(ctx, conn, &all[i]); err != nil {
			return err
		}
	}
	return have.removeOld(ctx, conn, keep, all)
}

// State compares what is installed with what the model needs: one line for
// each thing that is not in order, none when Install would change nothing.
func State(ctx context.Context, db *sql.DB, m *schema.Model) ([]string, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	have, err := inspect(ctx, conn)
	if err != nil {
		return nil, err
	}
	plans, err := makePlans(m, have)
	if err != nil {
		return nil, err
	}
	var problems []string
	keep := make(map[int]bool)
	ids := make(map[string]int)
	for _, p := range plans {
		id, why := have.find(m, p)
		if why != "" {
			problems = append(problems, "table "+p.table.Def.Name+": "+why)
		}
		keep[id] = true
		ids[p.table.Def.Name] = id
	}
	all := cascades(m, plans, ids)
	for i := range all {
		if !have.hasCascade(&all[i]) {
			problems = append(problems, "table "+all[i].table+": its trigger for what foreign keys do on "+all[i].event+" is not there or was changed")
		}
	}
	for _, t := range have.triggers {
		if t.old(keep, all) {
			problems = append(problems, "table "+t.table+": it has the trigger "+t.name+", which is not needed any more")
		}
	}
	return problems, nil
}

// Gaps lists the replicated tables that had triggers and have not all of them any
// more: what was written to them meanwhile was not captured.
func Gaps(ctx context.Context, db *sql.DB, m *schema.Model) ([]string, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	have, err := inspect(ctx, conn)
	if err != nil {
		return nil, err
	}
	had, has := make(map[string]bool), make(map[string]int)
	for _, g := range have.generations {
		if g.db == m.Database {
			had[g.table] = true
		}
	}
	for _, e := range events {
		seen := make(map[string]bool)
		for _, t := range have.triggers {
			if t.event == e.name && !t.cascade && !seen[t.table] {
				seen[t.table] = true
				has[t.table]++
			}
		}
	}
	var gaps []string
	for _, name := range slices.Sorted(maps.Keys(m.Tables)) {
		if m.Tables[name].Replicated && had[name] && has[name] < len(events) {
			gaps = append(gaps, name)
		}
	}
	return gaps, nil
}

// Uninstall removes the triggers and the tables of this package, and the schema
// baraza when nothing else is in it. Changes not read yet are lost.
func Uninstall(ctx context.Context, db *sql.DB) error {
	conn, err := ddlConn(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close()
	have, err := inspect(ctx, conn)
	if err != nil {
		return err
	}
	for _, t := range have.triggers {
		if err := exec(ctx, conn, "DROP TRIGGER IF EXISTS "+t.name); err != nil {
			return err
		}
	}
	others := 0
	for _, name := range have.homeTables {
		if name != "log" && name != "tables" && !strings.HasPrefix(name, "gone_") {
			others++
			continue
		}
		if err := exec(ctx, conn, "DROP TABLE "+home+"."+name); err != nil {
			return err
		}
	}
	if others == 0 {
		return exec(ctx, conn, "DROP DATABASE IF EXISTS "+home)
	}
	return nil
}

func makePlans(m *schema.Model, have *installed) ([]*plan, error) {
	ts, err := sqlrow.NewTables(m)
	if err != nil {
		return nil, err
	}
	var plans []*plan
	for _, name := range slices.Sorted(maps.Keys(m.Tables)) {
		if !m.Tables[name].Replicated {
			continue
		}
		p, err := newPlan(ts, name)
		if err != nil {
			return nil, err
		}
		p.signedZero, p.mysql = have.signedZero, have.mysql
		plans = append(plans, p)
	}
	return plans, nil
}

// ddlConn returns a connection whose DDL does not wait for ever.
func ddlConn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := exec(ctx, conn, fmt.Sprintf("SET SESSION lock_wait_timeout=%d", ddlWait)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func exec(ctx context.Context, conn *sql.Conn, stmt string) error {
	if _, err := conn.ExecContext(ctx, stmt); err != nil {
		first, _, _ := strings.Cut(stmt, "\n")
		return fmt.Errorf("%.100s: %w", first, err)
	}
	return nil
}

// install makes what is missing for one table and returns its generation.
func (have *installed) install(ctx context.Context, conn *sql.Conn, m *schema.Model, p *plan) (int, error) {
	id, why := have.find(m, p)
	if why == "" {
		return id, nil
	}
	if !have.fits(id, m, p) {
		var err error
		if id, err = have.addGeneration(ctx, conn, m, p); err != nil {
			return 0, err
		}
	}
	for _, e := range events {
		name := triggerName(id, e.suffix)
		if have.triggerFits(p, id, e) {
			continue
		}
		// Only a trigger that somebody changed by hand is in the way here.
		if err := exec(ctx, conn, "DROP TRIGGER IF EXISTS "+name); err != nil {
			return 0, err
		}
		stmt := fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s FOR EACH ROW\n%s", name, e.name, sqlrow.QuoteName(p.table.Def.Name), e.body(p, id))
		if err := exec(ctx, conn, stmt); err != nil {
			return 0, err
		}
	}
	return id, nil
}

// installCascade makes a trigger that notes what foreign keys do.
func (have *installed) installCascade(ctx context.Context, conn *sql.Conn, c *cascade) error {
	if have.hasCascade(c) {
		return nil
	}
	if err := exec(ctx, conn, "DROP TRIGGER IF EXISTS "+c.name); err != nil {
		return err
	}
	return exec(ctx, conn, fmt.Sprintf("CREATE TRIGGER %s %s %s ON %s FOR EACH ROW\n%s", c.name, c.timing, c.event, sqlrow.QuoteName(c.table), c.body))
}

// old reports whether a trigger is not needed any more.
func (t *installedTrigger) old(keep map[int]bool, all []cascade) bool {
	return !keep[t.id] && t.id != outsideID || t.cascade && !slices.ContainsFunc(all, func(c cascade) bool { return c.name == t.name })
}

// addGeneration gives the table a new number, with a table for deleted rows.
func (have *installed) addGeneration(ctx context.Context, conn *sql.Conn, m *schema.Model, p *plan) (int, error) {
	id := have.unused()
	if err := exec(ctx, conn, p.createGone(id)); err != nil {
		return 0, err
	}
	columns, err := json.Marshal(places{p.names, p.table.Def.PrimaryKey})
	if err != nil {
		return 0, err
	}
	g := &generation{id: id, db: m.Database, table: p.table.Def.Name, columns: p.names, key: p.table.Def.PrimaryKey, gone: p.createGone(0)}
	if _, err := conn.ExecContext(ctx, "INSERT INTO "+home+".tables (id, db, name, columns, gone) VALUES (?,?,?,?,?)",
		id, g.db, g.table, string(columns), g.gone); err != nil {
		return 0, fmt.Errorf("%s.tables: %w", home, err)
	}
	have.generations[id] = g
	return id, nil
}

// removeOld drops triggers that are not needed, and generations that nothing in
// the log belongs to.
func (have *installed) removeOld(ctx context.Context, conn *sql.Conn, keep map[int]bool, all []cascade) error {
	for _, t := range have.triggers {
		if t.old(keep, all) {
			if err := exec(ctx, conn, "DROP TRIGGER IF EXISTS "+t.name); err != nil {
				return err
			}
		}
	}
	for id := range have.generations {
		if keep[id] {
			continue
		}
		var n int
		if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+home+".log WHERE tbl = ?)", id).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		for _, stmt := range []string{
			fmt.Sprintf("DELETE FROM %s.tables WHERE id = %d", home, id),
			fmt.Sprintf("DROP TABLE IF EXISTS %s.%s", home, goneTable(id)),
		} {
			if err := exec(ctx, conn, stmt); err != nil {
				return err
			}
		}
	}
	return nil
}
