package session

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"baraza/gossip"
)

// Traffic counts a peer's bytes over all its sessions: Raw as messages, Wire
// as they were handed to the connection, compressed.
type Traffic struct{ RawIn, RawOut, WireIn, WireOut uint64 }

type traffic struct{ rawIn, rawOut, wireIn, wireOut atomic.Uint64 }

func (t *traffic) read() Traffic {
	return Traffic{t.rawIn.Load(), t.rawOut.Load(), t.wireIn.Load(), t.wireOut.Load()}
}

// watched is a connection that counts its bytes and fails when it carries none
// for too long.
type watched struct {
	net.Conn
	deadAfter time.Duration
	count     *traffic
}

func (w watched) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(w.deadAfter)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(p)
	w.count.wireIn.Add(uint64(n))
	return n, w.explain(err)
}

func (w watched) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if err := w.SetWriteDeadline(time.Now().Add(w.deadAfter)); err != nil {
			return written, err
		}
		n, err := w.Conn.Write(p[:min(len(p), writeChunk)])
		w.count.wireOut.Add(uint64(n))
		written += n
		if err != nil {
			return written, w.explain(err)
		}
		p = p[n:]
	}
	return written, nil
}

func (w watched) explain(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("nothing got through for %v: the line is cut or the other end is down", w.deadAfter)
	}
	return err
}

// writer writes messages to a connection. A message is its length as an
// unsigned varint, then its bytes; the stream of them is one zstd frame, which
// on a connection never ends.
type writer struct {
	zip   *zstd.Encoder
	out   *bufio.Writer
	count *traffic
	buf   []byte
	dirty bool
}

func newWriter(w io.Writer, count *traffic) (*writer, error) {
	out := bufio.NewWriterSize(w, writeChunk)
	zip, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(WindowBytes),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &writer{zip: zip, out: out, count: count}, nil
}

// message writes a message, which may stay in memory until flush.
func (w *writer) message(m gossip.Message) error {
	// Room for the length goes in front; it is known only afterwards.
	const room = binary.MaxVarintLen64
	w.buf = gossip.AppendMessage(append(w.buf[:0], make([]byte, room)...), m)
	size := len(w.buf) - room
	if size > gossip.MaxMessageBytes {
		return fmt.Errorf("message of %d bytes, the limit is %d: a log entry is too large", size, gossip.MaxMessageBytes)
	}
	var prefix [room]byte
	n := binary.PutUvarint(prefix[:], uint64(size))
	copy(w.buf[room-n:], prefix[:n])
	w.count.rawOut.Add(uint64(n + size))
	w.dirty = true
	_, err := w.zip.Write(w.buf[room-n:])
	if cap(w.buf) > 4*EntriesBytes {
		w.buf = nil // one large entry is no reason to keep the memory
	}
	return err
}

// flush puts all that was written on the wire.
func (w *writer) flush() error {
	if !w.dirty {
		return nil
	}
	w.dirty = false
	if err := w.zip.Flush(); err != nil {
		return err
	}
	return w.out.Flush()
}

// close ends the stream, where it has an end: in a file.
func (w *writer) close() error {
	if err := w.zip.Close(); err != nil {
		return err
	}
	return w.out.Flush()
}

// reader reads what writer wrote.
type reader struct {
	zip   *zstd.Decoder
	in    *bufio.Reader
	count *traffic
	// part is called whenever a part of a message has come and more is to come.
	part func()
}

func newReader(r io.Reader, count *traffic, part func()) (*reader, error) {
	zip, err := zstd.NewReader(bufio.NewReaderSize(r, 32<<10), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(WindowBytes), zstd.WithDecoderLowmem(true), zstd.IgnoreChecksum(true))
	if err != nil {
		return nil, err
	}
	return &reader{zip: zip, in: bufio.NewReaderSize(zip, 32<<10), count: count, part: part}, nil
}

func (r *reader) close() { r.zip.Close() }

// message reads the next message. Memory is taken as the bytes come, not as
// the length promises.
func (r *reader) message() (m gossip.Message, size int, err error) {
	length, err := binary.ReadUvarint(r.in)
	if err != nil {
		return nil, 0, err
	}
	if length == 0 || length > gossip.MaxMessageBytes {
		return nil, 0, fmt.Errorf("message of %d bytes; 1 to %d can be", length, gossip.MaxMessageBytes)
	}
	size = int(length)
	body := make([]byte, min(size, readChunk))
	for have := 0; ; {
		n, err := io.ReadFull(r.in, body[have:])
		have += n
		if err != nil {
			return nil, 0, err
		}
		if have == size {
			break
		}
		r.part()
		grown := make([]byte, min(2*have, size))
		copy(grown, body)
		body = grown
	}
	r.count.rawIn.Add(uint64(size))
	m, err = gossip.DecodeMessage(body)
	return m, size, err
}
