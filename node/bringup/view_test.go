package bringup_test

import (
	"context"
	"errors"
	"testing"

	"baraza/merge"
)

// A database that was set back, which its site has not noticed yet, as it looks
// only now and then, gives nobody its rows: they are older than what the site says
// that it has.
func TestNoViewOfADatabaseSetBack(t *testing.T) {
	p, s, q := three(t, 10)
	backup := s.db.Backup()
	s.app(update("person", keyOf(1), "name", "lost here"))
	exchange(p, s, q)
	s.capture() // it has just looked
	s.db.Restore(backup)
	view, err := s.r.OpenView(context.Background(), s.db)
	if err == nil {
		s.ok(view.Close())
	}
	if !errors.Is(err, merge.ErrSetBack) {
		t.Fatalf("a site serves a view of a database that was set back: %v", err)
	}
	s.noticed()
}
