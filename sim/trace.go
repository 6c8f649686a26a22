package sim

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"

	"baraza/gossip"
)

// traceLines is how many of the last events are kept to be shown.
const traceLines = 300

// record is what a world remembers of what happened: a sum of everything, and
// the last events.
type record struct {
	sum     *xxhash.Digest
	scratch []byte
	last    [traceLines]happened
	count   int
}

// happened is an event, put into words only when someone reads it: hardly any
// is ever read.
type happened struct {
	at     time.Duration
	format string
	args   [noteArgs]any
	count  int
}

// noteArgs is how many arguments an event has, at most.
const noteArgs = 4

func (h *happened) String() string {
	return fmt.Sprintf("%12.6f ", h.at.Seconds()) + fmt.Sprintf(h.format, h.args[:h.count]...)
}

func newRecord() record { return record{sum: xxhash.New()} }

// Hash sums up everything that has happened.
func (w *World) Hash() uint64 { return w.record.sum.Sum64() }

// Tail returns the last events, one line each.
func (w *World) Tail() []string {
	var lines []string
	r := &w.record
	for i := max(r.count-traceLines, 0); i < r.count; i++ {
		lines = append(lines, r.last[i%traceLines].String())
	}
	return lines
}

// note writes an event down. The arguments must not change afterwards.
func (w *World) note(format string, args ...any) {
	w.record.add(w.now, format, args)
	w.remember(format, args...)
}

// sent writes down that a message goes out. Pings go into the sum only.
func (w *World) sent(l *Link, at int, m gossip.Message, b []byte) {
	r := &w.record
	head := binary.LittleEndian.AppendUint64(r.scratch[:0], uint64(w.now))
	head = append(head, byte(l.n), byte(l.n>>8), byte(l.n>>16), byte(at))
	_, _ = r.sum.Write(head) // a hash takes everything
	_, _ = r.sum.Write(b)
	r.scratch = head
	switch m.(type) {
	case gossip.Ping, gossip.Pong:
		return
	}
	w.remember("%s>%s %v %d B", l.ends[at], l.ends[1-at], m, len(b))
}

func (w *World) remember(format string, args ...any) {
	r := &w.record
	h := &r.last[r.count%traceLines]
	h.at, h.format = w.now, format
	if h.count = copy(h.args[:], args); h.count < len(args) {
		panic("sim: an event has more arguments than are kept")
	}
	r.count++
	if w.opts.Trace != nil {
		w.opts.Trace(h.String())
	}
}

// add puts an event into the sum.
func (r *record) add(now time.Duration, format string, args []any) {
	b := binary.LittleEndian.AppendUint64(r.scratch[:0], uint64(now))
	b = append(b, format...)
	for _, arg := range args {
		switch v := arg.(type) {
		case *Site:
			b = binary.LittleEndian.AppendUint64(b, uint64(v.n))
		case int:
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		case gossip.Entries:
			b = append(b, v.Origin[:]...)
			b = binary.LittleEndian.AppendUint64(b, v.First)
			b = binary.LittleEndian.AppendUint64(b, v.Last())
		case writes:
			for i := range v {
				b = append(append(b, byte(v[i].Kind)), v[i].Table...)
				b = append(b, v[i].Row.Key...)
				for _, value := range v[i].Row.Values {
					b = append(b, value...)
				}
			}
		default:
			b = fmt.Append(b, v)
		}
	}
	_, _ = r.sum.Write(b) // a hash takes everything
	r.scratch = b
}
