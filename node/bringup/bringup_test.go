package bringup_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/replica"
)

func mustJoin(t *testing.T, n, p *site) int64 {
	t.Helper()
	bytes, err := join(n, p)
	if err != nil {
		t.Fatal(err)
	}
	if n.r.BringingUp() {
		t.Fatal("the site is still to be brought up")
	}
	return bytes
}

// fill gives a database some rows that refer to each other.
func (s *site) fill(from, to int, mark string) {
	s.t.Helper()
	for n := from; n < to; n++ {
		s.app(
			insert("person", person(n, fmt.Sprintf("%s %d", mark, n))),
			insert("patient", patient(n, "none")),
			insert("obs", obs(n, n, mark)),
		)
	}
}

func TestEmptySite(t *testing.T) {
	p, n, q := newSite(t, 2), newSite(t, 1), newSite(t, 3)
	p.fill(1, 300, "p")
	p.open(false)
	q.open(true)
	mustJoin(t, q, p)
	p.app(update("person", keyOf(7), "name", "changed"), remove("obs", keyOf(8)), insert("setting", row("", "property", "a", "value", "b")))
	p.capture()
	n.open(true)
	mustJoin(t, n, p)
	exchange(n, p, q)
	agree(t, p, q, n)
	if n.db.Len("person") != 299 || n.db.Len("obs") != 298 {
		t.Errorf("%d persons, %d obs", n.db.Len("person"), n.db.Len("obs"))
	}
	if n.r.Log().Vector().Seq(n.id) != 0 {
		t.Error("an empty site wrote an adoption batch")
	}
}

func TestEmptyMember(t *testing.T) {
	p, n := newSite(t, 2), newSite(t, 1)
	n.fill(1, 300, "n")
	p.open(false)
	n.open(true)
	mustJoin(t, n, p)
	if p.db.Len("person") != 0 {
		t.Fatal("rows came by themselves")
	}
	exchange(n, p)
	agree(t, n, p)
	if p.db.Len("obs") != 299 {
		t.Errorf("%d obs", p.db.Len("obs"))
	}
}

// Both sites number alike, so the same number means different people.
func TestDisjoint(t *testing.T) {
	p, n, q := newSite(t, 2), newSite(t, 2), newSite(t, 3)
	n.id[0] = 1
	p.fill(1, 100, "p")
	n.fill(100, 250, "n")
	p.open(false)
	q.open(true)
	n.open(true)
	mustJoin(t, q, p)
	mustJoin(t, n, p)
	n.app(update("person", keyOf(3), "name", "by n"), update("person", keyOf(103), "name", "by n"))
	exchange(n, p, q)
	agree(t, p, n, q)
	if p.db.Len("obs") != 249 || p.show("person", keyOf(3), "name") != "by n" || q.show("person", keyOf(103), "name") != "by n" {
		t.Errorf("%d obs, %s, %s", p.db.Len("obs"), p.show("person", keyOf(3), "name"), q.show("person", keyOf(103), "name"))
	}
	if c := p.conflicts(); c != "" {
		t.Errorf("conflicts: %s", c)
	}
}

func TestEqual(t *testing.T) {
	const rows = 100_000
	p, n, empty := newSite(t, 2), newSite(t, 1), newSite(t, 3)
	rnd := rand.New(rand.NewPCG(1, 1))
	for range rows {
		a, b := rnd.Uint64(), rnd.Uint64()
		id := fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48, b&(1<<48-1))
		r := row("", "uuid", id, "name", fmt.Sprintf("Name %d", rnd.IntN(5000)), "weight", crdt.Float64(float64(rnd.IntN(1500))/10))
		for _, s := range []*site{p, n} {
			s.app(insert("person", r))
		}
	}
	p.open(false)
	n.open(true)
	empty.open(true)
	all := mustJoin(t, empty, p)
	equal := mustJoin(t, n, p)
	if equal*100 > all {
		t.Errorf("%d bytes for equal rows, %d for all", equal, all)
	}
	t.Logf("%d bytes for equal rows, %d for all", equal, all)
	exchange(n, p, empty)
	agree(t, p, empty)
	if n.r.Log().Vector().Seq(n.id) != 0 {
		t.Error("an equal site wrote an adoption batch")
	}
}

// Where values differ the member's win everywhere, and the joining site's are
// conflicts everywhere, whether the member's were changed since its beginning
// or not, whichever site's id is greater.
func TestDiffering(t *testing.T) {
	for _, ids := range [][3]byte{{1, 2, 3}, {3, 2, 1}, {2, 1, 3}, {2, 3, 1}} {
		n, p, q := newSite(t, ids[0]), newSite(t, ids[1]), newSite(t, ids[2])
		p.app(insert("person", person(1, "P", "note", "same")), insert("person", person(2, "P", "note", "old")))
		n.app(insert("person", person(1, "N", "note", "same")), insert("person", person(2, "N", "note", "n")))
		q.app(insert("person", person(1, "Q")))
		p.open(false)
		q.open(true)
		n.open(true)
		p.app(update("person", keyOf(2), "note", "new"))
		p.capture()
		mustJoin(t, q, p)
		mustJoin(t, n, p)
		if got := n.show("person", keyOf(1), "name"); got != "P" {
			t.Errorf("%v: the name is %s", ids, got)
		}
		exchange(n, p, q)
		agree(t, n, p, q)
		// A site that joins from one that joined.
		m := newSite(t, 9)
		m.app(insert("person", person(1, "M")))
		m.open(true)
		mustJoin(t, m, n)
		exchange(n, p, q, m)
		agree(t, n, p, q, m)
		for _, want := range []string{`name="N"`, `name="Q"`, `note="n"`, `name="M"`} {
			if !strings.Contains(p.conflicts(), want) {
				t.Errorf("%v: no conflict has %s:\n%s", ids, want, p.conflicts())
			}
		}
		if got := strings.Count(p.conflicts(), "\n") + 1; got != 7 { // and a name of N, a note of Q, one of M
			t.Errorf("%v: %d conflicts:\n%s", ids, got, p.conflicts())
		}
	}
}

// Two sites join different members at the same time.
func TestJoinAtOnce(t *testing.T) {
	p, q, n, m := newSite(t, 1), newSite(t, 2), newSite(t, 3), newSite(t, 4)
	n.app(insert("person", person(1, "N")), insert("person", person(2, "N")))
	m.app(insert("person", person(1, "M")), insert("person", person(2, "M")))
	p.app(insert("person", person(1, "P")))
	p.open(false)
	q.open(true)
	n.open(true)
	m.open(true)
	mustJoin(t, q, p)
	mustJoin(t, n, p)
	mustJoin(t, m, q)
	exchange(n, p, q, m)
	agree(t, p, q, n, m)
	if got := p.show("person", keyOf(1), "name"); got != "P" {
		t.Errorf("the name is %s", got)
	}
}

// What the member deleted stays deleted; what the joining site had of it is in
// a conflict where it was not what the member deleted.
func TestTombstone(t *testing.T) {
	p, n, q := newSite(t, 2), newSite(t, 1), newSite(t, 3)
	for _, s := range []*site{p, n, q} {
		s.app(insert("person", person(1, "same")), insert("person", person(2, "of "+fmt.Sprint(s.id[0]))))
	}
	p.open(false)
	p.app(remove("person", keyOf(1)), remove("person", keyOf(2)))
	p.capture()
	q.open(true)
	n.open(true)
	mustJoin(t, q, p)
	mustJoin(t, n, p)
	if n.db.Len("person") != 0 {
		t.Fatalf("deleted rows are back: %s", n.tables())
	}
	exchange(n, p, q)
	agree(t, n, p, q)
	if p.db.Len("person") != 0 {
		t.Fatalf("deleted rows are back: %s", p.tables())
	}
	if c := p.conflicts(); !strings.Contains(c, `name="of 1"`) || !strings.Contains(c, `name="of 3"`) || strings.Contains(c, "same") {
		t.Errorf("conflicts: %s", c)
	}
	p.app(insert("person", person(2, "again")))
	exchange(n, p, q)
	agree(t, n, p, q)
}

// Local writes between init and the bring-up stand, and arrive.
func TestLocalWrites(t *testing.T) {
	p, n, q := newSite(t, 2), newSite(t, 1), newSite(t, 3)
	for _, s := range []*site{p, n} {
		for i := 1; i <= 6; i++ {
			s.app(insert("person", person(i, "same", "note", "of "+fmt.Sprint(s.id[0]))))
		}
	}
	p.open(false)
	q.open(true)
	mustJoin(t, q, p)
	n.open(true)
	p.app(
		update("person", keyOf(1), "name", "by p"), // n changes it too
		update("person", keyOf(2), "name", "by p"), // n deletes it
		remove("person", keyOf(3)),                 // n changes it
		remove("person", keyOf(4)),                 // n deletes it too
		insert("person", person(7, "by p")),        // n inserts it too
	)
	p.capture()
	n.app(
		update("person", keyOf(1), "name", "by n"),
		remove("person", keyOf(2)),
		update("person", keyOf(3), "name", "by n"),
		remove("person", keyOf(4)),
		remove("person", keyOf(5)), // p did not touch it
		remove("person", keyOf(6)), // and comes again
		insert("person", person(6, "again")),
		insert("person", person(7, "by n")),
		insert("person", person(8, "only n")),
	)
	if _, err := n.r.Capture(context.Background()); !errors.Is(err, replica.ErrBringUp) {
		t.Fatalf("captured before the bring-up: %v", err)
	}
	mustJoin(t, n, p)
	for i, want := range map[int]string{1: "by n", 2: "no row", 3: "by n", 4: "no row", 5: "no row", 6: "again", 7: "by n", 8: "only n"} {
		if got := n.show("person", keyOf(i), "name"); got != want {
			t.Errorf("after the bring-up person %d is %s, not %s", i, got, want)
		}
	}
	exchange(n, p, q)
	agree(t, n, p, q)
	for i, want := range map[int]string{1: "by n", 2: "no row", 3: "by n", 4: "no row", 5: "no row", 6: "again", 7: "by n", 8: "only n"} {
		if got := p.show("person", keyOf(i), "name"); got != want {
			t.Errorf("at the member person %d is %s, not %s", i, got, want)
		}
	}
	for _, key := range []int{1, 2, 7} { // what p wrote there was not seen by n
		if want := fmt.Sprintf(`person %s name="by p"`, uuid(key)); !strings.Contains(p.conflicts(), want) {
			t.Errorf("no conflict has %s:\n%s", want, p.conflicts())
		}
	}
	if strings.Contains(p.conflicts(), `name="by n"`) {
		t.Errorf("what is visible is in a conflict:\n%s", p.conflicts())
	}
	n.app(update("person", keyOf(8), "name", "later"))
	exchange(n, p, q)
	agree(t, n, p, q)
}

// The log of a site that was brought up starts after the member's vector.
func TestLogAfterBringUp(t *testing.T) {
	p, n, q := newSite(t, 2), newSite(t, 1), newSite(t, 3)
	p.open(false)
	for i := 1; i <= 5; i++ {
		p.app(insert("person", person(i, "p")))
		p.capture()
	}
	n.open(true)
	q.open(true)
	first, entries, err := p.r.Log().Read(p.id, 0, 100) // gossip may be faster
	if err != nil || n.r.Log().Append(p.id, first, entries[:1]) != nil {
		t.Fatal(err)
	}
	mustJoin(t, n, p)
	p.app(insert("person", person(6, "p")))
	p.capture()
	n.take(p)
	for after, want := range []int{0, 0, 0, 0, 0, 1, 0} {
		_, entries, err := n.r.Log().Read(p.id, uint64(after), 1<<20)
		if err != nil || len(entries) != want {
			t.Errorf("after %d there are %d entries: %v", after, len(entries), err)
		}
	}
	if first := n.r.Log().First(p.id); first != 6 {
		t.Errorf("the first entry is %d: %v", first, err)
	}
	exchange(n, p)
	agree(t, n, p)
	n.restart()
	exchange(n, p)
	agree(t, n, p)
}

func TestRefusals(t *testing.T) {
	p, n := newSite(t, 2), newSite(t, 1)
	p.open(false)
	n.open(false)
	if _, err := join(n, p); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a site that has its rows was brought up: %v", err)
	}
	n = newSite(t, 1).open(true)
	m := newSite(t, 3).open(true)
	if _, err := join(n, m); err == nil || !strings.Contains(err.Error(), "first rows") {
		t.Errorf("a site without rows served them: %v", err)
	}
	mustJoin(t, n, p)
	n.app(insert("person", person(1, "n")))
	exchange(n, p)
	again := newSite(t, 1).open(true) // the store was lost, the key was not
	if _, err := join(again, p); err == nil || !strings.Contains(err.Error(), "new key") {
		t.Errorf("an identity was used twice: %v", err)
	}
}

// A chunk of which a part was taken over when the database asks to try again is
// gone on with from there: what this site had is not forgotten.
func TestRetryInTheMiddle(t *testing.T) {
	const rows = 5000 // more than two transactions
	p, n, q := newSite(t, 2), newSite(t, 1), newSite(t, 3)
	for _, s := range []*site{p, n} {
		for i := range rows {
			s.app(insert("setting", row("", "property", fmt.Sprint("p", i), "value", fmt.Sprint(s.id[0]))))
		}
	}
	p.open(false)
	q.open(true)
	mustJoin(t, q, p)
	n.open(true)
	updates, failed := 0, 0
	n.fault = func(step memdb.Step) error {
		if step == memdb.StepUpdate {
			if updates++; updates == 2 || updates == 3 {
				failed++
				return merge.ErrRetry
			}
		}
		return nil
	}
	mustJoin(t, n, p)
	if failed != 2 {
		t.Fatalf("the database asked %d times to try again", failed)
	}
	exchange(n, p, q)
	agree(t, n, p, q)
	if got := strings.Count(p.conflicts(), `value="1"`); got != rows {
		t.Errorf("%d values of the joining site are in conflicts, want %d", got, rows)
	}
}

// Where the database asks to try a chunk again its rows are taken over as they came, with
// the conflicts that they had.
//
// Seen to fail when the first try adds what the site itself had to the list that came with
// a row: the second then finds that there, and the last of the conflicts is gone.
func TestRetryKeepsConflicts(t *testing.T) {
	const rows = 16 // that have been written apart once, twice, …
	p, q, n := twoMembers(t)
	for i := range rows {
		key := keyOf(41 + i)
		p.app(insert("person", person(41+i, "p's")))
		n.app(insert("person", person(41+i, "n's")))
		exchange(p, q)
		for range i + 1 {
			for _, s := range []*site{p, q} {
				s.app(update("person", key, "note", fmt.Sprint(s.id[0], now)))
			}
			exchange(p, q)
		}
	}
	n.open(true)
	asked := false
	n.fault = func(step memdb.Step) error {
		if step == memdb.StepUpdate && !asked {
			asked = true
			return merge.ErrRetry
		}
		return nil
	}
	mustJoin(t, n, p)
	if !asked {
		t.Fatal("the database has not asked to try again")
	}
	exchange(p, q, n)
	agree(t, p, q, n)
}
