package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"baraza/merge"
	"baraza/node/replica"
)

// Bringing a site up by state, step by step as node/bringup does, over a
// connection of its own: what is sent takes the time of the line, and when the
// line is cut or a site goes down it begins anew. Meanwhile the site's engine
// does nothing else, while entries go on coming in.

const (
	// bringUpPause is the wait before members are asked again, as in node.
	bringUpPause = time.Second
	// bringUpRetries is how often one row is tried.
	bringUpRetries = 50
	// askBytes is about what asking for a table takes besides its digests.
	askBytes = 256
)

// fetch is a bring-up under way.
type fetch struct {
	s, from *Site
	life    int // of from
	link    *Link
	conn    *conn
	view    *replica.View
	up      *replica.BringUp
	asked   map[string]bool
	next    int      // table to be asked for
	rest    bool     // all was asked for
	chunks  [][]byte // that came and are not taken over
	bytes   int      // carried in this step
	ends    *breakOff
}

// errAborted is why a bring-up begins anew.
var errAborted = errors.New("the connection broke")

// bringUpFrom begins to get a site's rows from another.
func (s *Site) bringUpFrom(o *Site) {
	l := s.linkTo[o.id]
	s.w.note("%s begins to get its rows from %s", s, o)
	f := &fetch{s: s, from: o, life: o.life, link: l, conn: l.conn, asked: map[string]bool{}, ends: s.w.nextBreakOff()}
	s.fetch, s.counting = f, nil
	f.plan()
}

// plan lets the next step happen when what it carries has come.
func (f *fetch) plan() {
	takes := f.s.stepTakes() + f.link.latency() + f.link.latency()
	if bw := f.link.line.BytesPerSecond; bw > 0 {
		takes += time.Duration(int64(f.bytes) * int64(time.Second) / bw)
	}
	f.bytes = 0
	f.s.while(takes, func() {
		if f.s.fetch == f {
			f.work()
		}
	})
}

// work does a step and plans the next.
func (f *fetch) work() {
	s := f.s
	done, err := false, error(errAborted)
	if f.open() && !f.breaksOff() {
		done, err = f.step(context.Background())
	}
	if err == nil && !done && !s.breaker.down {
		f.plan()
		return
	}
	f.close()
	s.fetchedAt = s.w.now
	if err == nil && done {
		s.broughtUp(f.from)
	} else {
		if errors.Is(err, replica.ErrNumbersTaken) {
			s.w.fail(fmt.Errorf("%s is stopped: %w", s, err))
		}
		s.w.note("%s does not get its rows from %s: %v", s, f.from, err)
		s.placing.forgotten = true
		s.halfway = true
		f.brokeOff()
	}
	if s.breaker.down {
		s.survived(errCrash)
		return
	}
	if s.w.err == nil {
		s.engine.driver.Failed(replica.ErrRecover) // it settles first
		s.nudge(bringUpPause)
	}
}

// open reports whether the connection stands: as long as that of the protocol
// does, but that it does not break any more when all is repaired, or a shaky
// line would keep a site waiting for ever.
func (f *fetch) open() bool {
	l := f.link
	stands := l.conn == f.conn && l.up(0) && l.up(1) || f.s.w.repaired
	return f.from.up && f.from.life == f.life && stands && l.blocked == [2]int{}
}

// close gives the bring-up up, or ends it.
func (f *fetch) close() {
	f.s.fetch = nil
	if f.view != nil {
		f.s.w.fail(f.view.Close())
		f.view = nil
	}
}

// step does what comes next, and reports whether that was the last.
func (f *fetch) step(ctx context.Context) (done bool, err error) {
	switch {
	case f.view == nil:
		return false, f.greet(ctx)
	case len(f.chunks) > 0:
		c, err := replica.DecodeChunk(f.chunks[0])
		if err == nil {
			err = f.put(ctx, c)
		}
		f.chunks = f.chunks[1:]
		return false, err
	case f.next < len(f.up.Tables()):
		table := f.up.Tables()[f.next]
		f.next++
		return false, f.table(ctx, table)
	case !f.rest:
		f.rest = true
		return false, f.view.SendRest(f.asked, f.chunk)
	default:
		return true, f.finish(ctx)
	}
}

// greet takes a view at the member and begins.
func (f *fetch) greet(ctx context.Context) (err error) {
	o := f.from
	if err = o.passOn(f.s.id); err == nil {
		f.view, err = o.r.OpenView(ctx, o.db)
	}
	if err == nil || o.breaker.down {
		o.grown() // it may have captured something
	}
	if e := err; e != nil || o.breaker.down {
		if expected(e) {
			e = nil
		}
		if !o.survived(e) {
			return errAborted
		}
		if err != nil {
			return err
		}
	}
	f.up, err = f.s.r.StartBringUp(ctx, f.view.Header())
	if err == nil {
		f.s.offered.Merge(f.view.Header().Vector)
		f.s.offered.Merge(o.offered) // its own rows may be of one that broke off
	}
	return err
}

// expected reports whether an error of a member says only that it cannot give
// its rows now.
func expected(err error) bool {
	return errors.Is(err, replica.ErrRecover) || errors.Is(err, replica.ErrBringUp) || errors.Is(err, merge.ErrSetBack) || errors.Is(err, merge.ErrRetry)
}

// table asks for a table.
func (f *fetch) table(ctx context.Context, table string) error {
	f.asked[table] = true
	scan, err := f.s.db.Scan(ctx)
	if err != nil {
		return err
	}
	digests, err := f.up.Digest(ctx, scan, table, func(int64) error { return nil })
	if err != nil {
		return err
	}
	d, err := f.view.Compare(ctx, table, digests, func(int64) error { return nil })
	if err != nil {
		return err
	}
	if err := f.up.SetDifferent(table, d); err != nil {
		return err
	}
	f.bytes += askBytes + 8*len(digests)
	return f.view.Send(ctx, table, d, f.chunk)
}

func (f *fetch) chunk(c *replica.Chunk, _ int64) error {
	if len(c.Items) == 0 {
		return nil
	}
	b, err := c.Encode()
	if err != nil {
		return err
	}
	f.bytes += len(b)
	f.chunks = append(f.chunks, b)
	return nil
}

// put takes a chunk over, in smaller pieces where the database asks to try
// again.
func (f *fetch) put(ctx context.Context, c *replica.Chunk) error {
	for try := 1; ; try++ {
		err := f.up.Put(ctx, c)
		if err == nil || !errors.Is(err, merge.ErrRetry) || try == bringUpRetries {
			return err
		}
		if len(c.Items) > 1 {
			for _, half := range c.Halves() {
				if err := f.put(ctx, half); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

// finish completes the bring-up: the member may go.
func (f *fetch) finish(ctx context.Context) error {
	s := f.s
	for _, table := range f.up.Tables() {
		if err := f.up.NumbersTaken(table); err != nil {
			return err
		}
	}
	if err := f.up.Prune(ctx, s.db, func(string, int64) error { return nil }); err != nil {
		return err
	}
	scan, err := s.db.Scan(ctx)
	if err != nil {
		return err
	}
	s.jumped.Merge(f.view.Header().Vector) // it may fail when all is written
	if err := f.up.Finish(ctx, scan, func(string, int64) error { return nil }); err != nil {
		return err
	}
	f.placeRest(ctx)
	return nil
}

// placeRest places what can be placed now that everything is there.
func (f *fetch) placeRest(ctx context.Context) {
	for range bringUpRetries {
		err := f.s.r.RetryAll(ctx)
		if errors.Is(err, replica.ErrCaptureFirst) {
			_, err = f.s.r.Capture(ctx)
			if err != nil {
				return
			}
			continue
		}
		if err == nil || f.s.breaker.down {
			return
		}
	}
}

// broughtUp is called when a site has got its rows.
func (s *Site) broughtUp(from *Site) {
	s.w.note("%s has got its rows from %s", s, from)
	s.recovered()
	s.tellMembers()
	s.placing.forgotten = true
	s.grown()
}
