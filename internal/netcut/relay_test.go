package netcut_test

import (
	"io"
	"net"
	"testing"
	"time"

	"baraza/internal/netcut"
)

func TestCutHangsAndHealGoesOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
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
