package replica_test

import (
	"context"
	"fmt"
	"testing"

	"baraza/merge"
	"baraza/node/replica"
)

// starts makes a list of starts, the latest first, from their nonces.
func starts(nonces ...uint64) replica.Boots {
	var b replica.Boots
	for i, n := range nonces {
		b = append(b, replica.Boot{Count: uint64(len(nonces) - i), Nonce: n})
	}
	return b
}

func TestMeet(t *testing.T) {
	late := replica.Boots{{Count: 90, Nonce: 9}, {Count: 89, Nonce: 8}}
	for _, c := range []struct {
		what        string
		known, says replica.Boots
		want        replica.Meeting
	}{
		{"never met", nil, starts(3, 2, 1), replica.MeetFine},
		{"says nothing", starts(1), nil, replica.MeetFine},
		{"the same process", starts(2, 1), starts(2, 1), replica.MeetFine},
		{"started again", starts(2, 1), starts(3, 2, 1), replica.MeetFine},
		{"started again often", starts(2, 1), starts(5, 4, 3, 2, 1), replica.MeetFine},
		{"so often that it cannot be told", starts(2, 1), late, replica.MeetFine},
		{"set back, started as often", starts(3, 2, 1), starts(9, 2, 1), replica.MeetStranger},
		{"set back, started more often", starts(3, 2, 1), starts(9, 8, 2, 1), replica.MeetStranger},
		{"set back, started less often", starts(4, 3, 2, 1), starts(9, 1), replica.MeetStranger},
		{"the process before goes on", starts(3, 2, 1), starts(2, 1), replica.MeetEarlier},
	} {
		if got := replica.Meet(c.known, c.says); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

func TestOutdated(t *testing.T) {
	for _, c := range []struct {
		what      string
		own, seen replica.Boots
		want      bool
	}{
		{"never met", starts(2, 1), nil, false},
		{"met as it is", starts(2, 1), starts(2, 1), false},
		{"met before its last start", starts(3, 2, 1), starts(2, 1), false},
		{"met after the backup that it comes from", starts(9, 1), starts(3, 2, 1), true},
		{"met as often started", starts(9, 2, 1), starts(3, 2, 1), true},
		{"a copy of this very process was met", starts(2, 1), starts(3, 2, 1), false},
	} {
		if got := replica.Outdated(c.own, c.seen); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// Every start of a site is one more, and is remembered with the others.
func TestBoots(t *testing.T) {
	w, err := newWorld(1, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	s := w.sites[0]
	var before replica.Boots
	for i := range 300 {
		boots, err := s.r.Boots()
		if err != nil {
			t.Fatal(err)
		}
		if boots[0].Count != uint64(i+1) || len(before) > 0 && replica.Meet(before, boots.Told()) != replica.MeetFine || replica.Outdated(boots, before) {
			t.Fatalf("start %d: %v after %v", i+1, boots[0], before[0])
		}
		mark, err := s.db.Mark(t.Context())
		if err != nil || mark.Boot != boots[0].Count || mark.Nonce != boots[0].Nonce {
			t.Fatalf("the database has mark %v, the store start %v", mark, boots[0])
		}
		before = boots.Told()
		if err := s.crash(i % 3); err != nil {
			t.Fatal(err)
		}
	}
}

// The marks that the database can have, and what each means.
func TestJudge(t *testing.T) {
	at := func(number, boot uint64) merge.Mark { return merge.Mark{Number: number, Boot: boot, Nonce: 10 * boot} }
	for _, c := range []struct {
		left replica.Left
		db   merge.Mark
		want string
	}{
		{replica.Left{}, at(7, 0), "as left"}, // a new store
		{replica.Left{Known: true, Mark: at(7, 2)}, at(7, 2), "as left"},
		{replica.Left{Known: true, Mark: at(7, 2)}, at(6, 2), "set back"},
		{replica.Left{Known: true, Mark: at(7, 2)}, at(90, 1), "set back"},
		{replica.Left{Known: true, Mark: at(7, 2)}, merge.Mark{}, "set back"},
		{replica.Left{Known: true, Mark: at(7, 2)}, at(8, 2), "store behind"},
		{replica.Left{Known: true, Mark: at(7, 2)}, at(8, 3), "store behind"},
		{replica.Left{Known: true, Mark: at(7, 2)}, merge.Mark{Number: 7, Boot: 2, Nonce: 1}, "store behind"},
		{replica.Left{Known: true, Mark: at(7, 2), Staged: at(8, 2), HasStaged: true}, at(8, 2), "as staged"},
		{replica.Left{Known: true, Mark: at(7, 2), Staged: at(8, 2), HasStaged: true}, at(7, 2), "as left"},
		{replica.Left{Known: true, Mark: at(7, 2), Staged: at(8, 2), HasStaged: true}, at(6, 2), "set back"},
		{replica.Left{Known: true, Mark: at(7, 2), Taken: true}, at(8, 2), "as released"},
		{replica.Left{Known: true, Mark: at(7, 2), Taken: true}, at(9, 2), "store behind"},
		{replica.Left{Known: true, Mark: at(7, 2), Renewed: at(8, 3), HasRenewed: true}, at(8, 3), "as left"},
		{replica.Left{Known: true, Mark: at(7, 2), Renewed: at(8, 3), HasRenewed: true}, at(7, 2), "as left"},
		{replica.Left{Known: true, Mark: at(7, 2), Renewed: at(8, 3), HasRenewed: true}, merge.Mark{Number: 8, Boot: 3}, "store behind"},
	} {
		if got := c.left.Judge(c.db); got != c.want {
			t.Errorf("%s: %s, want %s", fmt.Sprintf("%+v, database %v", c.left, c.db), got, c.want)
		}
	}
}

// A driver whose database was set back does nothing but recover it.
func TestDriverRecovers(t *testing.T) {
	w, err := newWorld(1, plain, false)
	if err != nil {
		t.Fatal(err)
	}
	s := w.sites[0]
	backup := s.db.Backup()
	s.do(t, insert("person", s, 2))
	s.capture(t)
	s.db.Restore(backup)
	s.do(t, insert("person", s, 4))
	w.micros += 2_000_000
	recovered := 0
	d := replica.Driver{Replica: s.r, Recover: func(ctx context.Context) (bool, error) {
		recovered++
		return true, s.r.RecoverAlone(ctx)
	}}
	had := s.r.Log().Vector().Seq(s.id)
	for i := 0; recovered == 0 && i < 5; i++ {
		if _, err := d.Step(t.Context(), 0); err != nil {
			d.Failed(err)
		}
		if got := s.r.Log().Vector().Seq(s.id); got != had {
			t.Fatal("it captures from a database that was set back")
		}
	}
	if _, err := d.Step(t.Context(), 0); err != nil || recovered != 1 {
		t.Fatalf("recovered %d times, then %v", recovered, err)
	}
	if got := s.r.Log().Vector().Seq(s.id); got != had+1 {
		t.Errorf("%d batches after the recovery, want the news", got-had)
	}
}
