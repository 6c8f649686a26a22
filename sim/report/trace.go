package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"baraza/sim/scenario"
)

// TraceVersion is the version of the format of traces.
const TraceVersion = 1

// Header is the first line of a trace: all that is needed to run it again.
type Header struct {
	Version int               `json:"baraza_trace"`
	Program string            `json:"program"`
	File    string            `json:"file"`
	Seed    uint64            `json:"seed"`
	Text    string            `json:"scenario"`
	Files   map[string]string `json:"files,omitempty"`
}

// Event is one line of a trace.
type Event struct {
	Step uint64  `json:"step"`
	T    float64 `json:"t"`
	Site string  `json:"site,omitempty"`
	From string  `json:"from,omitempty"`
	To   string  `json:"to,omitempty"`
	What string  `json:"what"`
}

// Footer is the last line of a trace.
type Footer struct {
	End       bool    `json:"end"`
	Hash      string  `json:"hash"`
	Steps     uint64  `json:"steps"`
	Simulated float64 `json:"simulated_s"`
	Result    string  `json:"result"`
}

// Trace writes a trace.
type Trace struct {
	out   *bufio.Writer
	enc   *json.Encoder
	names map[string]string // of sites, by the simulator's
	err   error
}

const traceBuffer = 1 << 18

// NewTrace begins a trace with its header.
func NewTrace(w io.Writer, s *scenario.Scenario, seed uint64, program string) *Trace {
	t := &Trace{out: bufio.NewWriterSize(w, traceBuffer), names: map[string]string{}}
	t.enc = json.NewEncoder(t.out)
	t.enc.SetEscapeHTML(false)
	for i, site := range s.Sites {
		t.names[fmt.Sprintf("s%d", i+1)] = site.Name
	}
	t.put(Header{TraceVersion, program, s.File, seed, s.Text, s.Files})
	return t
}

func (t *Trace) put(v any) {
	if t.err == nil {
		t.err = t.enc.Encode(v)
	}
}

// Event writes an event down, as scenario.Options.Event gives it.
func (t *Trace) Event(step uint64, at time.Duration, line string) { t.put(t.Parse(step, at, line)) }

// Parse takes a line of the simulator apart: its time, and the sites that it
// begins with.
func (t *Trace) Parse(step uint64, at time.Duration, line string) Event {
	_, what, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
	e := Event{Step: step, T: at.Seconds(), What: what}
	first, rest, _ := strings.Cut(what, " ")
	if name, is := t.names[first]; is {
		e.Site, e.What = name, rest
		return e
	}
	for _, sign := range []string{">", "-"} {
		a, b, two := strings.Cut(first, sign)
		from, is1 := t.names[a]
		to, is2 := t.names[b]
		if two && is1 && is2 {
			e.From, e.To, e.What = from, to, rest
		}
	}
	return e
}

// Close ends a trace with what came of the run.
func (t *Trace) Close(res *scenario.Result) error {
	t.put(Footer{true, HashText(res.Hash), res.Steps, res.Simulated.Seconds(), Verdict(res)})
	return errors.Join(t.err, t.out.Flush())
}

// HashText writes a hash as traces have it.
func HashText(hash uint64) string { return fmt.Sprintf("%016x", hash) }

// Verdict says in a few words what came of a run.
func Verdict(res *scenario.Result) string {
	switch {
	case res.Err != nil:
		return "broken: " + res.Err.Error()
	case len(res.Failed) > 0:
		return strings.Join(res.Failed, "; ")
	}
	return "held"
}

// recordMax bounds a line of a trace.
const recordMax = 64 << 20

// ReadTrace reads the first and the last line of a trace. Footer.End is false
// when the run was stopped before its end.
func ReadTrace(name string, r io.Reader) (h Header, f Footer, err error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, traceBuffer), recordMax)
	if !in.Scan() || json.Unmarshal(in.Bytes(), &h) != nil || h.Version == 0 {
		return h, f, fmt.Errorf("%s: this is not a trace: its first line has no baraza_trace: give a trace.jsonl, or a scenario whose name ends in .yaml", name)
	}
	if h.Version != TraceVersion {
		return h, f, fmt.Errorf("%s: a trace of version %d, this program reads version %d: replay it with baraza %s", name, h.Version, TraceVersion, h.Program)
	}
	var last []byte
	for in.Scan() {
		last = append(last[:0], in.Bytes()...)
	}
	if err := in.Err(); err != nil {
		return h, f, fmt.Errorf("%s: %w", name, err)
	}
	if json.Unmarshal(last, &f) != nil || !f.End {
		f = Footer{}
	}
	return h, f, nil
}
