package gossip

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"baraza/clock"
)

func testSite(n int) clock.SiteID { return clock.SiteID{0: byte(n >> 8), 1: byte(n), 15: 0xee} }

func sampleMessages() []Message {
	v := clock.VersionVector{{Site: testSite(1), Seq: 1}, {Site: testSite(2), Seq: 1 << 40}, {Site: testSite(300), Seq: 1<<64 - 1}}
	return []Message{
		Hello{Version: Version, Site: testSite(7), Vector: v},
		Hello{},
		Hello{Version: Version, Site: testSite(7), Note: []byte("a note")},
		Have{Changed: v},
		Subscribe{Origin: testSite(9), After: 12345},
		Unsubscribe{Origin: testSite(9)},
		Gone{Origin: testSite(9), First: 77},
		Entries{Origin: testSite(3), First: 1, Payloads: [][]byte{{}, []byte("a"), bytes.Repeat([]byte("b"), 300)}},
		Ping{Sent: -5},
		Pong{Ping: 1 << 50, Received: 3, Sent: 0},
	}
}

func TestWireRoundTrip(t *testing.T) {
	for _, m := range sampleMessages() {
		b := AppendMessage([]byte("before"), m)
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Fatalf("%T: what was in dst is gone", m)
		}
		got, err := DecodeMessage(b[len("before"):])
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%T: got %+v, want %+v", m, got, m)
		}
	}
}

// Every proper prefix, and every message with a byte too many, is an error: a
// message is never half understood.
func TestWireRejectsCutAndPadded(t *testing.T) {
	for _, m := range sampleMessages() {
		b := AppendMessage(nil, m)
		for n := range b {
			if _, err := DecodeMessage(bytes.Clone(b[:n])); err == nil {
				t.Errorf("%T cut to %d of %d bytes was taken", m, n, len(b))
			}
		}
		if _, err := DecodeMessage(append(b, 0)); err == nil {
			t.Errorf("%T with a byte too many was taken", m)
		}
	}
}

func TestWireEntriesShareTheBuffer(t *testing.T) {
	b := AppendMessage(nil, Entries{Origin: testSite(1), First: 1, Payloads: [][]byte{make([]byte, 1<<20)}})
	allocs := testing.AllocsPerRun(10, func() {
		if _, err := DecodeMessage(b); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 2 {
		t.Errorf("decoding entries allocates %v times; the payloads are to stay where they are", allocs)
	}
}

func FuzzDecodeMessage(f *testing.F) {
	for _, m := range sampleMessages() {
		f.Add(AppendMessage(nil, m))
	}
	f.Add([]byte{kindHave, 0xdd, 0xff, 0xff, 0xff, 0xff})                                                  // 4 billion origins
	f.Add(append(append([]byte{kindEntries}, make([]byte, 16)...), 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00)) // 4 billion entries
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			return
		}
		again, err := DecodeMessage(AppendMessage(nil, m))
		if err != nil || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", m) {
			t.Fatalf("%#v came back as %#v, %v", m, again, err)
		}
	})
}
