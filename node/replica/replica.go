package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
	"baraza/schema"
)

// Config is what a replica is made of. The replica owns none of it.
type Config struct {
	Self     clock.SiteID
	Store    kv.Store
	Database merge.Database
	Source   capture.Source
	Model    *schema.Model
	// Untold are tables of the model whose rows here no other site knows of yet
	// (SetModel).
	Untold []string
	// NowMillis gives the wall clock, in milliseconds since the Unix epoch.
	NowMillis func() int64
	// MaxDriftMillis: batches stamped further ahead of the wall clock are
	// quarantined until time reaches them. 0 means DefaultMaxDriftMillis.
	MaxDriftMillis int64
	// Nonce is a random number of this start, never 0. With 0 a database that
	// was set back to an earlier start may go unnoticed.
	Nonce uint64
}

// DefaultMaxDriftMillis is one minute.
const DefaultMaxDriftMillis = 60_000

// Replica is one site's core. Its methods are for one goroutine, except those
// of Log.
type Replica struct {
	cfg     Config
	log     *Log
	names   *names
	clock   *clock.Clock
	merger  *merge.Merger
	shipped map[string]int // columns shipped, by table

	// applied is what is merged into the database; its own entry is what
	// Capture logged. It is replaced, never written in place. appliedOwn: nobody else has
	// it, so that its memory can be used again when the next one takes its place.
	applied    clock.VersionVector
	appliedOwn bool
	// contexts holds per origin the context of its last applied batch.
	contexts map[clock.SiteID]knownContext
	// mark is that of the last transaction committed to the database.
	mark merge.Mark
	// renewed counts the renewals of the mark since Open; checkedAt is when the
	// mark was last compared, in milliseconds.
	renewed   uint64
	checkedAt int64
	// taken are log rows that Capture logged and that the source may still
	// have.
	taken  history
	scans  map[clock.SiteID]scan
	ahead  map[clock.SiteID]ahead
	limits limits
	// wake are rows that waited for a row which an application wrote here; the
	// next Apply places them. Retry finds those that a crash forgets.
	wake []merge.RowID
	// retried is the index key of the last row that Retry tried.
	retried []byte
	// unsettled: a step failed half-way; the next one begins with Settle.
	unsettled bool
	// members and gone are the book's; members is nil before it is known.
	members, gone []clock.SiteID
	// published is what sites said of themselves, as far as applied here, and
	// stable what follows from it (stable.go).
	published map[clock.SiteID]*published
	stable    clock.VersionVector
	// awaited are the sites of which the last group lacked entries that a writer had
	// seen.
	awaited map[clock.SiteID]bool
	// content is, per origin, the last applied entry that has more than baraza's
	// own rows.
	content map[clock.SiteID]uint64
	tombs   tombs
	// bringingUp: the site waits for its first rows (bringup.go).
	bringingUp bool
	none       none
	// untold are tables whose rows are still to be published (publish.go).
	untold map[string]bool
	// spare is the memory of a step that is done, and spareGroup of its group;
	// memory is that of the changes and rows of the step at hand, reset when a group
	// begins (newGroup), and decoder reads entries into it.
	spare      *txn
	spareGroup *group
	memory     crdt.Memory
	decoder    *crdt.Decoder
	encoder    crdt.Encoder
	// have is memory for nextGroup, spareApplied for newGroup, spareContext for
	// contextOf, delta for contextDelta.
	have, spareApplied, spareContext, delta clock.VersionVector
	// recovering: the database was set back, and is brought up again
	// (recover.go); since is when that was noticed.
	recovering bool
	since      int64
}

// Open reads a replica from its store and completes what a crash left.
func Open(ctx context.Context, cfg Config) (*Replica, error) {
	if cfg.MaxDriftMillis == 0 {
		cfg.MaxDriftMillis = DefaultMaxDriftMillis
	}
	r := &Replica{
		cfg: cfg, contexts: map[clock.SiteID]knownContext{},
		scans: map[clock.SiteID]scan{}, awaited: map[clock.SiteID]bool{}, ahead: map[clock.SiteID]ahead{}, limits: defaultLimits,
	}
	r.decoder = crdt.NewDecoder(&r.memory)
	r.SetModel(cfg.Model, cfg.Untold...)
	if err := r.claim(); err != nil {
		return nil, err
	}
	if err := r.Settle(ctx); err != nil {
		return nil, err
	}
	if r.renewed == 0 { // else it was set back, and that was settled
		if err := r.renew(ctx); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// SetModel tells the replica that the tables changed. untold are those whose rows here
// no other site knows of yet: until Publish went well nothing is applied to these, nor to
// those that were untold before. The caller remembers which they are, over restarts too.
func (r *Replica) SetModel(m *schema.Model, untold ...string) {
	r.cfg.Model = m
	r.leaveUntold(m, untold)
	before := r.merger
	r.merger = merge.NewMerger(r.toldOnly(m))
	r.merger.Memory = &r.memory
	if before != nil {
		r.merger.Rules = before.Rules
	}
	r.shipped = map[string]int{}
	for name, t := range m.Tables {
		r.shipped[name] = len(t.Shipped())
	}
}

// SetPorts changes the database and the capture source, as after a change of
// tables.
func (r *Replica) SetPorts(db merge.Database, source capture.Source) {
	r.cfg.Database, r.cfg.Source = db, source
}

// claim makes sure that the store belongs to this site.
func (r *Replica) claim() error {
	owner, err := r.cfg.Store.Get(metaSite)
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	if owner == nil {
		b := &kv.Batch{}
		b.Set(metaSite, r.cfg.Self[:])
		return r.cfg.Store.Write(b, true)
	}
	if string(owner) != string(r.cfg.Self[:]) {
		return fmt.Errorf("the store belongs to site %x, not to this site %s: the data directory was mixed up", owner, r.cfg.Self)
	}
	return nil
}

// Settle brings store and database to the same group: it moves the staged
// writes to their place if the database committed their group, and drops them
// if not; then it reads its state anew. It is called on opening and after a
// commit whose outcome is unknown, then by the next step.
func (r *Replica) Settle(ctx context.Context) error {
	mark, err := r.cfg.Database.Mark(ctx)
	if err != nil {
		return fmt.Errorf("read the mark of the last group from the database: %w", err)
	}
	left, err := loadLeft(r.cfg.Store)
	if err != nil {
		return err
	}
	found, err := r.judge(ctx, left, mark)
	if err != nil {
		return err
	}
	if found == asStaged || found == setBack && left.hasStaged {
		err = finishStaged(r.cfg.Store, true)
	} else {
		err = dropStaged(r.cfg.Store)
	}
	if err != nil {
		return fmt.Errorf("complete group %d: %w", mark.Number, err)
	}
	next := mark
	switch {
	case found == setBack:
		next, err = r.noteSetBack(mark)
	case found == asLeft && left.hasRenewed && mark != left.renewed:
		// The database was to get a mark and has not: it never got it, or a backup of
		// before that was put in its place. In between there may have been backups with
		// that mark. Without a new one, what goes on from here would be of an earlier
		// start than they are, and look like a store that is behind when one of them is
		// put back.
		next, err = r.writeRenewed(mark)
	}
	if err != nil {
		return err
	}
	r.mark = mark
	if err := r.load(); err != nil {
		return err
	}
	if found == asReleased {
		r.taken = history{}
	}
	if err := r.loadBringUp(); err != nil {
		return err
	}
	r.checkedAt = r.cfg.NowMillis()
	if err := r.giveMark(ctx, next); err != nil {
		return err
	}
	r.unsettled = false
	return nil
}

// load reads everything that the replica keeps in memory.
func (r *Replica) load() error {
	s := r.cfg.Store
	clear(r.ahead)
	r.none = none{}
	var err error
	if r.names, err = loadNames(s); err != nil {
		return err
	}
	r.appliedOwn = false
	if r.applied, err = loadVector(s, metaApplied); err != nil {
		return err
	}
	r.content = map[clock.SiteID]uint64{}
	err = s.Scan(metaApplied, kv.After(metaApplied), func(k, v []byte) bool {
		var id clock.SiteID
		copy(id[:], k[len(metaApplied):])
		if len(v) < 24 {
			return true
		}
		r.content[id] = binary.BigEndian.Uint64(v[16:])
		return true
	})
	if err != nil {
		return err
	}
	err = s.Scan(metaContext, kv.After(metaContext), func(k, v []byte) bool {
		var id clock.SiteID
		copy(id[:], k[len(metaContext):])
		r.contexts[id] = knownContext{vector: decodeVector(v)}
		return true
	})
	if err != nil {
		return err
	}
	last, err := s.Get(metaClock)
	if err != nil {
		return err
	}
	r.clock = clock.NewClock(0)
	if last != nil {
		r.clock.Observe(clock.Timestamp(binary.BigEndian.Uint64(last)))
	}
	taken, err := s.Get(metaTaken)
	if err != nil {
		return err
	}
	var ok bool
	if r.taken, ok = decodeHistory(taken); !ok {
		return errors.New("the list of log rows that were captured last is damaged: the store is damaged")
	}
	if err := r.loadPublished(); err != nil {
		return err
	}
	stable, err := s.Get(metaStable)
	if err != nil {
		return err
	}
	r.stable = decodeVector(stable)
	if err := r.loadRules(); err != nil {
		return err
	}
	r.tombs = tombs{fresh: true}
	if r.log == nil {
		r.log = &Log{store: s, self: r.cfg.Self}
	}
	return r.log.load()
}

// Log returns the site's log.
func (r *Replica) Log() *Log { return r.log }

// Applied returns what is merged into the database. The caller must not change
// it.
func (r *Replica) Applied() clock.VersionVector {
	r.appliedOwn = false
	return r.applied
}

// saveVectors writes what the step changed of the vectors and the clock.
func (r *Replica) saveVectors(t *txn, applied clock.VersionVector, g gains, last clock.Timestamp) {
	for i, e := range applied {
		if i < len(r.applied) && r.applied[i] == e || r.applied.Get(e.Site) == e {
			continue
		}
		seq := g.content(e.Site)
		if seq == 0 {
			seq = r.content[e.Site]
		}
		b := binary.BigEndian.AppendUint64(t.mem.room(24), e.Seq)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Through))
		t.set(t.siteKey(metaApplied, e.Site), binary.BigEndian.AppendUint64(b, seq))
	}
	for i := range g {
		if x := &g[i]; x.hasContext {
			t.give(t.siteKey(metaContext, x.site), encodeVector(x.context))
		}
	}
	t.set(metaClock, binary.BigEndian.AppendUint64(t.mem.room(8), uint64(last)))
	t.setMark(r.mark)
	t.set(metaTaken, r.taken.encode())
}
