package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"baraza/clock"
	"baraza/gossip"
	"baraza/node/admin"
	"baraza/node/session"
	"baraza/node/trust"
)

// A bundle carries by hand what a session carries over a line: node/session says
// what is in it, node/trust who may read it and who wrote it. Here is what a site
// remembers of them: the number of the last that it wrote, and per peer the
// number of the last that it read and what the peer had then.
var (
	bundleNumberKey = []byte("Tbundle")
	carriedPrefix   = []byte("Tcarried/")
)

// captureRoundsMax bounds the rounds of capture before an export, so that a busy
// application does not keep it from beginning.
const captureRoundsMax = 100

var errCarried = errors.New("what a bundle said before is damaged in the store")

// carriedBy reads what the last bundle of a peer said.
func (n *Node) carriedBy(peer clock.SiteID) (last gossip.Heard, err error) {
	b, err := n.store.Get(append(slices.Clone(carriedPrefix), peer[:]...))
	if err != nil || b == nil {
		return last, err
	}
	if len(b) < 8 {
		return last, errCarried
	}
	m, err := gossip.DecodeMessage(slices.Clone(b[8:]))
	have, ok := m.(gossip.Have)
	if err != nil || !ok {
		return last, errCarried
	}
	return gossip.Heard{Number: binary.BigEndian.Uint64(b), Vector: have.Changed}, nil
}

func (n *Node) setCarried(peer clock.SiteID, last gossip.Heard) error {
	b := gossip.AppendMessage(binary.BigEndian.AppendUint64(nil, last.Number), gossip.Have{Changed: last.Vector})
	return setKey(n.store, append(slices.Clone(carriedPrefix), peer[:]...), b)
}

// nextBundle returns the number of the next bundle. It is about the time in
// milliseconds, so that it goes on where it was over a lost store.
func (n *Node) nextBundle() (uint64, error) {
	n.bundles.Lock()
	defer n.bundles.Unlock()
	last, err := n.store.Get(bundleNumberKey)
	if err != nil {
		return 0, err
	}
	number := uint64(time.Now().UnixMilli())
	if len(last) == 8 {
		number = max(number, binary.BigEndian.Uint64(last)+1)
	}
	return number, setKey(n.store, bundleNumberKey, binary.BigEndian.AppendUint64(nil, number))
}

// engineView is what only the engine knows, for a bundle.
type engineView struct {
	applied clock.VersionVector // as the reader published it
	at      int64
	stable  clock.VersionVector // what every member has applied
	capture error               // why not all is captured
}

// bundlePatience is how long an export waits for the engine, which may be busy
// with a large transaction.
const bundlePatience = 10 * time.Second

// lookForBundle takes what applications have committed, so that a bundle has it,
// and asks what the reader has published. It is an error when the engine does not
// come to it.
func (n *Node) lookForBundle(ctx context.Context, peer clock.SiteID) (engineView, error) {
	waiting, cancel := context.WithTimeout(ctx, bundlePatience)
	defer cancel()
	seen := make(chan engineView, 1) // the engine may come to it after we left
	err := n.engine.do(waiting, func() error {
		var v engineView
		v.capture = n.captureAll(ctx)
		v.applied, v.at = n.replica.Published(peer)
		v.stable = n.replica.Stable()
		seen <- v
		return nil
	})
	if err != nil {
		return engineView{}, err
	}
	n.grown()
	return <-seen, nil
}

// captureAll runs on the engine's goroutine.
func (n *Node) captureAll(ctx context.Context) error {
	if _, yes := n.replica.Recovering(); yes {
		return errors.New("the database was restored and is being brought up again")
	}
	for range captureRoundsMax {
		if count, err := n.replica.Capture(ctx); err != nil || count == 0 {
			return err
		}
	}
	return nil
}

// baseFor returns from where on a bundle for a peer is written. It is No when
// the log does not hold what the peer lacks.
func (n *Node) baseFor(peer clock.SiteID, seen *engineView, all bool) (clock.VersionVector, error) {
	var known gossip.Base
	if !all {
		last, err := n.carriedBy(peer)
		if err != nil {
			return nil, err
		}
		known = n.hub().Base(peer, last, seen.applied, seen.at)
	}
	base, gap := n.hub().Begin(peer, known, seen.stable, n.replica.Log().First)
	if gap != nil {
		return nil, admin.Nof("%s lacks entries of the log of %s from %d on, as far as is known here, and this site holds them from %d on only: export at a site that has been a member for longer, or connect the two sites once; --all exports what there is",
			n.name(peer), n.name(gap.Origin), gap.Have+1, gap.First)
	}
	return base, nil
}

// Export implements admin.Service.
func (s service) Export(ctx context.Context, req admin.ExportRequest, w io.Writer) (*admin.Exported, error) {
	n := s.n
	if err := s.ready(); err != nil {
		return nil, err
	}
	peer, err := n.member(req.Site)
	if err != nil {
		return nil, err
	}
	if peer == n.key.ID() {
		return nil, admin.Nof("a bundle for this site itself would carry nothing: name another site with --to")
	}
	done := &admin.Exported{From: n.settings().Name, Site: n.name(peer)}
	packing := session.PackOptions{Bare: req.Bare, MaxBytes: req.MaxBytes}
	if !req.Bare {
		seen, err := n.lookForBundle(ctx, peer)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			err = errors.New("the site is busy with a large transaction, or its database does not answer")
		}
		if err = errors.Join(err, seen.capture); err != nil {
			done.Warnings = append(done.Warnings, fmt.Sprintf("what applications wrote last may be missing in it: %v", err))
		}
		if packing.Base, err = n.baseFor(peer, &seen, req.All); err != nil {
			return nil, err
		}
	}
	public, member := n.book.Member(peer)
	if !member {
		return nil, admin.Nof("%s was removed from the network", n.name(peer))
	}
	number, err := n.nextBundle()
	if err != nil {
		return nil, err
	}
	sealed, err := trust.Seal(w, n.key, public, number, n.book.Chain(n.key.ID()))
	if err != nil {
		return nil, err
	}
	packed, err := n.hub().Pack(ctx, sealed, peer, packing)
	if err != nil {
		return nil, err
	}
	done.Entries, done.Left = packed.Entries, packed.Left
	n.log.Info("a bundle was written", "for", done.Site, "entries", done.Entries, "left", done.Left)
	return done, sealed.Close()
}

// Import implements admin.Service.
func (s service) Import(ctx context.Context, r io.Reader) (*admin.Imported, error) {
	n := s.n
	if err := s.ready(); err != nil {
		return nil, err
	}
	sealed, err := trust.Unseal(r, n.key, n.book)
	if err != nil {
		return nil, admin.Nof("%v", err)
	}
	if err := n.publishAdmissions(ctx, sealed.Fresh...); err != nil {
		n.log.Warn("an admission could not be passed on yet", "error", err)
	}
	peer := sealed.From
	got, err := n.hub().Unpack(ctx, sealed, peer, func(h gossip.Hello) error { return n.greetedBy(&sealed.Sealed, &h) })
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, admin.Nof("the bundle of %s: %v", n.name(peer), err)
	}
	have := n.replica.Log().Vector()
	done := &admin.Imported{
		From: n.name(peer), FromID: peer.String(), Entries: got.Entries, New: got.New,
		// Its writer does not know yet what was in it is here, or lacks something.
		Reply: got.Entries > 0 || lacks(got.Vector, have, peer),
	}
	for _, m := range got.Missing {
		why := fmt.Sprintf("entries of %s from %d on could not be stored: read this site's log, and import the bundle again", n.name(m.Origin), m.Have+1)
		if m.Gap() {
			why = fmt.Sprintf("entries of %s from %d on are not in it, which begins at %d: carry the reply back and export again", n.name(m.Origin), m.Have+1, m.First)
		}
		done.Missing = append(done.Missing, why)
	}
	n.log.Info("a bundle was read", "of", done.From, "entries", done.Entries, "new", done.New, "missing", len(done.Missing))
	return done, nil
}

// lacks reports whether a peer that has said v lacks something of other sites'.
func lacks(v, have clock.VersionVector, peer clock.SiteID) bool {
	return slices.ContainsFunc(have, func(e clock.Entry) bool { return e.Site != peer && v.Seq(e.Site) < e.Seq })
}

// greetedBy takes the word of a peer in a bundle: what it had, unless a later
// bundle has said so already, and whether it has met this site as another.
func (n *Node) greetedBy(h *trust.Sealed, said *gossip.Hello) error {
	if len(said.Note) > 0 {
		var g greeting
		if err := msgpack.Unmarshal(said.Note, &g); err != nil {
			return fmt.Errorf("what it says of itself cannot be read: %w", err)
		}
		// What it says of its own start may be long past, and is not looked at.
		if err := n.judgeSelf(h.From, &g); err != nil {
			return err
		}
	}
	n.bundles.Lock()
	defer n.bundles.Unlock()
	last, err := n.carriedBy(h.From)
	if err != nil || h.Number <= last.Number {
		return err
	}
	if err := n.hub().Carried(h.From, said.Vector); err != nil {
		return err
	}
	return n.setCarried(h.From, gossip.Heard{Number: h.Number, Vector: said.Vector})
}
