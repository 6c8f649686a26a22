package bringup

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/vmihailenco/msgpack/v5"

	"baraza/node/replica"
)

const version = 2

// Limits of the conversation.
const (
	// idleMax is how long one side waits for the other to move.
	idleMax = 5 * time.Minute
	// aliveEvery is how often a side that is busy says so.
	aliveEvery = 10 * time.Second
	// failWait is how long a side that gives up tries to say why.
	failWait = 2 * time.Second
	// frameBytesMax bounds one frame: a chunk, or one row with its BLOBs.
	frameBytesMax = 256 << 20
	// frameBytesKept is the room for a frame that is kept for the next one, or made
	// before it has come.
	frameBytesKept = 4 << 20
	// headBytes is the kind of a frame and its length.
	headBytes = 5
	// windowBytes is how far back the compression looks.
	windowBytes = 4 << 20
)

// The kinds of frames. Every conversation: the joining site sends hello, the
// member header; then any number of query, answered by answer, chunks and end;
// then rest, answered by chunks and end; then done.
const (
	kindHello = iota + 1
	kindHeader
	kindQuery
	kindAnswer
	kindChunk
	kindEnd
	kindRest
	kindDone
	kindAlive
	kindFail
	// Of a comparison, see compare.go.
	kindShape
	kindShaped
	kindSums
	kindPick
)

type hello struct {
	Version int
	// Compare: the site does not join, it compares tables.
	Compare bool
}

type query struct {
	Table   string
	Digests replica.Digests
}

type answer struct {
	Different replica.Different
	// Rows is about how many rows the member has to look at.
	Rows int64
}

type chunk struct {
	Body []byte
	// Rows is how many rows of the table the member has looked at.
	Rows int64
}

type alive struct{ Rows int64 }

type fail struct{ Reason string }

// wire is one side of the conversation.
type wire struct {
	conn  net.Conn
	in    *zstd.Decoder
	out   *zstd.Encoder
	bytes atomic.Int64 // read and written, compressed
	spoke time.Time
	// frameOut is the frame that is sent.
	frameOut bytes.Buffer
	idle     time.Duration // see idleMax
	stop     func() bool
	// deaf: nothing is read any more.
	deaf atomic.Bool
}

func newWire(ctx context.Context, conn net.Conn) (*wire, error) {
	w := &wire{conn: conn, spoke: time.Now(), idle: idleMax}
	var err error
	w.out, err = zstd.NewWriter(counted{w}, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowBytes))
	if err != nil {
		return nil, err
	}
	w.in, err = zstd.NewReader(counted{w}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowBytes), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	w.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return w, nil
}

// close frees what the wire holds; the connection is the caller's.
func (w *wire) close() {
	w.stop()
	w.in.Close()
}

// counted is the connection with its deadlines and counters.
type counted struct{ w *wire }

func (c counted) Read(b []byte) (int, error) {
	if err := c.w.conn.SetReadDeadline(time.Now().Add(c.w.idle)); err != nil {
		return 0, err
	}
	if c.w.deaf.Load() {
		return 0, errDeaf
	}
	n, err := c.w.conn.Read(b)
	c.w.bytes.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	if err := c.w.conn.SetWriteDeadline(time.Now().Add(c.w.idle)); err != nil {
		return 0, err
	}
	n, err := c.w.conn.Write(b)
	c.w.bytes.Add(int64(n))
	return n, err
}

var errDeaf = errors.New("this side has stopped reading")

// stopReading ends a read that is under way, and all later ones.
func (w *wire) stopReading() {
	w.deaf.Store(true)
	_ = w.conn.SetReadDeadline(time.Now()) // an error means that it is closed, which does as well
}

// send writes one frame: kind, length, msgpack.
func (w *wire) send(kind byte, message any) error {
	b := &w.frameOut
	b.Reset()
	b.Write(make([]byte, headBytes))
	if err := msgpack.NewEncoder(b).Encode(message); err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	n := b.Len() - headBytes
	if n > frameBytesMax {
		return fmt.Errorf("a message of %d bytes is more than the %d that a bring-up carries: exclude the table with such rows", n, frameBytesMax)
	}
	b.Bytes()[0] = kind
	binary.BigEndian.PutUint32(b.Bytes()[1:], uint32(n))
	if _, err := w.out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if b.Cap() > frameBytesKept {
		*b = bytes.Buffer{}
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	w.spoke = time.Now()
	return nil
}

// alive tells the other side now and then that work goes on.
func (w *wire) alive(rows int64) error {
	if time.Since(w.spoke) < aliveEvery {
		return nil
	}
	return w.send(kindAlive, alive{rows})
}

// giveUp tells the other side why, if it still listens.
func (w *wire) giveUp(err error) {
	w.idle = failWait
	_ = w.send(kindFail, fail{err.Error()})
}

// receive reads the next frame that is not an alive.
func (w *wire) receive(onAlive func(rows int64)) (byte, []byte, error) {
	for {
		kind, body, err := w.frame()
		if err != nil {
			return 0, nil, receiveError(err)
		}
		switch kind {
		case kindAlive:
			var a alive
			if err := decode(body, &a); err != nil {
				return 0, nil, err
			}
			if onAlive != nil {
				onAlive(a.Rows)
			}
		case kindFail:
			return 0, nil, gaveUp(body)
		default:
			return kind, body, nil
		}
	}
}

func receiveError(err error) error { return fmt.Errorf("receive: %w", err) }

// gaveUp is the error that the other side sent.
func gaveUp(body []byte) error {
	var f fail
	if err := decode(body, &f); err != nil {
		return err
	}
	return fmt.Errorf("the other site gave up: %.500s", f.Reason)
}

func (w *wire) frame() (byte, []byte, error) {
	var head [headBytes]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[1:]))
	if n > frameBytesMax {
		return 0, nil, fmt.Errorf("a frame of %d bytes is more than %d", n, frameBytesMax)
	}
	var body bytes.Buffer // beyond that it grows with what comes, not with what is promised
	body.Grow(int(min(n, frameBytesKept)) + bytes.MinRead)
	if _, err := io.CopyN(&body, w.in, n); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return head[0], body.Bytes(), nil
}

// expect reads the next frame, which must be of the kind.
func (w *wire) expect(kind byte, message any, onAlive func(rows int64)) error {
	got, body, err := w.receive(onAlive)
	if err != nil {
		return err
	}
	if got != kind {
		return unexpected(got)
	}
	return decode(body, message)
}

func unexpected(kind byte) error {
	return fmt.Errorf("the other site sent a message of kind %d, which has no place here: the two sites' versions of baraza do not go together", kind)
}

func decode(body []byte, message any) error {
	if err := msgpack.Unmarshal(body, message); err != nil {
		return fmt.Errorf("a message of the other site is damaged: %w", err)
	}
	return nil
}
