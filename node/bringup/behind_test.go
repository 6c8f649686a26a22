package bringup_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/bringup"
	"baraza/schema"
)

// behindMode is when a model database does what it is asked to do behind the
// caller's back, as a server may: at once, or as late as it can.
type behindMode int

const (
	behindNever behindMode = iota
	behindAtOnce
	behindLate
)

// backgrounds counts what databases did behind the caller's back.
var backgrounds int

// behindDB is a model database whose transactions are merge.Behind.
type behindDB struct {
	*memdb.DB
	mode behindMode
}

func (d *behindDB) Begin(ctx context.Context) (merge.Tx, error) {
	x, err := d.DB.Begin(ctx)
	if err != nil || d.mode == behindNever {
		return x, err
	}
	return &behindTx{Tx: x, db: d}, nil
}

type behindTx struct {
	merge.Tx
	db *behindDB
}

func (x *behindTx) InsertBehind(ctx context.Context, t *schema.Table, rows []merge.Row) (wait func() error) {
	backgrounds++
	if x.db.mode == behindAtOnce {
		err := insertAll(ctx, x.Tx, t, rows)
		return func() error { return err }
	}
	_ = x.Rollback() // the model has one transaction at a time
	return func() error {
		again, err := x.db.DB.Begin(ctx)
		if err != nil {
			return err
		}
		return insertAll(ctx, again, t, rows)
	}
}

func insertAll(ctx context.Context, x merge.Tx, t *schema.Table, rows []merge.Row) error {
	refused, err := x.Insert(ctx, t, rows)
	if err == nil && len(refused) > 0 {
		err = fmt.Errorf("%w: %w", merge.ErrRefused, refused[0])
	}
	if err != nil {
		_ = x.Rollback()
		return err
	}
	return x.Commit()
}

// inBackground runs a test with databases of all kinds.
func inBackground(t *testing.T, test func(t *testing.T)) {
	defer func() { mode = behindNever }()
	for m, name := range []string{"never", "at once", "late"} {
		t.Run(name, func(t *testing.T) {
			mode, backgrounds = behindMode(m), 0
			test(t)
			if (backgrounds > 0) != (mode != behindNever) {
				t.Errorf("%d inserts were behind the caller's back", backgrounds)
			}
		})
	}
}

const (
	remarks   = 11
	fewOfMany = 3 // rows of a chunk
)

func remark(n int, body string) merge.Row {
	return row(keyOf(n), "uuid", uuid(n), "person_id", refTo(1), "body", body)
}

// manyChunks is a member with tables of several chunks. The last row of obs
// refers to one of the chunk before.
func manyChunks(t *testing.T) *site {
	t.Helper()
	p := newSite(t, 2)
	p.chunkRows = fewOfMany
	p.app(insert("person", person(1, "p")), insert("patient", patient(1, "none")))
	for n := 1; n <= remarks; n++ {
		o := obs(n, 1, "p")
		if n == remarks {
			o.Columns, o.Values = append(o.Columns, "obs_group_id"), append(o.Values, refTo(remarks-fewOfMany))
		}
		p.app(insert("remark", remark(n, "p")), insert("obs", o))
	}
	p.open(false)
	p.app(update("remark", keyOf(3), "body", "by p"), remove("remark", keyOf(4)), update("person", keyOf(1), "name", "by p"))
	p.capture()
	return p
}

// Several chunks under way at a time leave what one after the other leaves:
// without more, with rows that applications write meanwhile, whether the chunk is
// under way then or is still to come, and with a database that asks to try again.
func TestChunksUnderWay(t *testing.T) {
	inBackground(t, func(t *testing.T) {
		for _, what := range []string{"alone", "local writes", "retry"} {
			p, n := manyChunks(t), newSite(t, 1)
			n.open(true)
			inserts := 0
			n.fault = func(step memdb.Step) error {
				if step != memdb.StepInsert {
					return nil
				}
				if inserts++; what == "retry" && inserts%3 == 2 {
					return merge.ErrRetry
				}
				return nil
			}
			wrote := false
			_, err := joinWith(n, p, func(at bringup.Progress) {
				if c, err := n.r.Counts(); at.Step == "place" && (err != nil || c.Waiting > 0) {
					t.Errorf("%s: %d rows wait, though all could be placed at once: %v", what, c.Waiting, err)
				}
				if what == "local writes" && at.Step == "receive" && at.Table == "remark" && at.Rows > 0 && !wrote {
					wrote = true
					for _, i := range []int{2, remarks, 70} {
						if n.show("remark", keyOf(i), "body") == "no row" {
							n.app(insert("remark", row(keyOf(i), "uuid", uuid(i), "body", "by n")))
						}
					}
				}
			})
			if err != nil || wrote != (what == "local writes") {
				t.Fatal(what, wrote, err)
			}
			exchange(n, p)
			agree(t, n, p)
			wants := map[int]string{3: "by p", 4: "no row", 70: "no row"}
			if wrote {
				wants[remarks], wants[70] = "by n", "by n"
			}
			if wrote && mode == behindLate {
				wants[2] = "by n" // its chunk was under way
			}
			for i, want := range wants {
				if got := p.show("remark", keyOf(i), "body"); got != want {
					t.Errorf("%s: remark %d is %.20s, not %s", what, i, got, want)
				}
			}
			if got := n.show("obs", keyOf(remarks), "obs_group_id"); got == "NULL" || got == "no row" {
				t.Errorf("%s: the reference to an earlier chunk is %s", what, got)
			}
		}
	})
}

// A site that goes down at any step with several chunks under way begins again
// and has everything.
func TestChunksUnderWayCrash(t *testing.T) {
	inBackground(t, func(t *testing.T) {
		if mode == behindNever {
			return // TestBareCrashAnywhere
		}
		for _, after := range []bool{false, true} {
			for cut := 1; ; cut++ {
				p, n := manyChunks(t), newSite(t, 1)
				pw := &power{left: -1}
				n.store = &unsafeStore{n.store, pw}
				n.open(true)
				pw.left, pw.after = cut, after
				n.fault = pw.database
				_, err := join(n, p)
				down := pw.down
				if down != (err != nil) || down && !errors.Is(err, errDown) {
					t.Fatalf("cut at step %d: %v", cut, err)
				}
				pw.down, pw.left = false, -1
				n.restart()
				if n.r.BringingUp() {
					mustJoin(t, n, p)
				}
				exchange(n, p)
				if agree(t, n, p); t.Failed() {
					t.Fatalf("cut at step %d (%v)", cut, after)
				}
				if !down {
					break
				}
			}
		}
	})
}
