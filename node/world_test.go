package node

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/memnet"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/node/admin"
	"baraza/node/config"
	"baraza/node/trust"
)

var (
	long     = flag.Bool("tier2", false, "run the long scenarios of whole sites too (make tier2)")
	seedFlag = flag.Uint64("seed", 0, "seed of a world; 0 takes one by chance")
	logFlag  = flag.Bool("log", false, "show the sites' logs")
)

// world is whole sites in one bubble: the real engine, sessions over TLS,
// memberlist and Pebble; the network, the disks and the databases are in
// memory. Time is virtual. A run is not repeatable to the bit, because
// goroutines are not; the seed fixes the network's chances, and the tests
// assert invariants only.
type world struct {
	t     *testing.T
	net   *memnet.Network
	rng   *rand.Rand
	start time.Time
	sites []*testSite
	rows  int
	// broken are the mechanisms that the sites do without.
	broken broken
	// goneLong stands for that constant; 0 for none.
	goneLong time.Duration
}

// testSite is a machine: its disk, its database and, while it runs, its node.
type testSite struct {
	w    *world
	name string
	dir  string
	host *memnet.Host
	ip   netip.Addr
	// listen, where set, is what `run --listen` gets.
	listen string
	disk   *vfs.MemFS
	db     *modelDB

	token   *trust.Token // until it has joined
	node    *Node
	service admin.Service
	cancel  context.CancelFunc
	done    chan error

	mine    []crdt.Key // persons that were inserted here
	deleted []crdt.Key
}

// memberlistEnds is by when the timers are through that memberlist leaves behind
// when it is shut down: probes that were under way, its own (which take longer
// where many failed) and those that it was asked to make for others.
const memberlistEnds = 2 * time.Minute

// inWorld runs a scenario in a bubble. A goroutine that is left when it ends is
// the bubble's error: sites that stopped leave none behind.
func inWorld(t *testing.T, line memnet.Line, f func(w *world)) {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("again: go test ./node -run '^%s$' -tier2 -seed %d -v -log (goroutines are not repeatable; try it several times)", t.Name(), seed)
			}
		})
		w := &world{
			t: t, net: memnet.New(memnet.Config{Line: line, Seed: seed}),
			rng: rand.New(rand.NewPCG(seed, 1)), start: time.Now(),
		}
		defer func() {
			for _, s := range w.sites {
				s.stop()
			}
			w.leftovers()
			time.Sleep(memberlistEnds)
		}()
		f(w)
	})
}

// leftovers complains of goroutines of ours once all sites have stopped.
func (w *world) leftovers() {
	w.t.Helper()
	synctest.Wait() // those that only have to return
	buf := make([]byte, 8<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "baraza/") && !strings.Contains(g, "testing.tRunner") {
			w.t.Errorf("a goroutine outlives its site:\n%s", g)
		}
	}
}

// quick is a line as between towns, long one over a satellite that loses much.
var (
	quick  = memnet.Line{Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.01}
	sloppy = memnet.Line{Latency: 300 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.05}
)

func (w *world) newSite() *testSite {
	n := len(w.sites) + 1
	s := &testSite{
		w: w, name: fmt.Sprintf("site-%02d", n), dir: filepath.Join(w.t.TempDir(), "site"),
		ip: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), disk: vfs.NewCrashableMem(),
		// All sites number alike: their local numbers collide.
		db: newModelDB(1),
	}
	s.host = w.net.Host(s.ip.String())
	w.sites = append(w.sites, s)
	return s
}

func (s *testSite) address() string { return s.ip.String() + ":7946" }

func (s *testSite) ports() Ports {
	return Ports{
		Net: s.host, Disk: s.disk, Database: s.db.open,
		Admin: func(_ string, service admin.Service) (io.Closer, error) {
			s.service = service
			return io.NopCloser(nil), nil
		},
	}
}

func (s *testSite) options() InitOptions {
	c := config.Default()
	c.Name, c.DSN, c.Listen = s.name, "u:p@tcp(127.0.0.1:3306)/clinic", s.address()
	return InitOptions{Dir: s.dir, Config: c, Ports: s.ports()}
}

// found makes the first site.
func (w *world) found() *testSite {
	w.t.Helper()
	s := w.newSite()
	if err := Init(w.t.Context(), s.options()); err != nil {
		w.t.Fatal(err)
	}
	s.run()
	return s
}

// join makes a site that another one invites. It is brought up when it runs.
func (w *world) join(via *testSite) *testSite {
	w.t.Helper()
	s := w.invited(via)
	if err := s.start(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// invited makes a site that has a token and has not joined yet.
func (w *world) invited(via *testSite) *testSite {
	w.t.Helper()
	s := w.newSite()
	invitation, err := via.service.Invite(w.t.Context(), admin.InviteRequest{TTLSeconds: 3600})
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := trust.ParseToken(invitation.Token)
	if err != nil {
		w.t.Fatal(err)
	}
	s.token = &token
	return s
}

// start joins if that is to be done, and runs the site.
func (s *testSite) start() error {
	if s.token != nil {
		if err := Join(s.w.t.Context(), JoinOptions{InitOptions: s.options(), Token: *s.token}); err != nil {
			return err
		}
		s.token = nil
	}
	s.run()
	return nil
}

// network makes n sites, each invited by one that is there by chance, and
// waits until they are in step.
func (w *world) network(n int) []*testSite {
	w.t.Helper()
	w.found().ready(time.Minute)
	for len(w.sites) < n {
		w.join(w.sites[w.rng.IntN(len(w.sites))]).ready(5 * time.Minute)
	}
	return w.sites
}

// run starts the site's process.
func (s *testSite) run() {
	s.w.t.Helper()
	var log *slog.Logger
	if *logFlag {
		log = slog.New(slog.NewTextHandler(lineWriter{s}, &slog.HandlerOptions{
			Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Duration("t", time.Since(s.w.start))
				}
				return a
			},
		}))
	}
	var err error
	if s.node, err = Open(s.dir, Options{Log: log, Ports: s.ports(), Listen: s.listen, broken: s.w.broken, goneLong: s.w.goneLong}); err != nil {
		s.w.t.Fatalf("%s: %v", s.name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan error, 1)
	node, done := s.node, s.done
	go func() { done <- node.Run(ctx) }()
}

type lineWriter struct{ s *testSite }

func (l lineWriter) Write(p []byte) (int, error) {
	l.s.w.t.Logf("%s %s", l.s.name, bytes.TrimSpace(p))
	return len(p), nil
}

// stop ends the process as SIGTERM does.
func (s *testSite) stop() {
	s.w.t.Helper()
	if s.node == nil {
		return
	}
	s.cancel()
	if err := <-s.done; err != nil {
		s.w.t.Errorf("%s: run: %v", s.name, err)
	}
	s.node.Close()
	s.node = nil
}

// crash pulls the plug: nobody hears of it, and the disk keeps of what was not
// synced what chance leaves. The database lives on; what its client had not
// committed is rolled back.
func (s *testSite) crash() {
	s.w.t.Helper()
	s.isolate(true)
	s.db.freeze()
	disk := s.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: s.w.rng.IntN(101), RNG: s.w.rng})
	s.stop()
	s.disk = disk
	s.db.thaw()
	s.isolate(false)
}

// move gives the site another address, in its settings too; it must be down.
func (s *testSite) move(ip string) {
	s.w.t.Helper()
	s.ip = netip.MustParseAddr(ip)
	s.host.SetAddress(ip)
	c, err := config.Load(s.dir)
	if err == nil {
		c.Listen = s.address()
		err = c.Save(s.dir)
	}
	if err != nil {
		s.w.t.Fatal(err)
	}
}

func hosts(sites []*testSite) (all []*memnet.Host) {
	for _, s := range sites {
		all = append(all, s.host)
	}
	return all
}

func (s *testSite) isolate(cut bool) {
	if one, all := []*memnet.Host{s.host}, hosts(s.w.sites); cut {
		s.w.net.Cut(one, all)
	} else {
		s.w.net.Heal(one, all)
	}
}

// cut takes the line between two groups away, heal gives it back.
func (w *world) cut(some, others []*testSite)  { w.net.Cut(hosts(some), hosts(others)) }
func (w *world) heal(some, others []*testSite) { w.net.Heal(hosts(some), hosts(others)) }

// within waits until something is so; it fails when that takes too long.
func (w *world) within(limit time.Duration, what string, so func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	for !so() {
		if time.Since(start) > limit {
			w.t.Fatalf("not within %v: %s\n%s", limit, what, w.describe())
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(start)
}

// describe shows how all sites are, for who has to find out.
func (w *world) describe() string {
	var b strings.Builder
	for _, s := range w.sites {
		if s.node == nil {
			fmt.Fprintf(&b, "%s is down\n", s.name)
			continue
		}
		st, err := s.service.Status(w.t.Context())
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", s.name, err)
			continue
		}
		fmt.Fprintf(&b, "%s: capture %d, apply %d, waiting %d, held %d, aside %d, alarms %q, persons %d, connected to",
			s.name, st.PendingCapture, st.PendingApply, st.Waiting, st.Held, st.SetAside, st.Alarms, len(s.db.rows("person")))
		for _, p := range st.Peers {
			if p.State == admin.PeerConnected {
				fmt.Fprintf(&b, " %s", p.Site)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ready waits until the site runs.
func (s *testSite) ready(limit time.Duration) {
	s.w.t.Helper()
	s.w.within(limit, s.name+" runs", s.runs)
}

// runs tells whether the site's process is past its start.
func (s *testSite) runs() bool {
	return s.node != nil && s.node.phaseText.Load() != nil && s.node.phase() == ""
}

// inStep tells whether sites have the same log entries and have applied all.
func inStep(sites []*testSite) bool {
	var first clock.VersionVector
	for i, s := range sites {
		if !s.runs() {
			return false
		}
		if pending, err := s.db.Pending(context.Background()); err != nil || pending > 0 {
			return false
		}
		have := s.node.replica.Log().Vector()
		if i == 0 {
			first = have
		} else if !have.Includes(first) || !first.Includes(have) {
			return false
		}
	}
	for _, s := range sites {
		if c, err := s.counts(); err != nil || c.PendingApply > 0 || c.Waiting > 0 {
			return false
		}
	}
	return true
}

func (s *testSite) counts() (c figures, err error) {
	var once sync.Mutex
	err = s.node.engine.do(context.Background(), func() error {
		f, err := s.node.count(context.Background())
		once.Lock()
		c = f
		once.Unlock()
		return err
	})
	return c, err
}

// settle waits until sites are in step and checks the promises among them.
func (w *world) settle(limit time.Duration, sites ...*testSite) time.Duration {
	w.t.Helper()
	took := w.within(limit, "all sites in step", func() bool { return inStep(sites) })
	w.check(sites)
	return took
}

// check holds sites that are in step to the promises: equal tables, equal
// conflicts, nothing that one of them wrote is gone, nothing deleted is back.
func (w *world) check(sites []*testSite) {
	w.t.Helper()
	var tables, conflicts string
	for i, s := range sites {
		t, c := s.dump(), s.conflicts()
		if i == 0 {
			tables, conflicts = t, c
			continue
		}
		if t != tables {
			w.t.Errorf("%s and %s show different tables:\n%s\n%s", sites[0].name, s.name, tables, t)
		}
		if c != conflicts {
			w.t.Errorf("%s and %s list different conflicts:\n%s\n%s", sites[0].name, s.name, conflicts, c)
		}
	}
	there := map[crdt.Key]bool{}
	for _, r := range sites[0].db.rows("person") {
		there[r.Key] = true
	}
	for _, s := range sites {
		for _, k := range s.mine {
			if !there[k] {
				w.t.Errorf("person %s of %s is gone", k, s.name)
			}
		}
		for _, k := range s.deleted {
			if there[k] {
				w.t.Errorf("person %s, deleted at %s, is back", k, s.name)
			}
		}
	}
}

func (s *testSite) dump() string {
	var b strings.Builder
	for _, table := range []string{"person", "setting"} {
		for _, r := range s.db.rows(table) {
			fmt.Fprintf(&b, "%s %s %v\n", table, r.Key, r.Values)
		}
	}
	return b.String()
}

func (s *testSite) conflicts() string {
	list, err := s.service.Conflicts(s.w.t.Context(), admin.ConflictsRequest{Limit: 1 << 20})
	if err != nil {
		s.w.t.Fatal(err)
	}
	var lines []string
	for _, c := range list.Conflicts {
		lines = append(lines, fmt.Sprintf("%+v", c))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// insert adds a person at the site.
func (s *testSite) insert() crdt.Key {
	s.w.t.Helper()
	s.w.rows++
	uuid := crdt.Text(fmt.Sprintf("%08d-0000-4000-8000-000000000000", s.w.rows))
	row := merge.Row{Columns: []string{"uuid", "name", "weight", "note"}, Values: []crdt.Value{
		uuid, crdt.Text("of " + s.name), crdt.Float64(60), crdt.Text("new"),
	}}
	if err := s.db.app(memdb.Write{Kind: memdb.Insert, Table: "person", Row: row}); err != nil {
		s.w.t.Fatal(err)
	}
	key := crdt.MakeKey(uuid)
	s.mine = append(s.mine, key)
	return key
}

// rename writes a person's name, if the person is there.
func (s *testSite) rename(key crdt.Key, name string) {
	_ = s.db.app(memdb.Write{Kind: memdb.Update, Table: "person", Row: merge.Row{
		Key: key, Columns: []string{"name"}, Values: []crdt.Value{crdt.Text(name)},
	}})
}

// remove deletes a person that this site made itself, whom nobody edits.
func (s *testSite) remove() {
	s.w.t.Helper()
	key := s.insert()
	s.mine = s.mine[:len(s.mine)-1]
	if err := s.db.app(memdb.Write{Kind: memdb.Delete, Table: "person", Row: merge.Row{Key: key}}); err != nil {
		s.w.t.Fatal(err)
	}
	s.deleted = append(s.deleted, key)
}

// work writes a little at every site: rows of its own, and one row that all of
// them edit.
func (w *world) work(shared crdt.Key, sites ...*testSite) {
	w.t.Helper()
	for _, s := range sites {
		s.insert()
		s.remove()
		s.rename(shared, fmt.Sprintf("%s %d", s.name, w.rows))
	}
}
