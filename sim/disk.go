package sim

import (
	"errors"
	"slices"

	"baraza/internal/kv"
	"baraza/merge"
	"baraza/merge/memdb"
)

var (
	errCrash  = errors.New("the machine is down")
	errFailed = errors.New("the step failed")
)

// breaker brings a site down, or lets one step fail, at a chosen point: the
// after-th store write or database step from now, counted together.
type breaker struct {
	after int // 0: never
	kind  breakKind
	down  bool
	// answer is what a database commit that took effect is to answer.
	answer error
	// fired: something was made to fail.
	fired bool
}

type breakKind int

const (
	crashBefore breakKind = iota // the step does not happen, the machine goes down
	crashAfter                   // the step happens, then the machine goes down
	failOnce                     // the step fails, all else goes on
	loseAnswer                   // the step happens and answers an error
	deadlock                     // the database asks to try again
	breakKinds
)

// step counts a step and tells what it answers, before it is done and after.
func (b *breaker) step(database bool) (before, after error) {
	if b.down {
		return errCrash, nil
	}
	if b.after == 0 {
		return nil, nil
	}
	if b.after--; b.after > 0 {
		return nil, nil
	}
	b.fired = true
	switch b.kind {
	case crashBefore:
		b.down = true
		return errCrash, nil
	case crashAfter:
		b.down = true
		return nil, errCrash
	case loseAnswer:
		return nil, errFailed
	case deadlock:
		if database {
			return merge.ErrRetry, nil
		}
		return errFailed, nil
	default:
		return errFailed, nil
	}
}

// database is the Fault of a memdb.
func (b *breaker) database(step memdb.Step) error {
	if step == memdb.StepCommitted { // was decided at the commit
		err := b.answer
		b.answer = nil
		return err
	}
	before, after := b.step(true)
	if step == memdb.StepCommit {
		b.answer = after
		return before
	}
	return errors.Join(before, after)
}

// disk is a site's store. A crash takes back what was not synced.
type disk struct {
	*kv.Mem
	breaker *breaker
	undo    [][]kv.Op // one list per batch that is not synced
	writes  uint64
}

// Write implements kv.Store.
func (d *disk) Write(b *kv.Batch, sync bool) error {
	before, after := d.breaker.step(false)
	if before != nil {
		return before
	}
	d.writes++
	if sync {
		d.undo = d.undo[:0]
		if err := d.Mem.Write(b, sync); err != nil {
			return err
		}
		return after
	}
	n := len(d.undo) // a list that was given up is used again
	d.undo = slices.Grow(d.undo, 1)[:n+1]
	var err error
	if d.undo[n], err = d.Swap(b, d.undo[n][:0]); err != nil {
		return err
	}
	return after
}

// crash leaves what was synced, and the first kept of the batches after it.
func (d *disk) crash(kept int) error {
	b := &kv.Batch{}
	for i := len(d.undo) - 1; i >= kept; i-- {
		for j := len(d.undo[i]) - 1; j >= 0; j-- {
			b.Ops = append(b.Ops, d.undo[i][j])
		}
	}
	d.undo = nil
	d.writes++
	return d.Mem.Write(b, true)
}
