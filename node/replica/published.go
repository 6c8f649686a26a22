package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/internal/kv"
	"baraza/merge"
)

// What each site has applied travels as data: a row of a system table in the
// site's own log. Whoever has applied the row has applied everything that the
// site had written before, and so every write by which it could still
// contradict what it says it has applied. See stable.go for what follows.
const (
	appliedTable  = merge.SystemPrefix + "applied"
	appliedColumn = "record"
	appliedFormat = 1
)

// published is what a site said of itself.
type published struct {
	// applied is what it had applied, and settled what it knew every site to
	// have applied.
	applied, settled clock.VersionVector
	// closed are sites that were forgotten, of whose log it takes no more than
	// it had: see ghosts. heard are the others of which it knows that they were.
	closed, heard []clock.SiteID
	// laid are those of which it knows that all members have closed the log: nobody has
	// more of them than it had applied. It says so where that is waited for.
	laid []clock.SiteID
	// at is when it said so.
	at clock.Timestamp
}

// appliedMax bounds the origins and the closed sites of a row.
const appliedMax = 4096

var errApplied = errors.New("what a site says it has applied is damaged")

// Published returns what a site last said it has applied, and when by its own
// clock, in milliseconds; nil when it has said nothing yet.
func (r *Replica) Published(site clock.SiteID) (applied clock.VersionVector, atMillis int64) {
	p := r.published[site]
	if p == nil {
		return nil, 0
	}
	return p.applied.Clone(), p.at.Millis()
}

// encode writes a row's value: per origin its id, how far it is applied, and
// how much less of it is settled; then the closed sites, and those laid if there are
// any.
func (p *published) encode() crdt.Value {
	b := []byte{appliedFormat}
	b = binary.AppendUvarint(b, uint64(len(p.applied)))
	for _, e := range p.applied {
		s := p.settled.Get(e.Site)
		b = append(b, e.Site[:]...)
		b = binary.AppendUvarint(b, e.Seq)
		b = binary.AppendUvarint(b, uint64(e.Through))
		b = binary.AppendUvarint(b, e.Seq-min(s.Seq, e.Seq))
		b = binary.AppendUvarint(b, uint64(e.Through-min(s.Through, e.Through)))
	}
	b = appendSites(b, p.closed)
	if len(p.heard)+len(p.laid) > 0 {
		b = appendSites(b, p.heard)
	}
	if len(p.laid) > 0 {
		b = appendSites(b, p.laid)
	}
	return crdt.Bytes(string(b))
}

func appendSites(b []byte, sites []clock.SiteID) []byte {
	b = binary.AppendUvarint(b, uint64(len(sites)))
	for _, id := range sites {
		b = append(b, id[:]...)
	}
	return b
}

func decodePublished(v crdt.Value) (*published, error) {
	r := reader{s: v.Payload()}
	if r.byte() != appliedFormat {
		return nil, fmt.Errorf("%w, or of a newer version: update baraza at this site", errApplied)
	}
	p := &published{}
	n := r.uvarint()
	for i := uint64(0); i < n && !r.bad && i < appliedMax; i++ {
		e := clock.Entry{Site: r.site(), Seq: r.uvarint(), Through: clock.Timestamp(r.uvarint())}
		s := clock.Entry{Site: e.Site, Seq: e.Seq - min(r.uvarint(), e.Seq), Through: e.Through - min(clock.Timestamp(r.uvarint()), e.Through)}
		p.applied.Set(e)
		if s.Seq > 0 {
			p.settled.Set(s)
		}
	}
	p.closed = r.sites()
	if r.s != "" {
		p.heard = r.sites()
	}
	if r.s != "" {
		p.laid = r.sites()
	}
	if r.bad || r.s != "" {
		return nil, errApplied
	}
	return p, nil
}

func (r *reader) sites() (list []clock.SiteID) {
	n := r.uvarint()
	for i := uint64(0); i < n && !r.bad && i < appliedMax; i++ {
		list = append(list, r.site())
	}
	return list
}

func (r *reader) site() (id clock.SiteID) {
	if len(r.s) < len(id) {
		r.bad, r.s = true, ""
		return id
	}
	copy(id[:], r.s)
	r.s = r.s[len(id):]
	return id
}

// row is the row that says it.
func (p *published) row(self clock.SiteID, nowMillis int64) capture.Row {
	return capture.Row{
		Table: appliedTable, Key: appliedKey(self), At: nowMillis * 1000,
		Columns: []string{appliedColumn}, Values: []crdt.Value{p.encode()},
	}
}

func appliedKey(site clock.SiteID) crdt.Key { return crdt.MakeKey(crdt.Text(site.String())) }

// publishedIn finds what an origin says of itself among the changes of a batch
// of its; nil when nothing. What cannot be read says nothing: the site then
// counts as one that has not spoken.
func publishedIn(origin clock.SiteID, changes []crdt.Change) *published {
	var found *published
	for i := range changes {
		ch := &changes[i]
		if ch.Table != appliedTable || ch.Delete || ch.Key != appliedKey(origin) || len(ch.Values) != 1 {
			continue
		}
		if p, err := decodePublished(ch.Values[0]); err == nil {
			p.at = ch.Time
			found = p
		}
	}
	return found
}

// Said is what a site says of itself: what it has applied, what it knows every site to
// have applied, of which forgotten sites it takes nothing more, of which others it knows
// that they were forgotten, and of which nobody has more than it.
type Said struct {
	Applied, Settled    clock.VersionVector
	Closed, Heard, Laid []clock.SiteID
}

// SaidIn returns what an origin says among the changes of an entry of its; false when
// it says nothing.
func SaidIn(origin clock.SiteID, changes []crdt.Change) (Said, bool) {
	if p := publishedIn(origin, changes); p != nil {
		return Said{p.applied, p.settled, p.closed, p.heard, p.laid}, true
	}
	return Said{}, false
}

// loadPublished reads what sites said of themselves.
func (r *Replica) loadPublished() error {
	r.published = map[clock.SiteID]*published{}
	prefix := appendString([]byte{keyState}, appliedTable)
	return r.cfg.Store.Scan(prefix, kv.After(prefix), func(k, v []byte) bool {
		s, err := r.names.decodeState(v)
		if err != nil || len(s.Values) != 1 {
			return true
		}
		p, err := decodePublished(s.Values[0])
		if err != nil {
			return true
		}
		p.at = s.Greatest().Time
		values := rowIDs(k)[0].Key.Values()
		if len(values) != 1 {
			return true
		}
		if id, err := clock.ParseSiteID(values[0].Payload()); err == nil {
			r.published[id] = p
		}
		return true
	})
}

// settledOf returns what an origin last said is settled: the vector by which
// its batches treat tombstones.
func (r *Replica) settledOf(origin clock.SiteID) clock.VersionVector {
	if p := r.published[origin]; p != nil {
		return p.settled
	}
	return nil
}

// PublishApplied tells all sites what this one has applied, if that is news
// that lets anyone drop something: rows were written or applied since it said
// so last, what is settled has come nearer to them, or a site was forgotten.
// It reports whether it wrote anything. The caller calls it now and then; the
// more sites there are, the more rarely (PublishEvery).
func (r *Replica) PublishApplied(ctx context.Context) (bool, error) {
	if err := r.begin(ctx); err != nil {
		return false, err
	}
	if r.members == nil {
		return false, nil
	}
	if err := r.advanceStable(); err != nil {
		return false, err
	}
	if err := r.doubtTried(); err != nil {
		return false, err
	}
	closed, err := r.closing()
	if err != nil {
		return false, err
	}
	laid, err := r.saysLaid()
	if err != nil {
		return false, err
	}
	next := &published{applied: r.applied.Clone(), settled: r.stable.Clone(), closed: closed, laid: laid}
	next.heard = slices.DeleteFunc(slices.Clone(r.gone), func(id clock.SiteID) bool { return slices.Contains(closed, id) })
	if !r.news(next) {
		return false, nil
	}
	if err := r.WriteSystem(ctx, []capture.Row{next.row(r.cfg.Self, r.cfg.NowMillis())}); err != nil {
		return false, err
	}
	next.at = r.clock.Last()
	r.published[r.cfg.Self] = next
	return true, nil
}

// news reports whether publishing would tell anyone anything. Baraza's own rows
// are no news by themselves, else sites would answer each other for ever.
// Who was forgotten is news also where that one's log is not closed: others may wait
// for that (nobodyBrings).
func (r *Replica) news(next *published) bool {
	last := r.published[r.cfg.Self]
	if last == nil {
		return true
	}
	if !slices.Equal(last.closed, next.closed) || !slices.Equal(last.heard, next.heard) || !slices.Equal(last.laid, next.laid) {
		return true
	}
	for _, e := range next.applied {
		content := r.content[e.Site]
		said, settled := last.applied.Seq(e.Site), last.settled.Seq(e.Site)
		if said < content || settled < content && settled < next.settled.Seq(e.Site) {
			return true
		}
	}
	return false
}

// onlySystem reports whether all changes are of baraza's own rows.
func onlySystem(changes []crdt.Change) bool {
	for i := range changes {
		if !merge.IsSystem(changes[i].Table) {
			return false
		}
	}
	return true
}
