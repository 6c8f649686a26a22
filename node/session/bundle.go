package session

import (
	"context"
	"errors"
	"fmt"
	"io"

	"baraza/clock"
	"baraza/gossip"
)

// bundleRoom is the part of a bundle's limit of bytes that is kept free for
// what lies around the messages.
const bundleRoom = 64

// PackOptions say what goes into a bundle.
type PackOptions struct {
	// Base is what the peer is known to have.
	Base clock.VersionVector
	// Bare: no entries, only what this site has.
	Bare bool
	// MaxBytes, when not 0, is how large the bundle may become.
	MaxBytes int64
}

// Packed is what went into a bundle.
type Packed struct {
	Entries uint64
	// Left counts the entries that the limit of bytes left out.
	Left uint64
}

// Pack writes a bundle for a peer: what a session would send to it if it had
// said that it has o.Base. It takes the memory of one message.
func (h *Hub) Pack(ctx context.Context, w io.Writer, peer clock.SiteID, o PackOptions) (Packed, error) {
	h.mu.Lock()
	pack := h.protocol.NewPack(peer, o.Base)
	h.mu.Unlock()
	sink := &counted{w: w}
	out, err := newWriter(sink, &traffic{})
	if err != nil {
		return Packed{}, err
	}
	if err := out.message(pack.Hello()); err != nil {
		return Packed{}, err
	}
	for !o.Bare {
		origin, after, last, more := pack.Next()
		if !more {
			break
		}
		if err := ctx.Err(); err != nil {
			return Packed{}, err
		}
		payloads, err := h.readFor(origin, after, last)
		if err != nil {
			return Packed{}, err
		}
		if o.MaxBytes > 0 {
			if err := out.flush(); err != nil {
				return Packed{}, err
			}
			if !fits(o.MaxBytes, sink.n, payloads) {
				break
			}
		}
		if err := out.message(pack.Entries(payloads)); err != nil {
			return Packed{}, err
		}
	}
	done := Packed{Entries: pack.Written(), Left: pack.Left()}
	if o.Bare {
		done.Left = 0
	}
	return done, out.close()
}

// fits reports whether payloads, which may not compress, are within the limit.
func fits(most, written int64, payloads [][]byte) bool {
	size := int64(gossip.EntriesOverhead(len(payloads)))
	for _, p := range payloads {
		size += int64(len(p))
	}
	return written+size <= most-most/bundleRoom
}

// readFor reads entries for a bundle.
func (h *Hub) readFor(origin clock.SiteID, after, last uint64) ([][]byte, error) {
	first, payloads, err := h.log.Read(origin, after, EntriesBytes)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the log of %s after %d: %w", origin.Short(), after, err)
	case first != after+1 || len(payloads) == 0:
		return nil, fmt.Errorf("the log of %s does not hold entry %d any more: export again", origin.Short(), after+1)
	}
	return payloads[:min(uint64(len(payloads)), last-after, gossip.MaxEntries)], nil
}

// Unpacked is what was in a bundle.
type Unpacked struct {
	// Entries were in it; New of them were not here yet.
	Entries, New uint64
	// Vector is what its writer had.
	Vector clock.VersionVector
	// Missing is what could not be taken.
	Missing []gossip.Missing
}

// Unpack reads a bundle that a peer wrote, and hands what is in it to the
// protocol and the log as if it had come over a session. It returns when all is
// durable. greeted is called with the Hello before anything is taken.
func (h *Hub) Unpack(ctx context.Context, r io.Reader, peer clock.SiteID, greeted func(gossip.Hello) error) (Unpacked, error) {
	in, err := newReader(r, &traffic{}, func() {})
	if err != nil {
		return Unpacked{}, err
	}
	defer in.close()
	held := &intake{}
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-h.done:
			held.end(errClosed)
		case <-ctx.Done():
			held.end(ctx.Err())
		case <-finished:
		}
	}()
	u := gossip.NewUnpack(peer)
	before := h.log.Vector()
	if err := h.unpack(in, u, peer, held, greeted); err != nil {
		return Unpacked{}, err
	}
	if err := held.wait(0); err != nil {
		return Unpacked{}, err
	}
	after := h.log.Vector()
	return Unpacked{
		Entries: u.Entries(), New: u.New(before, after), Vector: u.Hello().Vector,
		Missing: u.Missing(h.cfg.Gossip.Site, after),
	}, nil
}

func (h *Hub) unpack(in *reader, u *gossip.Unpack, peer clock.SiteID, held *intake, greeted func(gossip.Hello) error) error {
	for {
		m, size, err := in.message()
		if errors.Is(err, io.EOF) && u.Hello() != nil {
			return nil
		}
		if err == nil {
			err = u.Take(m)
		}
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case gossip.Hello:
			if err := greeted(m); err != nil {
				return err
			}
		case gossip.Entries:
			held.add(size)
			h.store(arrival{from: peer, refused: held.end, intake: held, Entries: m, size: size})
			if err := held.wait(ReceiveBudget); err != nil {
				return err
			}
		}
	}
}

// Base tells what a peer has as far as is known.
func (h *Hub) Base(peer clock.SiteID, last gossip.Heard, applied clock.VersionVector, atMillis int64) gossip.Base {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.protocol.Base(peer, last, applied, atMillis)
}

// Begin tells where a bundle begins.
func (h *Hub) Begin(peer clock.SiteID, base gossip.Base, everyones clock.VersionVector, first func(clock.SiteID) uint64) (clock.VersionVector, *gossip.Missing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.protocol.Begin(peer, base, everyones, first)
}

// Carried tells what a peer had when it wrote a bundle.
func (h *Hub) Carried(peer clock.SiteID, v clock.VersionVector) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.protocol.Carried(peer, v)
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
