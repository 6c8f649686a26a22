package bench

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// relay passes TCP connections on and counts every byte of their payload, both
// ways together. Headers of TCP and IP are not counted, as they are not in the
// size of a binlog either.
type relay struct {
	listener net.Listener
	target   string
	bytes    atomic.Int64
	open     sync.Map // of net.Conn
	closed   atomic.Bool
	running  sync.WaitGroup
}

// startRelay listens on a free port of the loopback.
func startRelay(target string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, target: target}
	r.running.Go(r.accept)
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

// count returns how many bytes have passed.
func (r *relay) count() int64 { return r.bytes.Load() }

func (r *relay) close() {
	r.closed.Store(true)
	_ = r.listener.Close()
	r.open.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
	r.running.Wait()
}

func (r *relay) accept() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() { r.pass(in) })
	}
}

func (r *relay) pass(in net.Conn) {
	r.open.Store(in, true)
	defer r.open.Delete(in)
	defer in.Close()
	if r.closed.Load() {
		return // close may have looked before it was stored
	}
	out, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	r.open.Store(out, true)
	defer r.open.Delete(out)
	defer out.Close()
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		// Counted as it passes, so that a connection that stays is counted too.
		_, _ = io.Copy(counter{to, &r.bytes}, from)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { one(out, in) })
	both.Go(func() { one(in, out) })
	both.Wait()
}

// counter counts what is written.
type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
