package node

import (
	"context"
	"fmt"
	"strings"

	"baraza/capture/trigger"
	"baraza/internal/sqlrow"
	"baraza/schema"
)

// signals are counters of the server: statements that change a schema, which
// count when they begin, and tables that were opened anew, which they cause when
// they are done.
var signals = []string{
	"Com_alter_table", "Com_create_index", "Com_create_table", "Com_create_trigger", "Com_drop_index", "Com_drop_table",
	"Com_drop_trigger", "Com_rename_table", "Com_truncate", "Opened_table_definitions",
}

// Signal implements Database.
func (d *server) Signal(ctx context.Context) (string, error) {
	rows, err := d.app.QueryContext(ctx, "SHOW GLOBAL STATUS WHERE Variable_name IN ('"+strings.Join(signals, "','")+"')")
	if err != nil {
		return "", fmt.Errorf("ask whether the schema changed: %w", err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return "", fmt.Errorf("ask whether the schema changed: %w", err)
		}
		b.WriteString(name + "=" + value + " ")
	}
	return b.String(), rows.Err()
}

// truncates is the part of a signal that counts TRUNCATE.
func truncates(signal string) string {
	_, rest, _ := strings.Cut(signal, "Com_truncate=")
	n, _, _ := strings.Cut(rest, " ")
	return n
}

// Gaps implements Database.
func (d *server) Gaps(ctx context.Context, m *schema.Model) ([]string, error) {
	return trigger.Gaps(ctx, d.app, m)
}

// Numbers implements Database.
func (d *server) Numbers(ctx context.Context, m *schema.Model) (map[string]int64, error) {
	numbers := make(map[string]int64)
	rows, err := d.app.QueryContext(ctx, "SELECT TABLE_NAME, COALESCE(AUTO_INCREMENT, 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
	if err != nil {
		return nil, fmt.Errorf("read the numbers of the tables: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var number int64
		if err := rows.Scan(&name, &number); err != nil {
			return nil, fmt.Errorf("read the numbers of the tables: %w", err)
		}
		if t := m.Tables[name]; t != nil && t.Replicated {
			numbers[name] = number
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the numbers of the tables: %w", err)
	}
	for name := range numbers {
		var some bool
		if err := d.app.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+sqlrow.QuoteName(name)+")").Scan(&some); err != nil {
			return nil, fmt.Errorf("look whether table %s has rows: %w", name, err)
		}
		if !some {
			numbers[name] = -1
		}
	}
	return numbers, nil
}
