package progress

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/term"
)

const (
	everyTerminal = 200 * time.Millisecond
	everyPlain    = 5 * time.Second
	// clearLine goes to the start of the line and wipes it.
	clearLine = "\r\x1b[K"
	// rateAfter is how long is waited before a rate is worth showing.
	rateAfter = time.Second
)

// Line shows the progress of one piece of work. It is used by one goroutine.
type Line struct {
	w        io.Writer
	what     string
	terminal bool
	now      func() time.Time
	started  time.Time
	last     time.Time
	shown    bool
}

// New starts a line for work such as "reading person". It is one line that
// moves if w is a terminal.
func New(w io.Writer, what string) *Line {
	f, ok := w.(*os.File)
	return newLine(w, what, ok && term.IsTerminal(int(f.Fd())), time.Now)
}

func newLine(w io.Writer, what string, terminal bool, now func() time.Time) *Line {
	t := now()
	return &Line{w: w, what: what, terminal: terminal, now: now, started: t, last: t}
}

// Set tells how many rows are done, of how many in all; 0 where that is not
// known. It is cheap and may be called for every row.
func (l *Line) Set(done, total int64) {
	every := everyPlain
	if l.terminal {
		every = everyTerminal
	}
	t := l.now()
	if t.Sub(l.last) < every {
		return
	}
	l.last = t
	l.show(l.text(done, total, t.Sub(l.started)))
}

// Done ends the line with the final count.
func (l *Line) Done(done int64) {
	took := l.now().Sub(l.started)
	text := fmt.Sprintf("%s: %s rows in %v", l.what, thousands(done), took.Round(100*time.Millisecond))
	if l.terminal {
		fmt.Fprintf(l.w, "%s%s\n", clearLine, text)
	} else {
		fmt.Fprintln(l.w, text)
	}
}

// Stop wipes a moving line, so that an error can take its place.
func (l *Line) Stop() {
	if l.terminal && l.shown {
		fmt.Fprint(l.w, clearLine)
	}
}

func (l *Line) show(text string) {
	l.shown = true
	if l.terminal {
		fmt.Fprint(l.w, clearLine, text)
	} else {
		fmt.Fprintln(l.w, text)
	}
}

// text is "reading person: 1,200 of 5,000 rows (24 %), 600 rows/s, 6s left".
func (l *Line) text(done, total int64, took time.Duration) string {
	s := l.what + ": " + thousands(done)
	if total > 0 {
		s += fmt.Sprintf(" of %s rows (%d %%)", thousands(total), min(100*done/total, 100))
	} else {
		s += " rows"
	}
	if took < rateAfter || done <= 0 {
		return s
	}
	rate := float64(done) / took.Seconds()
	s += fmt.Sprintf(", %s rows/s", thousands(int64(rate)))
	if total > done && rate > 0 {
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		s += fmt.Sprintf(", %v left", max(left.Round(time.Second), time.Second))
	}
	return s
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
