package bringup_test

import (
	"context"
	"errors"
	"fmt"
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

// TestViewStaysAsItWas: what a view says that its site had applied, and the
// contexts of the origins, are as they were when it was opened, whatever the site
// applies later.
func TestViewStaysAsItWas(t *testing.T) {
	p, s, q := three(t, 10)
	for n := range 4 {
		view, err := s.r.OpenView(context.Background(), s.db)
		s.ok(err)
		h := view.Header()
		before := fmt.Sprint(h.Vector, h.Contexts)
		for i := range 3 {
			p.app(update("person", keyOf(1+i), "name", fmt.Sprint("p", n, i)))
			q.app(update("person", keyOf(2+i), "note", fmt.Sprint("q", n, i)))
			exchange(p, s, q)
		}
		if after := fmt.Sprint(h.Vector, h.Contexts); after != before {
			t.Errorf("the view of %s is now of %s", before, after)
		}
		s.ok(view.Close())
	}
}
