package session

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"baraza/clock"
	"baraza/gossip"
)

// rowLog makes up entries as they are read, each like a batch of one inserted
// row, so that only what the sessions hold takes memory.
type rowLog struct {
	origin clock.SiteID
	n      uint64
	rows   [][]byte
}

const rowBytes = 150

func newRowLog(origin clock.SiteID, n uint64) *rowLog {
	l := &rowLog{origin: origin, n: n}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 4096 {
		// A stamp, a table and its columns by number, a uuid, ids, dates, words.
		row := fmt.Appendf(make([]byte, 16, 200), "\x03obs\x0d%016x%016x\x00\x2e\x9f%07d,%06d,2026-11-%02d %02d:%02d:00\x00,%d.%d,concept%04d,final,NULL,NULL,%06d",
			rng.Uint64(), rng.Uint64(), rng.IntN(1e7), rng.IntN(1e6), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(200), rng.IntN(10), rng.IntN(3000), rng.IntN(1e6))
		l.rows = append(l.rows, append(row, make([]byte, rowBytes)...)[:rowBytes])
	}
	return l
}

func (l *rowLog) Vector() clock.VersionVector {
	return clock.VersionVector{{Site: l.origin, Seq: l.n}}
}

func (l *rowLog) Read(_ clock.SiteID, after uint64, maxBytes int) (uint64, [][]byte, error) {
	n := min(uint64(maxBytes/rowBytes), l.n-after)
	buf := make([]byte, 0, n*rowBytes)
	payloads := make([][]byte, n)
	for i := range payloads {
		seq := after + uint64(i) + 1
		at := len(buf)
		buf = append(buf, l.rows[(seq*2654435761)%uint64(len(l.rows))]...)
		binary.BigEndian.PutUint64(buf[at:], seq)
		binary.BigEndian.PutUint64(buf[at+8:], 1_800_000_000_000<<16+seq*37)
		uuid(buf[at+21:at+53], seq)
		payloads[i] = buf[at:]
	}
	return after + 1, payloads, nil
}

// uuid writes 32 digits that no other row has.
func uuid(dst []byte, seq uint64) {
	for i := range dst {
		seq = seq*6364136223846793005 + 1442695040888963407
		dst[i] = "0123456789abcdef"[seq>>60]
	}
}

func (l *rowLog) Append(clock.SiteID, uint64, [][]byte) error { return nil }

// countLog counts and forgets.
type countLog struct {
	origin clock.SiteID
	seq    atomic.Uint64
}

func (l *countLog) Vector() clock.VersionVector {
	return clock.VersionVector{{Site: l.origin, Seq: l.seq.Load()}}
}

func (l *countLog) Read(clock.SiteID, uint64, int) (uint64, [][]byte, error) { return 0, nil, nil }

func (l *countLog) Append(_ clock.SiteID, first uint64, payloads [][]byte) error {
	for i, p := range payloads {
		if got := binary.BigEndian.Uint64(p); got != first+uint64(i) || got != l.seq.Load()+uint64(i)+1 {
			return fmt.Errorf("entry %d says that it is %d", first+uint64(i), got)
		}
	}
	l.seq.Add(uint64(len(payloads)))
	return nil
}

// stream moves n entries from one hub to another and returns the bytes.
func stream(t testing.TB, n uint64, each func()) Traffic {
	from, to := siteID(1), siteID(2)
	got := &countLog{origin: from}
	a := NewHub(Config{Gossip: gossip.Config{Site: from}}, newRowLog(from, n))
	defer a.Close()
	b := NewHub(Config{Gossip: gossip.Config{Site: to}}, got)
	defer b.Close()
	client, server := tlsPair(t)
	if _, err := a.Add(client, to, true); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(server, from, false); err != nil {
		t.Fatal(err)
	}
	const within = 8 * time.Minute // how fast it is is for benchmarks to say
	for end := time.Now().Add(within); got.seq.Load() < n; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d entries within %v", got.seq.Load(), n, within)
		}
		each()
	}
	return b.Traffic(from)
}

// A backlog of a million entries takes no more memory than a small one.
func TestMillionEntriesInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million entries")
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	polls := 0
	bytes := stream(t, 1_000_000, func() {
		if polls++; polls%10 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		}
	})
	const limit = 64 << 20 // both ends, garbage not yet collected included
	if most > limit {
		t.Errorf("%d MiB of heap, limit %d MiB", most>>20, limit>>20)
	}
	t.Logf("heap %d MiB; %d bytes on the wire for %d of entries", most>>20, bytes.WireIn, 1_000_000*rowBytes)
}

// BenchmarkStream moves entries of 150 bytes between two hubs over TLS on
// loopback; both ends share the machine.
func BenchmarkStream(b *testing.B) {
	const n = 500_000
	for b.Loop() {
		start := time.Now()
		bytes := stream(b, n, func() {})
		b.ReportMetric(n/time.Since(start).Seconds(), "entries/s")
		b.ReportMetric(float64(bytes.WireIn)/n, "wire-bytes/entry")
	}
}

// BenchmarkLatency is the time of one entry, from the log to the peer's log.
func BenchmarkLatency(b *testing.B) {
	x, y := newSite(b, 1, nil), newSite(b, 2, nil)
	arrived := make(chan struct{}, 1)
	y.log.fail = func(clock.SiteID) error { arrived <- struct{}{}; return nil }
	connect(b, x, y, nil)
	var wire uint64
	for b.Loop() {
		x.write(1, rowBytes)
		<-arrived
	}
	wire = y.hub.Traffic(x.id).WireIn
	b.ReportMetric(float64(wire)/float64(b.N), "wire-bytes/entry")
}
