package memnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const (
	latency  = 40 * time.Millisecond
	addressA = "10.0.0.1"
	addressB = "10.0.0.2"
)

// lines runs a test with two hosts in a bubble.
func lines(t *testing.T, l Line, f func(t *testing.T, n *Network, a, b *Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Line: l, Seed: 1})
		f(t, n, n.Host(addressA), n.Host(addressB))
	})
}

func connect(t *testing.T, from, to *Host) (near, far net.Conn) {
	t.Helper()
	at := to.address.String() + ":7946"
	l, err := to.Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = from.Dial(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

func took(t *testing.T, since time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(since); d != want {
		t.Errorf("took %v, want %v", d, want)
	}
}

func TestLatency(t *testing.T) {
	lines(t, Line{Latency: latency}, func(t *testing.T, _ *Network, a, b *Host) {
		start := time.Now()
		near, far := connect(t, a, b)
		took(t, start, 2*latency)
		start = time.Now()
		for _, s := range []string{"one", "two"} {
			if _, err := near.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		read(t, far, "onetwo")
		took(t, start, latency)
		near.Close()
		if _, err := far.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // io.Reader's contract
			t.Errorf("the other end closed: %v", err)
		}
		took(t, start, 2*latency)
		if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing to who closed: %v", err)
		}
		far.Close()
	})
}

// What is sent into a cut comes when it is healed; nobody is told meanwhile.
//
// Mutation: let arrival forget when a line was healed, and it comes without
// the latency.
func TestCut(t *testing.T) {
	lines(t, Line{Latency: latency}, func(t *testing.T, n *Network, a, b *Host) {
		near, far := connect(t, a, b)
		n.CutOneWay(a, b)
		near.Write([]byte("into the cut"))
		far.Write([]byte("against it"))
		read(t, near, "against it")
		far.SetReadDeadline(time.Now().Add(time.Hour))
		start := time.Now()
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read from a cut line: %v", err)
		}
		took(t, start, time.Hour)
		far.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Minute, n.HealAll)
		start = time.Now()
		read(t, far, "into the cut")
		took(t, start, time.Minute+latency)

		n.Cut([]*Host{a}, []*Host{b})
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		start = time.Now()
		if _, err := b.Dial(ctx, addressA+":1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a dial into a cut: %v", err)
		}
		took(t, start, 6*time.Second)
		near.Close() // the other end does not hear of it
		far.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the end of a connection got through a cut: %v", err)
		}
		far.SetReadDeadline(time.Time{})
		n.Heal([]*Host{b}, []*Host{a})
		if _, err := far.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // io.Reader's contract
			t.Errorf("the end of a connection after a cut: %v", err)
		}
		far.Close()
	})
}

func TestFullConnectionWaits(t *testing.T) {
	lines(t, Line{Latency: latency}, func(t *testing.T, n *Network, a, b *Host) {
		near, far := connect(t, a, b)
		near.SetWriteDeadline(time.Now().Add(time.Second))
		wrote, err := near.Write(make([]byte, SendBytes+10))
		if wrote != SendBytes || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("wrote %d, %v", wrote, err)
		}
		near.SetWriteDeadline(time.Time{})
		go near.Write(make([]byte, 10))
		if got, err := io.ReadFull(far, make([]byte, SendBytes+10)); err != nil {
			t.Errorf("read %d, %v", got, err)
		}
		// A writer that waits hears of it when the reader closes, a line later.
		wrote, err = near.Write(make([]byte, SendBytes))
		if err != nil {
			t.Fatal(wrote, err)
		}
		time.AfterFunc(time.Second, func() { far.Close() })
		start := time.Now()
		if _, err := near.Write(bytes.Repeat([]byte{1}, 2*SendBytes)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing to who closes: %v", err)
		}
		took(t, start, time.Second+latency)
		near.Close()
	})
}

func TestClosedLocally(t *testing.T) {
	lines(t, Line{Latency: latency}, func(t *testing.T, _ *Network, a, b *Host) {
		near, far := connect(t, a, b)
		time.AfterFunc(time.Second, func() { near.Close() })
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read of a connection that is closed: %v", err)
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write to a connection that is closed: %v", err)
		}
		far.Close()
	})
}

func TestAddresses(t *testing.T) {
	lines(t, Line{Latency: latency}, func(t *testing.T, n *Network, a, b *Host) {
		near, far := connect(t, a, b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, addressB+":1"); !errors.Is(err, errRefused) {
			t.Errorf("a dial to a port that nobody listens at: %v", err)
		}
		b.SetAddress("10.0.0.77")
		if _, err := b.Listen(addressB + ":1"); err == nil {
			t.Error("a host listens at an address that it gave up")
		}
		if _, err := a.Dial(ctx, addressB+":1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a dial to an address that nobody has: %v", err)
		}
		near.Write([]byte("to the old address"))
		far.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection outlived an address: %v", err)
		}
		near.Close()
		far.Close()
		near, far = connect(t, a, b)
		near.Write([]byte("to the new one"))
		read(t, far, "to the new one")
		near.Close()
		far.Close()
	})
}

func TestPackets(t *testing.T) {
	lines(t, Line{Latency: latency, Jitter: latency, Loss: 0.3}, func(t *testing.T, n *Network, a, b *Host) {
		from, err := a.ListenPacket(addressA + ":7946")
		if err != nil {
			t.Fatal(err)
		}
		to, err := b.ListenPacket(addressB + ":7946")
		if err != nil {
			t.Fatal(err)
		}
		send := func(count int) (got int) {
			for i := range count {
				from.WriteTo([]byte{byte(i)}, to.LocalAddr())
			}
			to.SetReadDeadline(time.Now().Add(time.Second))
			for {
				if _, at, err := to.ReadFrom(make([]byte, 9)); err != nil {
					return got
				} else if at.String() != from.LocalAddr().String() {
					t.Fatalf("from %v", at)
				}
				got++
			}
		}
		if got := send(1000); got < 600 || got > 800 {
			t.Errorf("%d packets of 1000 came, want about 700", got)
		}
		n.CutOneWay(a, b)
		if got := send(10); got != 0 {
			t.Errorf("%d packets came through a cut", got)
		}
		n.HealAll()
		from.WriteTo([]byte("under way when the line is cut"), to.LocalAddr())
		n.CutOneWay(a, b)
		if got := send(0); got != 0 {
			t.Error("a packet that was under way came through a cut")
		}
		from.Close()
		time.AfterFunc(time.Second, func() { to.Close() })
		to.SetReadDeadline(time.Time{})
		if _, _, err := to.ReadFrom(make([]byte, 9)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading a socket that is closed: %v", err)
		}
	})
}
