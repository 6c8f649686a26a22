package progress

import (
	"bytes"
	"testing"
	"time"
)

// at runs a line on a clock that the test moves.
func at(terminal bool) (*Line, *bytes.Buffer, func(time.Duration)) {
	now := time.Unix(1000, 0)
	var b bytes.Buffer
	l := newLine(&b, "reading person", terminal, func() time.Time { return now })
	return l, &b, func(d time.Duration) { now = now.Add(d) }
}

func TestPlainLines(t *testing.T) {
	l, b, wait := at(false)
	l.Set(1, 5000)
	wait(4 * time.Second)
	l.Set(1000, 5000) // too soon to say something
	wait(time.Second)
	l.Set(1250, 5000)
	wait(5 * time.Second)
	l.Set(1300, 0)
	wait(time.Second)
	l.Stop()
	l.Done(5000)
	want := "reading person: 1,250 of 5,000 rows (25 %), 250 rows/s, 15s left\n" +
		"reading person: 1,300 rows, 130 rows/s\n" +
		"reading person: 5,000 rows in 11s\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b, want)
	}
}

func TestTerminalLine(t *testing.T) {
	l, b, wait := at(true)
	wait(200 * time.Millisecond)
	l.Set(10, 100)
	wait(100 * time.Millisecond)
	l.Set(20, 100)
	l.Stop()
	l.Done(100)
	want := clearLine + "reading person: 10 of 100 rows (10 %)" + clearLine + clearLine + "reading person: 100 rows in 300ms\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b, want)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	if New(&bytes.Buffer{}, "x").terminal {
		t.Error("a buffer is a terminal")
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
