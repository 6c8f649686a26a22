package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipe is one direction of a connection.
type pipe struct {
	net   *Network
	route route

	mu      sync.Mutex
	queue   []chunk
	bytes   int
	closing bool      // the writer has closed: after the queue comes the end
	end     time.Time // when the end arrives
	gone    time.Time // when the reader closed; zero while it reads
	// changed is closed, and made anew, when anything above has changed.
	changed chan struct{}
}

type chunk struct {
	data []byte
	at   time.Time // when it arrives, if the line is not cut
}

func newPipe(n *Network, r route) *pipe {
	return &pipe{net: n, route: r, changed: make(chan struct{})}
}

// stir wakes whoever waits. The caller holds mu.
func (p *pipe) stir() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait is what may let a read or a write go on: something in the pipe, the
// line, or a time.
type wait struct {
	pipe, line <-chan struct{}
	due        time.Time
}

// until waits; an error says that it is no use any more.
func (w wait) until(deadline, closed <-chan struct{}) error {
	var timer *time.Timer
	var due <-chan time.Time
	if !w.due.IsZero() {
		timer = time.NewTimer(time.Until(w.due))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.pipe:
	case <-w.line:
	case <-due:
	case <-deadline:
	case <-closed:
	}
	return usable(deadline, closed)
}

func usable(deadline, closed <-chan struct{}) error {
	switch {
	case isClosed(closed):
		return net.ErrClosed
	case isClosed(deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// write takes bytes as long as there is room and waits for more room.
func (p *pipe) write(b []byte, deadline, closed <-chan struct{}) (written int, err error) {
	if err := usable(deadline, closed); err != nil {
		return 0, err
	}
	for {
		n, w, err := p.put(b[written:])
		written += n
		if err != nil || written == len(b) {
			return written, err
		}
		if n > 0 {
			continue
		}
		if err := w.until(deadline, closed); err != nil {
			return written, err
		}
	}
}

// put queues what there is room for.
func (p *pipe) put(b []byte) (n int, w wait, err error) {
	at, whole := p.net.travel()
	if !whole {
		at = at.Add(RetransmitAfter)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.pipe = p.changed
	if !p.gone.IsZero() { // word of it may have come back
		back, open, line := p.net.arrival(p.route.back(), p.gone)
		w.line = line
		if open && !time.Now().Before(back) {
			return 0, w, syscall.ECONNRESET
		}
		if open {
			w.due = back
		}
	}
	if n = min(len(b), SendBytes-p.bytes); n > 0 {
		if last := len(p.queue) - 1; last >= 0 && at.Before(p.queue[last].at) {
			at = p.queue[last].at // bytes keep their order
		}
		p.queue = append(p.queue, chunk{append([]byte(nil), b[:n]...), at})
		p.bytes += n
		p.stir()
	}
	return n, w, nil
}

// read gives what has arrived, and waits for it.
func (p *pipe) read(b []byte, deadline, closed <-chan struct{}) (int, error) {
	if err := usable(deadline, closed); err != nil {
		return 0, err
	}
	for {
		n, w, err := p.take(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if err := w.until(deadline, closed); err != nil {
			return 0, err
		}
	}
}

// take returns bytes that have arrived or, when there are none, what to wait
// for.
func (p *pipe) take(b []byte) (n int, w wait, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.pipe = p.changed
	next := p.end
	if len(p.queue) > 0 {
		next = p.queue[0].at
	} else if !p.closing {
		return 0, w, nil
	}
	at, open, line := p.net.arrival(p.route, next)
	w.line = line
	if !open {
		return 0, w, nil
	}
	if time.Now().Before(at) {
		w.due = at
		return 0, w, nil
	}
	if len(p.queue) == 0 {
		return 0, w, io.EOF
	}
	n = copy(b, p.queue[0].data)
	if n == len(p.queue[0].data) {
		p.queue = p.queue[1:]
	} else {
		p.queue[0].data = p.queue[0].data[n:]
	}
	p.bytes -= n
	p.stir()
	return n, w, nil
}

// closeWriter ends the pipe behind what is queued.
func (p *pipe) closeWriter() {
	at, _ := p.net.travel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.queue) - 1; last >= 0 && at.Before(p.queue[last].at) {
		at = p.queue[last].at
	}
	p.closing, p.end = true, at
	p.stir()
}

// closeReader throws away what comes; the writer hears of it.
func (p *pipe) closeReader() {
	at, _ := p.net.travel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = at
	p.queue, p.bytes = nil, 0
	p.stir()
}
