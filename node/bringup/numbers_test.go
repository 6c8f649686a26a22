package bringup_test

import (
	"testing"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge/memdb"
	"baraza/node/replica"
	"baraza/schema"
)

// tickets is a table whose rows nothing names but a number.
func tickets() *schema.Model {
	text := func(name string) schema.Column {
		return schema.Column{Name: name, Type: "varchar(40)", Base: "varchar", Charset: "utf8mb4", Nullable: true}
	}
	return &schema.Model{Database: "app", Tables: map[string]*schema.Table{"ticket": {
		Name: "ticket", Replicated: true, Engine: "InnoDB", PrimaryKey: []string{"id"}, AutoIncrement: "id",
		Identity: schema.Identity{Columns: []string{"id"}},
		Columns:  []schema.Column{{Name: "id", Type: "int", Base: "int"}, text("note"), text("title")},
	}}}
}

func ticketKey(n int64) crdt.Key { return crdt.MakeKey(crdt.Int(n)) }

func newTicket(n int64, title, note string) memdb.Write {
	return insert("ticket", row(ticketKey(n), "id", crdt.Int(n), "note", note, "title", title))
}

// rejoin gives a site a new data directory, and a new name, over its database.
func (s *site) rejoin(name byte) *site {
	s.t.Helper()
	before := s.id
	s.id, s.store = clock.SiteID{name}, kv.NewMem()
	s.ok(replica.BeginBringUpOf(s.store, before))
	return s.restart()
}

// A member loses its data directory and joins again at one that has not got a ticket
// which its database has: its copy does not take the number from the ticket, to which
// others have written since.
//
// Seen to fail when the copy counts as older than all that members wrote.
func TestTicketOfALostDirectory(t *testing.T) {
	p, q, n := newSiteOf(t, 1, tickets()).open(false), newSiteOf(t, 2, tickets()).open(false), newSiteOf(t, 3, tickets()).open(false)
	n.app(newTicket(3, "of n", "of n"))
	exchange(p, q, n)
	q.app(newTicket(2, "of q", "early"))
	exchange(q, n) // p is cut off
	q.app(update("ticket", ticketKey(2), "note", "late"))
	q.capture()

	n.rejoin(4)
	_, err := join(n, p)
	n.ok(err)
	if got := n.show("ticket", ticketKey(2), "note"); got != "early" {
		t.Fatalf("the copy has %q", got)
	}
	exchange(p, q, n)
	for _, s := range []*site{p, q, n} {
		if title, note := s.show("ticket", ticketKey(2), "title"), s.show("ticket", ticketKey(2), "note"); title != "of q" || note != "late" {
			t.Errorf("site %d: ticket 2 is %q with %q, want what its writer has", s.id[0], title, note)
		}
	}
}
