package sim

import (
	"strings"
	"testing"
	"time"

	"baraza/crdt"
	"baraza/merge"
)

// TestStrain: the faults of strain come to what they are for, in plans that hold:
// sites are set back by one group that they applied, bring-ups break off when they
// have begun, and databases come back in which rows are that were deleted since.
func TestStrain(t *testing.T) {
	stepsBack, brokenOff, deleted := 0, 0, 0
	for seed := uint64(1); seed <= 60; seed++ {
		p := NewPlan(seed, 2, 5)
		plain := len(p.Faults)
		for _, f := range p.Faults {
			if f.Kind >= PastDeletes {
				plain--
			}
		}
		if plain == len(p.Faults) {
			continue
		}
		back := map[string]bool{}
		p.Trace = func(line string) {
			switch fields := strings.Fields(line); {
			case strings.HasSuffix(line, "is to be set back to before what it does now"):
				back[fields[1]] = true
			case strings.HasSuffix(line, "is restored from a backup") && back[fields[4]]:
				stepsBack++
				delete(back, fields[4])
			case strings.HasSuffix(line, "that bring-up was broken off"):
				brokenOff++
			case strings.HasSuffix(line, "rows again that were deleted"):
				deleted++
			}
		}
		res := p.Run()
		if res.Err != nil {
			t.Fatalf("%v\n  %s\nreplay: go test ./sim -run '^TestPlans$' -seed %d", res.Err, strings.Join(res.Tail, "\n  "), seed)
		}
	}
	t.Logf("%d steps back, %d bring-ups broken off, %d restores past deletes", stepsBack, brokenOff, deleted)
	if stepsBack < 2 || brokenOff < 3 || deleted < 3 {
		t.Errorf("%d steps back, %d bring-ups broken off, %d restores past deletes: the plans do not do what they are for", stepsBack, brokenOff, deleted)
	}
}

// TestComesBack: a row that was deleted since the backup may be written anew if an
// application wrote to it since, or to one that refers to it, or had when the backup
// was taken and was not captured by then; and else not.
func TestComesBack(t *testing.T) {
	w := newTestWorld(t, 2)
	s := w.Sites[0]
	if err := w.Run(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	captured := setting(s, 1)
	if err := w.Run(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	pending := setting(s, 2)
	backup := s.backup()
	backup.putBack(false)
	since := setting(s, 3)
	for c, want := range map[cell]bool{captured: false, pending: true, since: true} {
		if err := s.mayComeBack(&crdt.Change{Table: c.Table, Key: c.Key}); (err == nil) != want {
			t.Errorf("%s may come back: %v, want %v", c, err, want)
		}
	}
	tag := merge.RowID{Table: "tag", Key: crdt.MakeKey(refTo(7), crdt.Text("label1"))}
	r := merge.Row{Key: tag.Key}
	set(&r, field{"person_id", refTo(7)}, field{"label", crdt.Text("label1")}, field{"note", crdt.Null})
	s.isNews(tag, r)
	if err := s.mayComeBack(&crdt.Change{Table: "person", Key: keyOf(7)}); err != nil {
		t.Errorf("a row to which one refers that was written: %v", err)
	}
}
