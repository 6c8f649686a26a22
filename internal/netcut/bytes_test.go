package netcut_test

import (
	"io"
	"net"
	"testing"
	"time"

	"baraza/internal/netcut"
)

// TestBytesCountBothWays counts what benchmarks report: every byte of payload,
// once for each way, TCP apart from UDP.
func TestBytesCountBothWays(t *testing.T) {
	r := newEcho(t)
	defer r.Close()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if r.Bytes() != 10 || r.PacketBytes() != 0 {
		t.Errorf("counted %d bytes over TCP and %d over UDP, want 10 and 0", r.Bytes(), r.PacketBytes())
	}
}

func TestPacketBytes(t *testing.T) {
	target, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	r, err := netcut.New("127.0.0.1:0", target.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := net.Dial("udp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	_ = target.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, from, err := target.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.WriteTo([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(buf); err != nil || n != 6 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if r.PacketBytes() != 10 || r.Bytes() != 0 {
		t.Errorf("counted %d bytes over UDP and %d over TCP, want 10 and 0", r.PacketBytes(), r.Bytes())
	}
}
