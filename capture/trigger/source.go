package trigger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"baraza/capture"
	"baraza/internal/sqlrow"
	"baraza/schema"
)

// fullLook is how often an idle log is looked at from its beginning. In between
// a poll begins behind the last id seen, which costs nothing even while InnoDB
// has not yet purged a million released rows in front of it. A row with a lower
// id that is committed late is found by the next full look, or by the next
// reading that finds anything at all.
const fullLook = time.Second

// ErrSchemaChanged says that a table has columns that the model does not know.
// Nothing is lost: load the model again, Install, and make a new Source.
var ErrSchemaChanged = errors.New("the schema changed; load it again")

// Source captures the changes that Install's triggers note. It implements
// capture.Source.
type Source struct {
	db          *sql.DB
	tables      *sqlrow.Tables
	generations map[int]*numbered
	columns     *columnSets
	releaser    Releaser

	seen     uint64    // the greatest id seen
	lookedAt time.Time // when the last full look found nothing
}

// New returns the source for a database whose triggers Install has made. The
// handle comes from sqlrow.Open.
func New(ctx context.Context, db *sql.DB, m *schema.Model) (*Source, error) {
	ts, err := sqlrow.NewTables(m)
	if err != nil {
		return nil, err
	}
	s := &Source{db: db, tables: ts, columns: newColumnSets()}
	return s, s.loadGenerations(ctx, db)
}

// Kind implements capture.Source.
func (s *Source) Kind() string { return "trigger" }

// numbered is a generation together with the table as it is now.
type numbered struct {
	generation
	now *sqlrow.Table // nil when the table is not replicated any more
	// shipped gives for each bit the column's place in now.Columns, -1 for none.
	shipped []int
	// unknown are the columns that were not there when the triggers were made:
	// any update may have written them.
	unknown mask
}

func (s *Source) loadGenerations(ctx context.Context, q queryer) error {
	loaded, err := loadGenerations(ctx, q)
	if err != nil {
		return err
	}
	s.generations = make(map[int]*numbered, len(loaded))
	for id, g := range loaded {
		n := &numbered{generation: *g}
		if t := s.tables.Table(g.table); t != nil && t.Def.Replicated {
			n.now = t
			n.unknown = full(len(t.Columns))
		}
		for _, name := range g.columns {
			i := -1
			if n.now != nil {
				i = n.now.Shipped(name)
			}
			if i >= 0 {
				n.unknown.clear(i)
			}
			n.shipped = append(n.shipped, i)
		}
		s.generations[id] = n
	}
	return nil
}

// byNumber returns the generations in the order in which they were made.
func (s *Source) byNumber() []*numbered {
	var all []*numbered
	for _, id := range slices.Sorted(maps.Keys(s.generations)) {
		all = append(all, s.generations[id])
	}
	return all
}

// Poll implements capture.Poller. An empty log costs one SELECT of one row by
// primary key.
func (s *Source) Poll(ctx context.Context) (bool, error) {
	began := time.Now()
	if began.Sub(s.lookedAt) >= fullLook {
		something, err := s.look(ctx, 0)
		if err == nil && !something {
			s.lookedAt = began
		}
		return something, err
	}
	something, err := s.look(ctx, s.seen)
	if something {
		s.lookedAt = time.Time{} // what is there may be only a part: look at the whole next
	}
	return something, err
}

// Read implements capture.Source. It always looks at the whole log: who asks
// before he writes over a row must not miss a change that was committed late.
func (s *Source) Read(ctx context.Context) (capture.Reading, error) {
	something, err := s.look(ctx, 0)
	if err != nil {
		return nil, err
	}
	if !something {
		return nothing{}, nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	r := &reading{s: s, conn: conn, refs: sqlrow.NewRefs(), checked: make(map[string]bool)}
	r.refs.Missing = r.missing
	for _, stmt := range []string{
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"START TRANSACTION WITH CONSISTENT SNAPSHOT",
	} {
		if _, err := conn.ExecContext(ctx, stmt); err != nil {
			r.broken = true
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// look reports whether the log has a row behind an id.
func (s *Source) look(ctx context.Context, after uint64) (bool, error) {
	var id uint64
	err := s.db.QueryRowContext(ctx, fmt.Sprintf("SELECT id FROM %s.log WHERE id > %d ORDER BY id LIMIT 1", home, after)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s.log: %w", home, err)
	}
	return true, nil
}

// nothing is the reading of an empty log.
type nothing struct{}

func (nothing) Next(context.Context, int) (*capture.Part, error) { return nil, nil }
func (nothing) Close() error                                     { return nil }
