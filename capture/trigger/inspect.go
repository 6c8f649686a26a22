package trigger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"baraza/schema"

	"github.com/go-sql-driver/mysql"
)

// generation is a line of baraza.tables: what log rows with its number mean.
type generation struct {
	id        int
	db, table string
	columns   []string // at place 0, 1, 2 … of log.same
	key       []string // the primary key, in the order of log.k; nil where that was not written down
	gone      string   // createGone(0) at the time
	lost      bool     // its table of deleted rows is not there
}

// installedTrigger is one of our triggers in the application's schema.
type installedTrigger struct {
	name, event, timing, table, body string
	id                               int
	cascade                          bool
}

// installed is what is there.
type installed struct {
	generations map[int]*generation
	triggers    []installedTrigger
	homeTables  []string
	// signedZero: the server prints -0 and 0 differently. MariaDB does not.
	signedZero bool
	mysql      bool // and not MariaDB
}

var ourTrigger = regexp.MustCompile(`^` + home + `_([0-9]+)_([iud]|c[0-9a-f]{8})$`)

func inspect(ctx context.Context, conn *sql.Conn) (*installed, error) {
	have := &installed{}
	var err error
	if have.generations, err = loadGenerations(ctx, conn); err != nil {
		return nil, err
	}
	if err := have.loadTriggers(ctx, conn); err != nil {
		return nil, fmt.Errorf("read the triggers: %w", err)
	}
	if err := conn.QueryRowContext(ctx, "SELECT CONCAT(-1e-300*1e-300) = '-0', VERSION() NOT LIKE '%MariaDB%'").Scan(&have.signedZero, &have.mysql); err != nil {
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?", home)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		have.homeTables = append(have.homeTables, name)
	}
	return have, rows.Err()
}

func (have *installed) loadTriggers(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, `SELECT TRIGGER_NAME, EVENT_MANIPULATION, ACTION_TIMING, EVENT_OBJECT_TABLE, ACTION_STATEMENT
		FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY TRIGGER_NAME`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t installedTrigger
		if err := rows.Scan(&t.name, &t.event, &t.timing, &t.table, &t.body); err != nil {
			return err
		}
		match := ourTrigger.FindStringSubmatch(t.name)
		if match == nil {
			continue
		}
		if t.id, err = strconv.Atoi(match[1]); err != nil {
			return err
		}
		t.cascade = len(match[2]) > 1
		have.triggers = append(have.triggers, t)
	}
	return rows.Err()
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// loadGenerations reads baraza.tables; none when nothing was ever installed.
func loadGenerations(ctx context.Context, q queryer) (map[int]*generation, error) {
	generations := make(map[int]*generation)
	rows, err := q.QueryContext(ctx, "SELECT id, db, name, columns, gone FROM "+home+".tables")
	if isMissing(err) {
		return generations, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s.tables: %w", home, err)
	}
	defer rows.Close()
	for rows.Next() {
		var g generation
		var columns string
		if err := rows.Scan(&g.id, &g.db, &g.table, &columns, &g.gone); err != nil {
			return nil, err
		}
		if err := g.setColumns(columns); err != nil {
			return nil, fmt.Errorf("%s.tables, id %d: %w", home, g.id, err)
		}
		generations[g.id] = &g
	}
	return generations, rows.Err()
}

// places is the text of baraza.tables.columns. Older versions wrote the columns
// alone.
type places struct {
	Columns []string `json:"columns"`
	Key     []string `json:"key"`
}

func (g *generation) setColumns(text string) error {
	var p places
	if strings.HasPrefix(text, "[") {
		return json.Unmarshal([]byte(text), &g.columns)
	}
	err := json.Unmarshal([]byte(text), &p)
	g.columns, g.key = p.Columns, p.Key
	return err
}

// isMissing reports whether the server said that a schema or table is not there.
func isMissing(err error) bool {
	const badDatabase, noSuchTable = 1049, 1146
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == badDatabase || e.Number == noSuchTable)
}

// find returns the table's generation, and what is not in order; "" when all
// is.
func (have *installed) find(m *schema.Model, p *plan) (id int, why string) {
	for candidate := range have.generations {
		if candidate > id && have.fits(candidate, m, p) {
			id = candidate
		}
	}
	switch {
	case id == 0:
		return 0, "its triggers are not installed, or the table changed since"
	case !slices.Contains(have.homeTables, goneTable(id)):
		have.generations[id].lost = true
		return 0, home + "." + goneTable(id) + " is not there"
	}
	for _, e := range events {
		if !have.triggerFits(p, id, e) {
			return id, "its trigger " + triggerName(id, e.suffix) + " is not there or was changed"
		}
	}
	return id, ""
}

// unused returns a number that no line, trigger or table has, so that log rows
// of an installation that somebody damaged are never read as another table's.
func (have *installed) unused() int {
	last := 0
	for id := range have.generations {
		last = max(last, id)
	}
	for _, t := range have.triggers {
		last = max(last, t.id)
	}
	for _, name := range have.homeTables {
		var id int
		if n, _ := fmt.Sscanf(name, "gone_%d", &id); n == 1 {
			last = max(last, id)
		}
	}
	return last + 1
}

// fits reports whether a generation means what the plan means.
func (have *installed) fits(id int, m *schema.Model, p *plan) bool {
	g := have.generations[id]
	return g != nil && !g.lost && g.db == m.Database && g.table == p.table.Def.Name &&
		slices.Equal(g.columns, p.names) && slices.Equal(g.key, p.table.Def.PrimaryKey) && g.gone == p.createGone(0)
}

// hasCascade reports whether a trigger is there as it must be.
func (have *installed) hasCascade(c *cascade) bool {
	for _, t := range have.triggers {
		if t.name == c.name {
			return t.event == c.event && t.timing == c.timing && t.table == c.table && strings.TrimSpace(t.body) == c.body
		}
	}
	return false
}

func (have *installed) triggerFits(p *plan, id int, e event) bool {
	for _, t := range have.triggers {
		if t.name == triggerName(id, e.suffix) {
			return t.event == e.name && t.table == p.table.Def.Name && strings.TrimSpace(t.body) == e.body(p, id)
		}
	}
	return false
}
