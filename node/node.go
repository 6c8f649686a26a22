package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"baraza/clock"
	"baraza/node/config"
	"baraza/node/hooks"
	"baraza/node/replica"
	"baraza/node/store"
	"baraza/node/trust"
	"baraza/schema"
)

// Version is the program's version.
const Version = "0.1.0"

// Options say how to run a site.
type Options struct {
	// Log takes what an operator may want to read; nil throws it away.
	Log *slog.Logger
	// Listen and Advertise, where they are given, stand for those of the
	// settings in this run.
	Listen    string
	Advertise []string
	// Ports are for tests; the zero value is this machine's own.
	Ports Ports

	broken broken
	// goneLong stands for the constant of that name in tests; 0 for none.
	goneLong time.Duration
}

// broken names what heals a cut and is not to, so that tests see the rest do it
// alone. Nothing is broken at a site that runs.
type broken struct {
	hints  bool // the membership does not make the dialler try
	redial bool // the dialler does not try again by itself
}

// Node is one site.
type Node struct {
	dir     string
	mu      sync.RWMutex // of cfg and model, see settings.go
	cfg     config.Config
	given   Options // overrides cfg, see settings
	log     *slog.Logger
	ports   Ports
	broken  broken
	started time.Time

	lock    *config.Lock
	key     *trust.Key
	store   *store.Store
	book    *trust.Book
	invites *trust.Invites
	ring    []byte
	hooks   *hooks.Set

	db      Database
	model   *schema.Model
	replica *replica.Replica
	engine  *engine
	net     *network
	checks  *checks

	// Of the engine's goroutine: sites whose admission is not believed here yet,
	// and when this site last looked whether it has to say what it has applied.
	unbelieved  []clock.SiteID
	publishedAt time.Time
	// goneLooked is when tendGone was through last.
	goneLooked time.Time

	// bundles guards what the store remembers of bundles.
	bundles sync.Mutex

	phaseText   atomic.Pointer[string]
	lastFigures atomic.Pointer[figures]
	stopOnce    sync.Once
	stopped     chan struct{}

	schema schemaWatch

	// What becomes of a site that was restored, see recover.go.
	recovery     atomic.Pointer[string]
	recoverTried time.Time
	ownLooked    time.Time
	failOnce     sync.Once
	failure      error // read after stopped is closed
}

// Open reads a site's settings and opens its store. It does not touch the
// database or the network yet.
func Open(dir string, o Options) (*Node, error) {
	n := &Node{dir: dir, log: o.Log, ports: o.Ports, broken: o.broken, given: o, started: time.Now(), stopped: make(chan struct{})}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.ports.fill()
	n.checks = newChecks(n)
	if err := n.open(); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Node) open() (err error) {
	if err = n.loadSettings(); err != nil {
		return err
	}
	if n.lock, err = config.Acquire(n.dir); err != nil {
		return err
	}
	if n.key, err = trust.LoadKey(n.dir); err != nil {
		return err
	}
	if n.store, err = store.Open(store.Options{Dir: filepath.Join(n.dir, storeDir), FS: n.ports.Disk}); err != nil {
		return err
	}
	if n.book, err = trust.OpenBook(n.store, bookPrefix); err != nil {
		return err
	}
	if _, ok := n.book.Member(n.key.ID()); !ok {
		if len(n.book.Members()) == 0 {
			return fmt.Errorf("the store of site %s in %s is empty, so it was lost: %s", n.cfg.Name, filepath.Join(n.dir, storeDir), n.joinAgain())
		}
		return fmt.Errorf("site %s is not a member of its own network: it was removed with `baraza peers forget`; to come back, join again with a new --data directory", n.cfg.Name)
	}
	n.invites = trust.NewInvites(n.store, invitePrefix)
	if n.ring, err = n.store.Get(ringKeyKey); err != nil {
		return err
	}
	n.hooks, err = hooks.Open(hooks.Options{Site: n.cfg.Name, App: n.cfg.App, Store: n.store, Prefix: hookPrefix, Log: n.log}, n.cfg.Hooks)
	return err
}

// loadSettings reads the site's settings and puts over them what holds for this run.
func (n *Node) loadSettings() (err error) {
	if n.cfg, err = config.Load(n.dir); err != nil {
		return err
	}
	if n.given.Listen != "" {
		n.cfg.Listen = n.given.Listen
	}
	if len(n.given.Advertise) > 0 {
		n.cfg.Advertise = n.given.Advertise
	}
	return n.cfg.Check()
}

// saveSettings writes the settings as they are now, but for what holds for this
// run only.
func (n *Node) saveSettings() error {
	before, err := config.Load(n.dir)
	if err != nil {
		return err
	}
	saved := n.settings()
	saved.Listen, saved.Advertise = before.Listen, before.Advertise
	return saved.Save(n.dir)
}

// Close gives everything back. The node must not be running.
func (n *Node) Close() {
	if n.db != nil {
		n.db.Close()
	}
	if n.store != nil {
		if err := n.store.Close(); err != nil {
			n.log.Error("close the store", "error", err)
		}
	}
	if n.lock != nil {
		_ = n.lock.Release()
	}
}

// stop asks Run to end.
func (n *Node) stop() { n.stopOnce.Do(func() { close(n.stopped) }) }

// setPhase says what the site is doing before it is ready; "" when it is.
func (n *Node) setPhase(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if old := n.phaseText.Swap(&s); s != "" && (old == nil || *old != s) {
		n.log.Info(s)
	}
}

func (n *Node) phase() string {
	if p := n.phaseText.Load(); p != nil {
		return *p
	}
	return ""
}

// Run runs the site until the context ends or someone asks it to stop.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-n.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := n.mayRun(); err != nil {
		return err
	}
	n.setPhase("starting")
	// What the service looks at is there before it is offered.
	var err error
	if n.net, err = n.listen(); err != nil {
		return err
	}
	defer n.net.close()
	api, err := n.ports.Admin(n.dir, service{n})
	if err != nil {
		return err
	}
	defer func() { _ = api.Close() }()
	if err := n.startDatabase(ctx); err != nil {
		return ignoreCancel(ctx, err)
	}
	if err := n.bringUp(ctx); err != nil {
		return ignoreCancel(ctx, err)
	}
	if err := n.readMembership(); err != nil {
		return err
	}
	var working sync.WaitGroup
	working.Go(func() { n.engine.run(ctx) })
	working.Go(func() { n.hooks.Run(ctx) })
	if err := n.net.start(ctx); err != nil {
		cancel()
		working.Wait()
		return err
	}
	n.setPhase("")
	n.log.Info("the site runs", "name", n.settings().Name, "id", n.key.ID(), "listen", n.settings().Listen, "tables", len(n.tables().Tables))
	<-ctx.Done()
	n.log.Info("stopping")
	working.Wait()
	select {
	case <-n.stopped:
		return n.failure
	default:
		return nil
	}
}

func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// startDatabase opens the database and the core, waiting as long as it takes
// for a server that is away.
func (n *Node) startDatabase(ctx context.Context) error {
	for wait := replica.BackoffMin; ; wait = min(2*wait, replica.BackoffMax) {
		err := n.tryDatabase(ctx)
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) || errors.Is(err, replica.ErrStoreBehind) {
			return err
		}
		n.setPhase("waiting for the database: %v", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (n *Node) tryDatabase(ctx context.Context) (err error) {
	if n.db == nil {
		if n.db, err = n.ports.Database(ctx, n.cfg.DSN); err != nil {
			return err
		}
	}
	m, err := n.tablesOnStart(ctx)
	if err != nil {
		return err
	}
	if err := n.db.Claim(ctx, n.key.ID(), m.Database, false); err != nil {
		return err
	}
	gaps, err := n.db.Gaps(ctx, m)
	if err != nil {
		return err
	}
	if err := n.db.Install(ctx, m); err != nil {
		return err
	}
	db, source, err := n.db.Open(ctx, m)
	if err != nil {
		return err
	}
	untold, err := n.untold(m)
	if err != nil {
		return err
	}
	n.setTables(m)
	n.replica, err = replica.Open(ctx, replica.Config{
		Self: n.key.ID(), Store: n.store, Model: m, Untold: untold,
		Database: n.hooks.Watch(db), Source: source,
		NowMillis:      func() int64 { return time.Now().UnixMilli() },
		MaxDriftMillis: time.Duration(n.cfg.MaxDrift).Milliseconds(),
		Nonce:          nonce(),
	})
	if err != nil {
		return err
	}
	if err := n.noteFirst(); err != nil {
		return err
	}
	for _, table := range gaps {
		n.doubt(table, "its triggers were not there when the site started")
	}
	n.engine = newEngine(n.replica, n.log)
	n.engine.grown = n.grown
	n.engine.changed, n.engine.adopt = n.reloadTables, n.adoptModel
	n.engine.applied = n.applied
	n.engine.recover, n.engine.look, n.engine.failed = n.recover, n.watchOwn, n.fail
	n.engine.tend, n.engine.watch = n.tend, n.watchSchema
	return nil
}

// nonce is a number that no other start of any site has.
func nonce() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) | 1
}

// applied is called on the engine's goroutine after remote changes went in.
func (n *Node) applied(res replica.Result) {
	if res.System {
		if err := n.readMembership(); err != nil {
			n.log.Error("read the members", "error", err)
		}
		if err := n.mirrorRules(); err != nil {
			n.log.Error("write the settings of tables to baraza.yaml", "error", err)
		}
		if err := n.mirrorNumbers(); err != nil {
			n.log.Error("write the numbers of the sites to baraza.yaml", "error", err)
		}
		if table, err := n.replica.NewCounters(); err == nil && table != "" {
			n.engine.lastTend = time.Time{} // tend looks at its rows
		}
	}
}
