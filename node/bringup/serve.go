package bringup

import (
	"context"
	"fmt"
	"net"

	"baraza/node/replica"
)

// Serve answers a joining site on a connection until it has everything. open
// takes the view (on the engine's goroutine); it is asked once the joining site
// has introduced itself. The connection stays the caller's.
func Serve(ctx context.Context, conn net.Conn, open func() (*replica.View, error)) (err error) {
	w, err := newWire(ctx, conn)
	if err != nil {
		return err
	}
	defer w.close()
	defer func() {
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		w.giveUp(err)
		err = fmt.Errorf("bring up site %s: %w", conn.RemoteAddr(), err)
	}()
	var h hello
	if err := w.expect(kindHello, &h, nil); err != nil {
		return err
	}
	if h.Version != version {
		return fmt.Errorf("the joining site speaks version %d of the bring-up, this one %d: update baraza", h.Version, version)
	}
	v, err := open()
	if err != nil {
		return err
	}
	defer v.Close()
	if h.Compare {
		return serveCompare(ctx, w, v)
	}
	s := &server{wire: w, view: v, asked: map[string]bool{}}
	return s.run(ctx)
}

type server struct {
	*wire
	view  *replica.View
	asked map[string]bool
}

func (s *server) run(ctx context.Context) error {
	h := *s.view.Header()
	var err error
	if h.Named, err = s.view.Named(ctx); err != nil {
		return err
	}
	if err := s.send(kindHeader, &h); err != nil {
		return err
	}
	for {
		kind, body, err := s.receive(nil)
		if err != nil {
			return err
		}
		switch kind {
		case kindQuery:
			var q query
			if err = decode(body, &q); err == nil {
				err = s.table(ctx, &q)
			}
		case kindRest:
			if err = s.view.SendRest(s.asked, s.chunk); err == nil {
				err = s.send(kindEnd, struct{}{})
			}
		case kindDone:
			return nil
		default:
			err = unexpected(kind)
		}
		if err != nil {
			return err
		}
	}
}

func (s *server) table(ctx context.Context, q *query) error {
	if s.asked[q.Table] {
		return fmt.Errorf("the joining site asks for table %s twice", q.Table)
	}
	s.asked[q.Table] = true
	rows, err := s.view.Count(ctx, q.Table)
	if err != nil {
		return err
	}
	d, err := s.view.Compare(ctx, q.Table, q.Digests, s.alive)
	if err != nil {
		return err
	}
	if err := s.send(kindAnswer, answer{Different: d, Rows: rows}); err != nil {
		return err
	}
	if err := s.view.Send(ctx, q.Table, d, s.chunk); err != nil {
		return err
	}
	return s.send(kindEnd, struct{}{})
}

func (s *server) chunk(c *replica.Chunk, rows int64) error {
	if len(c.Items) == 0 {
		return s.alive(rows)
	}
	b, err := c.Encode()
	if err != nil {
		return err
	}
	return s.send(kindChunk, chunk{Body: b, Rows: rows})
}
