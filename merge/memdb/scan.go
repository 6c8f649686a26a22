package memdb

import (
	"context"

	"baraza/merge"
	"baraza/schema"
)

// scanRows is how many rows a scan gives at a time: few, so that tests see the
// seams.
const scanRows = 100

// Scan implements merge.Scanner: a copy of what is committed.
func (db *DB) Scan(ctx context.Context) (merge.Scan, error) {
	if err := db.fault(ctx, StepRead); err != nil {
		return nil, err
	}
	s := scan{}
	db.committed(func() {
		for _, name := range db.names {
			s[name] = db.Rows(name)
		}
	})
	return s, nil
}

type scan map[string][]merge.Row

// Count implements merge.Scan.
func (s scan) Count(_ context.Context, t *schema.Table) (int64, error) {
	return int64(len(s[t.Name])), nil
}

// Rows implements merge.Scan.
func (s scan) Rows(ctx context.Context, t *schema.Table, each func([]merge.Row) error) error {
	for rows := s[t.Name]; len(rows) > 0; {
		n := min(len(rows), scanRows)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(rows[:n:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// Close implements merge.Scan.
func (s scan) Close() error { return nil }
