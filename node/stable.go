package node

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"baraza/clock"
	"baraza/node/admin"
	"baraza/node/replica"
	"baraza/node/trust"
)

const (
	// tendInterval is how often the engine looks for what can be dropped, when
	// there was nothing more.
	tendInterval = 10 * time.Second
	// publishPerMember is the least time between two of a site's words on what
	// it has applied, times the members of the network: each word goes to every
	// member and grows with their number, so that the bytes a day that a site
	// takes in grow with the members and not with their square.
	publishPerMember = time.Minute
	// heldAlarm is how long a member may keep others from dropping anything
	// before status calls it an alarm.
	heldAlarm = 7 * 24 * time.Hour
)

// tellMembers gives the core the book as it is now. It runs on the engine's
// goroutine.
func (n *Node) tellMembers() {
	var m replica.Membership
	for _, a := range n.book.Members() {
		m.Members = append(m.Members, a.Site)
	}
	// Whom another member believes and this site does not yet may have got rows
	// from that member.
	m.Members = append(m.Members, n.unbelieved...)
	_, expulsions := n.book.Records()
	for _, e := range expulsions {
		if n.book.Expelled(e.Site) {
			m.Gone = append(m.Gone, e.Site)
		}
	}
	n.replica.SetMembership(m)
}

// tend says what this site has applied, when it is time, and drops a piece of
// what nobody needs any more. It runs on the engine's goroutine.
func (n *Node) tend(ctx context.Context) (more bool, err error) {
	n.tellMembers()
	if err := n.startCounters(ctx); err != nil {
		return false, err
	}
	every := publishPerMember * time.Duration(len(n.book.Members()))
	if time.Since(n.publishedAt) >= every {
		said, err := n.replica.PublishApplied(ctx)
		if err != nil {
			return false, err
		}
		n.publishedAt = time.Now()
		if said {
			n.grown()
		}
	}
	if more, err := n.tendGone(ctx); more || err != nil {
		return more, err
	}
	return n.replica.Truncate(ctx)
}

// passOn sees to it that the log says that a site was admitted, before it gets
// its first rows here: whoever hears what this site says afterwards knows then
// that there is one more to wait for. It runs on the engine's goroutine.
func (n *Node) passOn(ctx context.Context, site clock.SiteID) error {
	a, ok := n.book.Admission(site)
	if !ok {
		return fmt.Errorf("site %s is not a member", site.Short())
	}
	said := false
	err := n.systemRecords(membersTable, func(b []byte) error {
		known, err := trust.UnmarshalAdmission(b)
		said = said || err == nil && known.Site == site && known.Time >= a.Time
		return err
	})
	if err != nil || said {
		return err
	}
	return n.replica.WriteSystem(ctx, admissionRows(a))
}

// stability fills in what status says of the log.
func (n *Node) stability(f *figures, st *admin.Status, now time.Time) {
	st.Log = admin.Log{Entries: f.stability.Entries, Unstable: f.stability.Unstable, Tombstones: f.stability.Tombstones, StoreBytes: n.storeBytes(), HeldBy: []admin.Holder{}}
	for _, h := range f.stability.Holders {
		held := admin.Holder{Site: n.name(h.Site), ID: h.Site.String(), Behind: h.Behind, Forgotten: h.Gone}
		since := time.UnixMilli(h.SinceMillis)
		if h.SinceMillis > 0 {
			at := since.UTC()
			held.Since = &at
		} else if a, ok := n.book.Admission(h.Site); ok {
			since = time.UnixMilli(a.Time)
		}
		st.Log.HeldBy = append(st.Log.HeldBy, held)
		if f.stability.Unstable == 0 || now.Sub(since) < heldAlarm {
			continue
		}
		if h.Gone {
			continue // the members that have not confirmed it are named themselves
		}
		st.Alarms = append(st.Alarms, fmt.Sprintf(
			"no member can drop what %s may lack, for %d days: connect it again, or give it up with `baraza peers forget %s`",
			held.Site, int(now.Sub(since).Hours()/24), held.Site))
	}
}

// storeBytes is about what the store takes on the disk; 0 where it is in
// memory.
func (n *Node) storeBytes() (sum int64) {
	_ = filepath.WalkDir(filepath.Join(n.dir, storeDir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
