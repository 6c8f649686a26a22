package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"baraza/internal/kv"
	"baraza/internal/sqlrow"
	"baraza/node/config"
	"baraza/node/replica"
	"baraza/node/store"
	"baraza/node/trust"
)

// Keys of the store that are not the replica's. The replica's begin with a
// lower-case letter.
var (
	bookPrefix   = []byte("Tbook/")
	invitePrefix = []byte("Tinvite/")
	ringKeyKey   = []byte("Tring")
	hookPrefix   = []byte("Thook/")
)

const (
	storeDir     = "store"
	ringKeyBytes = 32
)

// InitOptions say how to set a site up. Config holds the settings that the
// administrator gave.
type InitOptions struct {
	Dir    string
	Config config.Config
	// Warn is told what the administrator should know, one line at a time.
	Warn func(string)
	// Ports are for tests; the zero value is this machine's own.
	Ports Ports
}

// Init founds a new network with this site as its only member.
func Init(ctx context.Context, o InitOptions) error {
	s, err := begin(ctx, &o)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if len(s.book.Members()) == 0 {
		if _, err := s.book.Found(s.key, o.Config.Name, addresses(&o.Config), time.Now()); err != nil {
			return err
		}
	}
	ring := make([]byte, ringKeyBytes)
	rand.Read(ring)
	if err := setKey(s.store, ringKeyKey, ring); err != nil {
		return err
	}
	return o.Config.Save(o.Dir)
}

// JoinOptions say how to join a network.
type JoinOptions struct {
	InitOptions
	Token trust.Token
}

// Join makes this site a member of the network that the token is for. The
// rows are brought up when the site runs.
func Join(ctx context.Context, o JoinOptions) error {
	s, err := begin(ctx, &o.InitOptions)
	if err != nil {
		return err
	}
	defer s.close()
	// What can be refused here is refused before the token is used up.
	if len(o.Config.Tables) > 0 {
		if _, _, err := loadModel(ctx, s.db, &o.Config); err != nil {
			return err
		}
	}
	if err := s.db.Reserve(ctx); err != nil {
		return err
	}
	before, err := s.db.Owner(ctx)
	if err != nil {
		return err
	}
	facts, err := s.facts(ctx)
	if err != nil {
		return err
	}
	answer, err := trust.Join(ctx, o.Ports.Net, s.key, o.Token, o.Config.Name, addresses(&o.Config), facts)
	if err != nil {
		return err
	}
	// A database whose site lost its data directory comes back with a new
	// identity; what was not captured yet is still in its log.
	if err := s.takeOver(ctx); err != nil {
		return err
	}
	shared, err := config.UnmarshalShared(answer.Settings)
	if err != nil {
		return err
	}
	given, without := o.Config.Tables, o.Config.Exclude
	o.Config.Adopt(shared)
	if len(given) > 0 {
		o.Config.Tables = given
	}
	for _, pattern := range without {
		if !slices.Contains(o.Config.Exclude, pattern) {
			o.Config.Exclude = append(slices.Clip(o.Config.Exclude), pattern)
		}
	}
	if err := s.book.Install(answer.Inviter, answer.Admissions, answer.Expulsions); err != nil {
		return err
	}
	for _, c := range answer.Contacts {
		if _, err := s.book.AddContact(c); err != nil {
			return err
		}
	}
	if err := setKey(s.store, ringKeyKey, answer.RingKey); err != nil {
		return err
	}
	if err := replica.BeginBringUpOf(s.store, before); err != nil {
		return err
	}
	// From here on the site is a member: the settings are saved first, so that
	// whatever is wrong with the tables can be mended and `run` goes on.
	if err := o.Config.Save(o.Dir); err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return o.Config.Save(o.Dir)
}

// setup is a site that is being set up.
type setup struct {
	o     *InitOptions
	lock  *config.Lock
	key   *trust.Key
	store *store.Store
	book  *trust.Book
	db    Database
}

// begin makes the data directory, the key and the store, or goes on with those
// of an attempt that failed.
func begin(ctx context.Context, o *InitOptions) (*setup, error) {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	o.Ports.fill()
	if _, err := os.Stat(filepath.Join(o.Dir, config.File)); err == nil {
		return nil, fmt.Errorf("%s is a site already: run it with `baraza run --data %s`, or give another --data", o.Dir, o.Dir)
	}
	if err := o.Config.Check(); err != nil {
		return nil, err
	}
	if err := config.MakeDir(o.Dir); err != nil {
		return nil, err
	}
	s := &setup{o: o}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *setup) open(ctx context.Context) (err error) {
	if s.lock, err = config.Acquire(s.o.Dir); err != nil {
		return err
	}
	if s.db, err = s.o.Ports.Database(ctx, s.o.Config.DSN); err != nil {
		return err
	}
	if s.key, err = loadOrCreateKey(s.o.Dir); err != nil {
		return err
	}
	if s.store, err = store.Open(store.Options{Dir: filepath.Join(s.o.Dir, storeDir), FS: s.o.Ports.Disk}); err != nil {
		return err
	}
	s.book, err = trust.OpenBook(s.store, bookPrefix)
	return err
}

func loadOrCreateKey(dir string) (*trust.Key, error) {
	if _, err := os.Stat(filepath.Join(dir, trust.KeyFile)); errors.Is(err, fs.ErrNotExist) {
		return trust.CreateKey(dir)
	}
	return trust.LoadKey(dir)
}

// takeOver makes the database this site's, unless a process works on it.
func (s *setup) takeOver(ctx context.Context) error {
	name, err := sqlrow.Database(s.o.Config.DSN.Reveal())
	if err != nil {
		return err
	}
	return s.db.Claim(ctx, s.key.ID(), name, true)
}

// prepare sets the database up.
func (s *setup) prepare(ctx context.Context) error {
	m, warnings, err := loadModel(ctx, s.db, &s.o.Config)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		s.o.Warn(w.String())
	}
	if err := s.agree(m); err != nil {
		return err
	}
	if err := s.db.Claim(ctx, s.key.ID(), m.Database, false); err != nil {
		return err
	}
	return s.db.Install(ctx, m)
}

func (s *setup) close() {
	if s.store != nil {
		_ = s.store.Close() // everything was written with sync
	}
	if s.db != nil {
		s.db.Close()
	}
	if s.lock != nil {
		_ = s.lock.Release()
	}
}

func setKey(s kv.Store, key, value []byte) error {
	b := &kv.Batch{}
	b.Set(key, value)
	return s.Write(b, true)
}

// addresses are where others reach the site: what the administrator says, else
// the listening address if it is one that can be dialled.
func addresses(c *config.Config) []string {
	if len(c.Advertise) > 0 {
		return c.Advertise
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return nil
	}
	return []string{c.Listen}
}
