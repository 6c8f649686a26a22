package bringup_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"baraza/internal/kv"
	"baraza/merge/memdb"
)

var errDown = errors.New("the site went down")

// power cuts a site off at its n-th step on the database or the store.
type power struct {
	left int // steps until the cut; negative: none
	down bool
	// after: the step at which it goes down has taken effect.
	after bool
}

// step reports whether a step is done, and whether its answer arrives.
func (p *power) step() (done, answered bool) {
	if p.down {
		return false, false
	}
	if p.left--; p.left == 0 {
		p.down = true
		return p.after, false
	}
	return true, true
}

func (p *power) database(step memdb.Step) error {
	switch step {
	case memdb.StepCommitted:
		if p.down {
			return errDown
		}
		return nil
	case memdb.StepCommit:
		done, answered := p.step()
		if done && answered || done {
			return nil
		}
		return errDown
	default:
		if done, answered := p.step(); !done || !answered {
			return errDown
		}
		return nil
	}
}

// unsafeStore is a store that goes down with the site.
type unsafeStore struct {
	kv.Store
	power *power
}

func (s *unsafeStore) Write(b *kv.Batch, sync bool) error {
	done, answered := s.power.step()
	if done {
		if err := s.Store.Write(b, sync); err != nil {
			return err
		}
	}
	if !answered {
		return errDown
	}
	return nil
}

// A bring-up that is cut at any step and begun again ends as one that was not.
func TestCrashAnywhere(t *testing.T) {
	want := func() []string {
		result, cut := crashing(t, 0, false)
		if cut {
			t.Fatal("the run without a crash was cut")
		}
		return result
	}()
	for _, after := range []bool{false, true} {
		cuts := 0
		for n := 1; ; n++ {
			got, cut := crashing(t, n, after)
			if !slices.Equal(got, want) {
				for i := range got {
					t.Errorf("cut at step %d (%v): - without, + with the crash:\n%s", n, after, difference(want[i], got[i]))
				}
				return
			}
			if !cut {
				break
			}
			cuts++
		}
		t.Logf("%d cuts", cuts)
		if cuts < 40 {
			t.Errorf("the bring-up has only %d steps", cuts)
		}
	}
}

// crashing brings a site up that goes down at its n-th step, and returns what
// the sites show in the end, and whether it went down.
func crashing(t *testing.T, n int, after bool) ([]string, bool) {
	t.Helper()
	now = 1_700_000_000_000_000
	p, j, q := newSite(t, 2), newSite(t, 1), newSite(t, 3)
	for _, s := range []*site{p, j} {
		mark := fmt.Sprint(s.id[0])
		s.fill(1, 12, "same")
		s.app(insert("setting", row("", "property", "a", "value", mark)),
			update("person", keyOf(1), "name", mark), update("obs", keyOf(2), "value_text", mark))
	}
	p.fill(20, 30, "p")
	j.fill(40, 50, "j")
	p.open(false)
	q.open(true)
	mustJoin(t, q, p)
	p.app(remove("obs", keyOf(3)), update("person", keyOf(1), "note", "new"), update("person", keyOf(4), "name", "by p"),
		remove("obs", keyOf(5)), remove("obs", keyOf(6)), update("obs", keyOf(7), "value_text", "by p"))
	p.capture()

	pw := &power{left: -1}
	j.store = &unsafeStore{j.store, pw}
	j.open(true)
	j.app(update("person", keyOf(4), "name", "by j"), update("obs", keyOf(5), "value_text", "by j"),
		remove("obs", keyOf(6)), remove("obs", keyOf(7)), remove("obs", keyOf(41)))
	pw.left, pw.after = n, after
	j.fault = pw.database
	_, err := join(j, p)
	cut := pw.down
	if cut != (err != nil) {
		t.Fatalf("cut at step %d: %v", n, err)
	}
	pw.down, pw.left = false, -1
	j.restart()
	if j.r.BringingUp() {
		mustJoin(t, j, p)
	}
	exchange(j, p, q)
	agree(t, j, p, q)
	return []string{j.tables(), j.conflicts(), j.states()}, cut
}
