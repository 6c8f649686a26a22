package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Level is how bad a finding is.
type Level uint8

// The levels.
const (
	OK      Level = iota
	Warning       // works, but see
	Problem       // baraza cannot run, or would lose something
)

func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Warning:
		return "warning"
	case Problem:
		return "problem"
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is one thing that was looked at.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	// Remedy is what to do, "" where there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

// Report is everything that was looked at, in order.
type Report struct {
	Findings []Finding `json:"findings"`
}

func (r *Report) add(level Level, subject, text, remedy string) {
	r.Findings = append(r.Findings, Finding{level, subject, text, remedy})
}

func (r *Report) ok(subject, format string, args ...any) {
	r.add(OK, subject, fmt.Sprintf(format, args...), "")
}

// Count returns how many findings are of the level.
func (r *Report) Count(l Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// The columns of the printed report. The subject's fits the longest one, up to
// a bound.
const (
	widthTotal      = 80
	widthLevel      = 7
	widthSubjectMax = 28
)

// Print writes the report for people, 80 columns wide; only what is to be
// copied, such as a statement, is never broken.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	widthSubject := 0
	for _, f := range r.Findings {
		widthSubject = min(max(widthSubject, len(f.Subject)), widthSubjectMax)
	}
	line := func(level, subject, text string) {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%-*s  %-*s  %s", widthLevel, level, widthSubject, subject, text), " "))
	}
	for _, f := range r.Findings {
		for i, text := range wrap(f.Text, widthTotal-widthLevel-widthSubject-4) {
			if i == 0 {
				line(f.Level.String(), f.Subject, text)
			} else {
				line("", "", text)
			}
		}
		for statement := range strings.SplitSeq(f.Remedy, "\n") {
			if statement != "" {
				line("", "", "-> "+statement)
			}
		}
	}
	problems, warnings := r.Count(Problem), r.Count(Warning)
	fmt.Fprintf(&b, "\n%s, %s\n", count(problems, "problem"), count(warnings, "warning"))
	_, err := io.WriteString(w, b.String())
	return err
}

// PrintJSON writes the report for scripts.
func (r *Report) PrintJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wrap breaks a text at blanks into lines of at most width characters; a
// longer word stays whole.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
