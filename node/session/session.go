package session

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"baraza/clock"
	"baraza/gossip"
)

// Session is one connection to one peer.
type Session struct {
	hub     *Hub
	peer    clock.SiteID
	dialled bool // by us
	since   time.Time
	conn    net.Conn
	out     *writer
	in      *reader

	wake chan struct{} // there may be something to send
	done chan struct{} // closed when the session ends
	once sync.Once
	err  error // why it ended; set before done is closed

	intake intake
}

func newSession(h *Hub, conn net.Conn, peer clock.SiteID, dialled bool, count *traffic) (*Session, error) {
	if c, ok := underlying(conn).(*net.TCPConn); ok {
		_ = c.SetWriteBuffer(SocketBytes) // a hint; without it things work, less well
	}
	s := &Session{
		hub: h, peer: peer, dialled: dialled, since: time.Now(), conn: conn,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	line := watched{Conn: conn, deadAfter: h.cfg.DeadAfter, count: count}
	var err error
	if s.out, err = newWriter(line, count); err != nil {
		return nil, err
	}
	s.in, err = newReader(line, count, s.part)
	return s, err
}

// underlying returns the connection that a tls.Conn, or a wrapper that tells,
// stands on.
func underlying(conn net.Conn) net.Conn {
	for {
		w, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = w.NetConn()
	}
}

// Peer returns who is at the other end.
func (s *Session) Peer() clock.SiteID { return s.peer }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, once Done is closed.
func (s *Session) Err() error { return s.err }

var (
	errClosed   = errors.New("the hub was closed")
	errReplaced = errors.New("another connection to the same peer took over")
)

// end ends the session; the first reason counts. It does not wait.
func (s *Session) end(why error) {
	s.once.Do(func() {
		s.err = why
		_ = s.conn.Close()
		s.intake.end(why)
		close(s.done)
	})
}

// nudge makes the writer look again.
func (s *Session) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Session) part() { s.hub.receiving(s) }

// write sends what the protocol wants sent, until the session ends.
func (s *Session) write() error {
	for {
		job := s.hub.next(s)
		var err error
		switch {
		case job.control != nil:
			err = s.out.message(job.control)
		case job.entries:
			err = s.writeEntries(job.origin, job.after)
		default:
			if err = s.out.flush(); err == nil {
				select {
				case <-s.wake:
				case <-s.done:
					return s.err
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

func (s *Session) writeEntries(origin clock.SiteID, after uint64) error {
	first, payloads, err := s.hub.log.Read(origin, after, EntriesBytes)
	switch {
	case err != nil:
		return fmt.Errorf("read the log of %s after %d: %w", origin.Short(), after, err)
	case first > after+1:
		s.hub.truncated(s, origin, first)
		return nil
	case first <= after || len(payloads) == 0:
		return fmt.Errorf("the log of %s has nothing after %d, though its vector says so: run `baraza verify`", origin.Short(), after)
	}
	m := gossip.Entries{Origin: origin, First: first, Payloads: payloads[:min(len(payloads), gossip.MaxEntries)]}
	if err := s.out.message(m); err != nil {
		return err
	}
	s.hub.sent(s, origin, after, m.Last())
	return nil
}

// read takes what the peer sends, until the session ends.
func (s *Session) read() error {
	defer s.in.close()
	for {
		m, size, err := s.in.message()
		if err != nil {
			return err
		}
		if e, ok := m.(gossip.Entries); ok {
			err = s.take(e, size)
		} else {
			err = s.hub.handle(s, m)
		}
		if err != nil {
			return err
		}
	}
}

// take hands entries over to be stored, and waits while too many wait.
func (s *Session) take(e gossip.Entries, size int) error {
	s.intake.add(size)
	s.hub.store(arrival{from: s.peer, refused: s.end, intake: &s.intake, Entries: e, size: size})
	return s.intake.wait(ReceiveBudget)
}
