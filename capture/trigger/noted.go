package trigger

import (
	"context"
	"database/sql"
	"fmt"

	"baraza/capture"
)

// Noted implements capture.Lister.
func (s *Source) Noted(ctx context.Context, after uint64, limit int) ([]capture.Noted, error) {
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT id, at FROM %s.log WHERE id > %d ORDER BY id LIMIT %d", home, after, limit))
	if err != nil {
		return nil, fmt.Errorf("list %s.log: %w", home, err)
	}
	defer rows.Close()
	var noted []capture.Noted
	var at sql.RawBytes
	for rows.Next() {
		var n capture.Noted
		if err := rows.Scan(&n.ID, &at); err != nil {
			return nil, fmt.Errorf("list %s.log: %w", home, err)
		}
		if n.At, err = micros(at); err != nil {
			return nil, fmt.Errorf("row %d of %s.log: %w", n.ID, home, err)
		}
		noted = append(noted, n)
	}
	return noted, rows.Err()
}
