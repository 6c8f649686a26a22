package bringup_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/bringup"
	"baraza/node/replica"
)

// three returns three sites with the same rows that have talked.
func three(t *testing.T, rows int) (p, s, q *site) {
	t.Helper()
	p, s, q = newSite(t, 2), newSite(t, 1), newSite(t, 3)
	p.fill(1, rows+1, "first")
	p.open(false)
	for _, n := range []*site{s, q} {
		n.open(true)
		mustJoin(t, n, p)
	}
	exchange(p, s, q)
	return p, s, q
}

// noticed makes sure that the site sees that its database was set back.
func (s *site) noticed() {
	s.t.Helper()
	now += 2_000_000
	for range 2 { // the first call finds out, the next refuses
		if _, err := s.r.Capture(context.Background()); err == nil {
			s.t.Fatal("a site captures from a database that was set back")
		}
	}
	if _, yes := s.r.Recovering(); !yes {
		s.t.Fatal("a site does not notice that its database was set back")
	}
	if _, err := s.r.Apply(context.Background(), 0); !errors.Is(err, replica.ErrRecover) {
		s.t.Fatalf("apply: %v", err)
	}
	if _, err := s.r.OpenView(context.Background(), s.db); !errors.Is(err, replica.ErrRecover) {
		s.t.Fatalf("a site that lacks changes serves a view: %v", err)
	}
}

// recover brings a site up again from a member.
func (s *site) recover(p *site) {
	s.t.Helper()
	_, err := join(s, p)
	s.ok(err)
	if _, yes := s.r.Recovering(); yes {
		s.t.Fatal("the site is still to be brought up again")
	}
}

// A database is restored from a backup, noticed on start or while the site
// runs. What it had missed comes back, what is only old goes nowhere, and what
// was written after the restore is news.
func TestDatabaseSetBack(t *testing.T) {
	for _, running := range []bool{true, false} {
		p, s, q := three(t, 10)
		s.app(update("person", keyOf(1), "note", "captured before"))
		exchange(p, s, q)
		s.app(update("person", keyOf(2), "name", "pending"), insert("person", person(40, "pending")))
		backup := s.db.Backup()
		exchange(p, s, q)

		// Everything that follows is lost with the database.
		s.app(update("person", keyOf(3), "name", "lost here"), insert("person", person(50, "lost here")), remove("obs", keyOf(4)))
		p.app(update("person", keyOf(2), "name", "newer by p"), update("person", keyOf(5), "note", "by p"),
			remove("obs", keyOf(6)), remove("obs", keyOf(7)), insert("setting", row("", "property", "x", "value", "by p")))
		exchange(p, s, q)
		s.app(update("person", keyOf(8), "name", "not sent"))
		s.capture()
		before := p.r.Log().Vector().Seq(s.id)

		s.db.Restore(backup)
		s.app(update("person", keyOf(9), "name", "news"), insert("person", person(60, "news")),
			update("obs", keyOf(6), "value_text", "news of a deleted row"), remove("obs", keyOf(1)),
			update("person", keyOf(5), "name", "news beside"))
		if !running {
			s.restart()
		}
		s.noticed()
		if _, err := join(s, p); !errors.Is(err, replica.ErrMemberBehind) {
			t.Fatalf("recovery from a member that lacks something: %v", err)
		}
		p.take(s)
		q.take(s)
		exchange(p, q)
		s.recover(p)
		exchange(p, s, q)
		agree(t, p, s, q)
		for _, c := range []struct {
			table       string
			n           int
			column, was string
		}{
			{"person", 1, "note", "captured before"},
			{"person", 2, "name", "newer by p"},
			{"person", 3, "name", "lost here"},
			{"person", 5, "note", "by p"},
			{"person", 5, "name", "news beside"},
			{"person", 8, "name", "not sent"},
			{"person", 9, "name", "news"},
			{"person", 40, "name", "pending"},
			{"person", 50, "name", "lost here"},
			{"person", 60, "name", "news"},
			{"obs", 1, "value_text", "no row"},
			{"obs", 4, "value_text", "no row"},
			{"obs", 6, "value_text", "news of a deleted row"},
			{"obs", 7, "value_text", "no row"},
		} {
			for _, at := range []*site{p, s, q} {
				if got := at.show(c.table, keyOf(c.n), c.column); got != c.was {
					t.Errorf("running %v, site %d: %s %d has %s %q, want %q", running, at.id[0], c.table, c.n, c.column, got, c.was)
				}
			}
		}
		if got := p.r.Log().Vector().Seq(s.id); got > before+3 {
			t.Errorf("%d batches came of the restore", got-before)
		}
		for line := range strings.SplitSeq(p.conflicts(), "\n") {
			if line != "" && !strings.Contains(line, "news") && !strings.Contains(line, "obs "+keyOf(6).String()) {
				t.Errorf("an old value is in a conflict: %s", line)
			}
		}
	}
}

// What a restored site had in its list of conflicts about settings, which are in no
// database, and the member has not any more, since it was answered, is in neither's list.
//
// Seen to fail when the rows that come count as new ones: the conflict stays listed.
func TestSetBackSettings(t *testing.T) {
	p, s, q := three(t, 1)
	backup := s.db.Backup()
	s.app(insert("person", person(2, "a")))
	s.capture()
	p.ok(p.r.SetUnique(context.Background(), "users", merge.WayMark))
	s.ok(s.r.SetUnique(context.Background(), "users", merge.WayHold))
	s.takeAll(p)
	if s.conflicts() == "" {
		t.Fatal("two settings that were made apart are no conflict")
	}
	p.ok(p.r.SetUnique(context.Background(), "users", merge.WayNull))
	p.takeAll(s)
	s.db.Restore(backup)
	s.restart()
	s.noticed()
	s.recover(p)
	exchange(p, s, q)
	agree(t, p, s, q)
}

// A restored database that nobody wrote to since gives no batch at all, and no
// row of it is sent.
func TestSetBackSendsNothing(t *testing.T) {
	p, s, q := three(t, 30)
	s.app(update("person", keyOf(2), "name", "pending"), remove("obs", keyOf(3)))
	backup := s.db.Backup()
	exchange(p, s, q)
	for n := 1; n < 20; n++ {
		p.app(update("person", keyOf(n), "name", "newer"), remove("obs", keyOf(n+10)))
	}
	exchange(p, s, q)
	had := s.r.Log().Vector()
	conflicts := p.conflicts()
	s.db.Restore(backup)
	s.restart()
	s.noticed()
	s.recover(q)
	exchange(p, s, q)
	agree(t, p, s, q)
	if got := s.r.Log().Vector().Seq(s.id); got != had.Seq(s.id) {
		t.Errorf("the restore made %d batches", got-had.Seq(s.id))
	}
	if got := p.conflicts(); got != conflicts {
		t.Errorf("the restore made conflicts: %s", difference(conflicts, got))
	}
}

// The last site of a network takes its database as it is.
func TestSetBackAlone(t *testing.T) {
	s := newSite(t, 1)
	s.fill(1, 5, "first")
	s.open(false)
	backup := s.db.Backup()
	s.app(update("person", keyOf(2), "name", "lost"), remove("obs", keyOf(3)), insert("person", person(9, "lost")))
	s.capture()
	s.db.Restore(backup)
	s.app(update("person", keyOf(4), "name", "news"))
	s.noticed()
	s.ok(s.r.RecoverAlone(t.Context()))
	s.capture()
	n := newSite(t, 2).open(true)
	mustJoin(t, n, s)
	exchange(s, n)
	agree(t, s, n)
	if got := n.show("person", keyOf(4), "name"); got != "news" {
		t.Errorf("the name is %q", got)
	}
	if got := n.show("obs", keyOf(3), "value_text"); got == "no row" {
		t.Error("a row that the restored database has is not known to the other")
	}
}

// A store that is older than its database is refused, and a database that is
// lost altogether counts as one that was set back.
func TestStoreSetBack(t *testing.T) {
	p, s, _ := three(t, 5)
	old := copyStore(t, s.store)
	s.app(update("person", keyOf(2), "name", "x"))
	exchange(p, s)
	kept := copyStore(t, s.store)
	s.store = old
	if err := s.tryRestart(); !errors.Is(err, replica.ErrStoreBehind) {
		t.Errorf("a store older than the database: %v", err)
	}
	s.store = kept
	s.db.Restore(newSite(t, 9).db.Backup())
	s.restart()
	s.noticed()
	s.recover(p)
	agree(t, p, s)
}

func copyStore(t *testing.T, from kv.Store) kv.Store {
	t.Helper()
	b := &kv.Batch{}
	err := from.Scan(nil, nil, func(k, v []byte) bool {
		b.Set(slices.Clone(k), slices.Clone(v))
		return true
	})
	to := kv.NewMem()
	if err == nil {
		err = to.Write(b, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// Backups from every moment of a history of captures and applies, each
// restored at its end: always noticed, and in the end the same as without.
func TestSetBackToAnyMoment(t *testing.T) {
	for moment := range 12 {
		for _, kill := range []bool{false, true} {
			p, s, q := three(t, 8)
			var backup *memdb.Backup
			step := 0
			at := func() {
				if step == moment {
					backup = s.db.Backup()
				}
				step++
			}
			s.fault = func(memdb.Step) error { return nil }
			for round := range 3 {
				s.app(update("person", keyOf(1+round), "name", fmt.Sprint("by s ", round)))
				at()
				s.capture()
				at()
				p.app(update("person", keyOf(1+round), "note", fmt.Sprint("by p ", round)), insert("person", person(20+round, "p")))
				p.capture()
				s.app(update("person", keyOf(5), "note", fmt.Sprint("pending ", round)))
				at()
				s.take(p)
				_, err := s.r.Apply(t.Context(), 0)
				s.ok(err)
				at()
			}
			exchange(p, q)
			p.take(s)
			q.take(s)
			exchange(p, q)
			want := s.tables()
			sent := s.r.Log().Vector().Seq(s.id)
			if backup == nil {
				t.Fatal("no such moment")
			}
			latest := moment == 11
			s.db.Restore(backup)
			s.app(update("person", keyOf(8), "name", "news"))
			if kill {
				s.restart()
			}
			now += 2_000_000
			if !latest {
				s.noticed()
				s.recover(p)
			}
			exchange(p, s, q)
			agree(t, p, s, q)
			if got := strings.Replace(s.tables(), "news", "first 8", 1); got != want {
				t.Errorf("moment %d, kill %v: the tables are not those before the restore:\n%s", moment, kill, difference(want, got))
			}
			if got := s.r.Log().Vector().Seq(s.id); got != sent+1 {
				t.Errorf("moment %d, kill %v: %d batches came of the restore, want the news alone", moment, kill, got-sent)
			}
		}
	}
}

// A recovery that is cut at any step of store or database and begun again ends
// as one that was not.
func TestCrashInRecovery(t *testing.T) {
	run := func(n int, after bool) ([]string, bool) {
		now = 1_700_000_000_000_000
		p, s, q := three(t, 8)
		s.app(update("person", keyOf(2), "name", "pending"))
		backup := s.db.Backup()
		exchange(p, s, q)
		p.app(update("person", keyOf(3), "name", "p"), remove("obs", keyOf(4)), remove("obs", keyOf(5)), insert("person", person(30, "p")),
			insert("person", person(31, "p")), remove("obs", keyOf(6)))
		s.app(insert("person", person(40, "s")), update("person", keyOf(6), "note", "s"))
		exchange(p, s, q)
		s.db.Restore(backup)
		s.app(update("person", keyOf(3), "note", "news"), insert("person", person(50, "news")), update("obs", keyOf(5), "value_text", "news"),
			remove("obs", keyOf(7)))
		pw := &power{left: -1}
		s.store = &unsafeStore{s.store, pw}
		pw.left, pw.after = n, after
		s.fault = pw.database
		now += 2_000_000
		err := s.tryRestart()
		if err == nil {
			_, err = join(s, p)
		}
		cut := pw.down
		if cut != (err != nil) {
			t.Fatalf("cut at step %d: %v", n, err)
		}
		pw.down, pw.left = false, -1
		s.restart()
		if _, yes := s.r.Recovering(); yes {
			s.recover(p)
		} else if cut && n < 8 {
			t.Fatalf("cut at step %d: not noticed", n)
		}
		exchange(p, s, q)
		agree(t, p, s, q)
		return []string{s.tables(), s.conflicts(), s.states()}, cut
	}
	want, cut := run(0, false)
	if cut {
		t.Fatal("the run without a crash was cut")
	}
	for _, after := range []bool{false, true} {
		cuts := 0
		for n := 1; ; n++ {
			got, cut := run(n, after)
			if !cut {
				break
			}
			cuts++
			for i := range got {
				if d := difference(want[i], got[i]); d != "" {
					t.Fatalf("cut at step %d (%v): - without, + with the crash:\n%s", n, after, d)
				}
			}
		}
		t.Logf("%d cuts", cuts)
		if cuts < 30 {
			t.Errorf("the recovery has only %d steps", cuts)
		}
	}
}

// Rows in tables that the member does not replicate are left alone, and
// values of other sites that this database has no column for survive.
func TestSetBackRandom(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		p, s, q := three(t, 6)
		sites := []*site{p, s, q}
		var backup *memdb.Backup
		random := func(at *site, mark string) {
			n := 1 + rnd.IntN(6)
			rows := map[crdt.Key]bool{}
			for _, r := range at.db.Rows("obs") {
				rows[r.Key] = true
			}
			switch rnd.IntN(4) {
			case 0:
				at.app(update("person", keyOf(n), "name", fmt.Sprint(mark, rnd.IntN(1000))))
			case 1:
				at.app(update("person", keyOf(n), "note", fmt.Sprint(mark, rnd.IntN(1000))))
			case 2:
				if rows[keyOf(n)] {
					at.app(remove("obs", keyOf(n)))
				} else {
					at.app(insert("obs", obs(n, n, mark)))
				}
			case 3:
				if rows[keyOf(n)] {
					at.app(update("obs", keyOf(n), "value_text", fmt.Sprint(mark, rnd.IntN(1000))))
				}
			}
		}
		for i := range 40 {
			if i == 10 {
				backup = s.db.Backup()
			}
			switch at := sites[rnd.IntN(3)]; rnd.IntN(4) {
			case 0, 1:
				random(at, "before")
			case 2:
				at.capture()
			case 3:
				at.take(sites[rnd.IntN(3)])
				_, err := at.r.Apply(t.Context(), 0)
				s.ok(err)
			}
		}
		exchange(p, s, q)
		s.db.Restore(backup)
		news := map[merge.RowID]string{}
		for i := range rnd.IntN(5) {
			id := merge.RowID{Table: "person", Key: keyOf(1 + i)}
			news[id] = fmt.Sprint("news ", i)
			s.app(update("person", id.Key, "name", news[id]))
		}
		if rnd.IntN(2) == 0 {
			s.restart()
		}
		now += 2_000_000
		s.noticed()
		random(p, "meanwhile ")
		p.capture()
		s.recover(p)
		exchange(p, s, q)
		agree(t, p, s, q)
		for id, want := range news {
			if got := q.show(id.Table, id.Key, "name"); got != want && !strings.HasPrefix(got, "meanwhile") {
				t.Errorf("the name is %q, want %q", got, want)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A capture right after a restore logs nothing, before the site looks whether
// its database is the one that it left.
func TestNoCaptureFromBackup(t *testing.T) {
	p, s, q := three(t, 5)
	s.app(update("person", keyOf(2), "name", "pending"))
	backup := s.db.Backup()
	exchange(p, s, q)
	p.app(update("person", keyOf(2), "name", "newer"))
	exchange(p, s, q)
	had := s.r.Log().Vector().Seq(s.id)
	s.ok(s.r.Retry(t.Context())) // it has just looked
	s.db.Restore(backup)
	if _, err := s.r.Capture(t.Context()); !errors.Is(err, merge.ErrSetBack) {
		t.Errorf("capture: %v", err)
	}
	if got := s.r.Log().Vector().Seq(s.id); got != had {
		t.Errorf("%d old batches are in the log", got-had)
	}
}

// A database that is restored once more while it is brought up again is noticed
// before that counts as complete, and nothing old comes back.
//
// Seen to fail when Finish does not look at the mark: "restored at "compare", and
// the bring-up counts as complete".
func TestSetBackDuringRecovery(t *testing.T) {
	moments := map[string]bool{}
	for n := 1; ; n++ {
		p, s, q := three(t, 8)
		backup := s.db.Backup()
		exchange(p, s, q)
		p.app(update("person", keyOf(3), "name", "p"), remove("obs", keyOf(4)))
		s.app(update("person", keyOf(2), "name", "s"), remove("obs", keyOf(5)))
		exchange(p, s, q)
		s.db.Restore(backup)
		s.noticed()
		left, step := n, ""
		_, err := joinWith(s, p, func(at bringup.Progress) {
			if left--; left == 0 {
				step = at.Step
				moments[step] = true
				s.db.Restore(backup)
			}
		})
		if left > 0 {
			s.ok(err)
			break
		}
		if err != nil && !errors.Is(err, merge.ErrSetBack) {
			t.Fatalf("moment %d: %v", n, err)
		}
		switch {
		case err != nil:
			s.restart()
		case step == "place": // the bring-up was complete
			s.noticed()
		default:
			t.Fatalf("moment %d: restored at %q, and the bring-up counts as complete", n, step)
		}
		s.recover(p)
		exchange(p, s, q)
		agree(t, p, s, q)
		if s.show("person", keyOf(2), "name") != "s" || q.show("person", keyOf(3), "name") != "p" {
			t.Fatalf("moment %d: an old value is back", n)
		}
	}
	if len(moments) < 2 {
		t.Errorf("restored at %v only", moments)
	}
}

// A recovery that was cut and goes on from another member ends with the rows of
// that one: what the first had given, and the second has not got yet, goes again,
// and comes with its transaction. What was written to it meanwhile is not lost.
//
// Seen to fail when what was taken over before is not forgotten: the recovered site
// shows person 30, which the member that it recovered from has not got.
func TestRecoveryFromAnotherMember(t *testing.T) {
	for _, written := range []bool{false, true} {
		p, s, q := three(t, 8)
		backup := s.db.Backup()
		p.app(update("person", keyOf(3), "name", "p"))
		exchange(p, s, q)
		p.app(insert("person", person(30, "p")), insert("patient", patient(30, "p")), update("person", keyOf(4), "name", "p"))
		p.capture()
		s.db.Restore(backup)
		s.noticed()
		cut := errors.New("cut")
		_, err := joinWith(s, p, func(bringup.Progress) {
			if s.show("person", keyOf(30), "name") == "p" {
				s.fault = func(memdb.Step) error { return cut }
			}
		})
		s.fault = nil
		if err == nil || s.show("person", keyOf(30), "name") != "p" {
			t.Fatalf("the recovery was not cut after a row was taken over: %v", err)
		}
		if written {
			s.app(update("person", keyOf(30), "note", "news"))
		}
		s.restart()
		s.recover(q)
		if written {
			exchange(p, s, q)
			if got := q.show("person", keyOf(30), "note"); got != "news" {
				t.Errorf("what was written to a row of the first member is %q", got)
			}
			agree(t, p, s, q)
			continue
		}
		agree(t, q, s)
		exchange(p, s, q)
		agree(t, p, s, q)
	}
}
