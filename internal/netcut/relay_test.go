package netcut_test

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"baraza/internal/netcut"
)

// newEcho starts a relay to a server that sends back what it gets.
func newEcho(t *testing.T) *netcut.Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	r, err := netcut.New("127.0.0.1:0", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCutHangsAndHealGoesOn(t *testing.T) {
	r := newEcho(t)
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func(text string, within time.Duration) error {
		buf := make([]byte, len(text))
		if _, err := c.Write([]byte(text)); err != nil {
			return err
		}
		_ = c.SetReadDeadline(time.Now().Add(within))
		_, err := io.ReadFull(c, buf)
		return err
	}
	if err := echo("one", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	r.Cut()
	if err := echo("two", 200*time.Millisecond); err == nil {
		t.Fatal("bytes passed a cut line")
	}
	r.Heal()
	buf := make([]byte, 3)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "two" {
		t.Fatalf("after healing: %q, %v", buf, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(buf); err == nil {
		t.Error("a connection outlived its relay")
	}
}

// TestCutFrom cuts one client of two, and one that comes later.
func TestCutFrom(t *testing.T) {
	r := newEcho(t)
	defer r.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	works := func(c net.Conn) bool {
		_, err := c.Write([]byte("x"))
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err2 := io.ReadFull(c, make([]byte, 1))
		return err == nil && err2 == nil
	}
	one, two := dial(), dial()
	if !works(one) || !works(two) {
		t.Fatal("the relay does not relay")
	}
	r.CutFrom(func(client net.Addr) bool { return client.String() == one.LocalAddr().String() })
	if works(one) || !works(two) {
		t.Fatal("not exactly the first client is cut")
	}
	r.CutFrom(func(client net.Addr) bool { return client.String() != two.LocalAddr().String() })
	if works(dial()) {
		t.Error("a client that came after the cut gets through")
	}
	r.Heal()
	if !works(dial()) || !works(two) {
		t.Error("healing did not heal")
	}
}

// TestOf knows the connections of this process from those of others.
func TestOf(t *testing.T) {
	if netcut.Of(1) == nil {
		t.Skip("this system does not tell")
	}
	r := newEcho(t)
	defer r.Close()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !netcut.Of(os.Getpid())(c.LocalAddr()) {
		t.Error("a connection of this process was not recognised")
	}
	if netcut.Of(os.Getppid())(c.LocalAddr()) {
		t.Error("a connection of this process was taken for its parent's")
	}
}
