package trust

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"baraza/clock"
	"baraza/internal/kv"
)

const (
	// InvitesMax bounds the invitations that are remembered.
	InvitesMax = 1000
	// InviteTTLMax bounds how long an invitation may stand.
	InviteTTLMax = 90 * 24 * time.Hour
	// inviteKept is how long an expired invitation is remembered, so that a
	// late joiner is told that it expired.
	inviteKept   = 7 * 24 * time.Hour
	inviteFields = 3
)

// Refusal is why a joiner is not let in. It survives the wire.
type Refusal uint8

// The refusals.
const (
	// RefusedUnknown: no such invitation, or the wrong secret.
	RefusedUnknown Refusal = iota + 1
	// RefusedUsed: another site used the invitation.
	RefusedUsed
	// RefusedExpired: too late, by the inviter's clock.
	RefusedExpired
	// RefusedMalformed: the request is not one that this version understands.
	RefusedMalformed
	// RefusedName: another member has the name, or no site may have it.
	RefusedName
	// RefusedCannot: the inviter has trouble of its own; see its log.
	RefusedCannot
	// RefusedFacts: the joiner's database does not fit the network (Host.Admits);
	// a *Misfit says why.
	RefusedFacts
)

// Misfit is why a joiner's database does not fit the network, in the inviter's
// words.
type Misfit struct{ Why string }

func (e *Misfit) Error() string { return e.Why }

// Unwrap makes a Misfit a refusal.
func (e *Misfit) Unwrap() error { return RefusedFacts }

func (r Refusal) Error() string {
	switch r {
	case RefusedUnknown:
		return "the inviter does not know this token: make a new one with baraza invite"
	case RefusedUsed:
		return "the token was used by another site: make a new one with baraza invite"
	case RefusedExpired:
		return "the token has expired by the inviter's clock: make a new one with baraza invite"
	case RefusedMalformed:
		return "the inviter does not understand the request: use the same version of baraza at both ends"
	case RefusedName:
		return "another site has this name, or no site may have it: choose another --name"
	case RefusedCannot:
		return "the inviter could not admit this site: read its log, then try again"
	case RefusedFacts:
		return "this database does not fit the network"
	}
	return fmt.Sprintf("the inviter refused for a reason (%d) that this version does not know: use the same version of baraza at both ends", uint8(r))
}

// Invites keeps the invitations of one inviter: hashes, never the secrets. It
// is safe for concurrent use, and must be the only one on its prefix.
type Invites struct {
	mu     sync.Mutex
	store  kv.Store
	prefix []byte
}

// NewInvites keeps invitations under a prefix of the store.
func NewInvites(store kv.Store, prefix []byte) *Invites {
	return &Invites{store: store, prefix: slices.Clone(prefix)}
}

// invite is what is kept of an invitation.
type invite struct {
	hash    [sha256.Size]byte
	expires int64
	usedBy  clock.SiteID // zero: not used
}

func (v *invite) marshal() []byte {
	w := newWriter()
	w.array(inviteFields)
	w.bytes(v.hash[:])
	w.int(v.expires)
	w.site(v.usedBy)
	return w.done()
}

func unmarshalInvite(b []byte) (invite, error) {
	r := newReader(b)
	r.exactly(inviteFields)
	v := invite{hash: [sha256.Size]byte(r.fixed(sha256.Size)), expires: r.int(), usedBy: r.site()}
	return v, r.done("an invitation")
}

func (v *Invites) key(id [inviteIDBytes]byte) []byte { return slices.Concat(v.prefix, id[:]) }

// New makes an invitation that stands for ttl.
func (v *Invites) New(inviter clock.SiteID, addresses []string, ttl time.Duration, now time.Time) (Token, error) {
	if ttl <= 0 || ttl > InviteTTLMax {
		return Token{}, fmt.Errorf("an invitation cannot stand for %v: give a --ttl of at most %v", ttl, InviteTTLMax)
	}
	t, err := newToken(inviter, addresses, now.Add(ttl))
	if err != nil {
		return Token{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	batch, left, err := v.prune(now)
	if err != nil {
		return Token{}, err
	}
	if left >= InvitesMax {
		return Token{}, fmt.Errorf("%d invitations are open, the most there may be: wait until some expire", left)
	}
	record := invite{hash: sha256.Sum256(t.secret[:]), expires: t.Expires.UnixMilli()}
	batch.Set(v.key(t.id), record.marshal())
	if err := v.store.Write(batch, true); err != nil {
		return Token{}, fmt.Errorf("storing the invitation: %w", err)
	}
	return t, nil
}

// prune collects the deletes of long-expired invitations, and counts the rest.
func (v *Invites) prune(now time.Time) (*kv.Batch, int, error) {
	batch, left := &kv.Batch{}, 0
	err := scanPrefix(v.store, v.prefix, func(key, value []byte) bool {
		record, err := unmarshalInvite(value)
		if err != nil || now.UnixMilli()-record.expires > inviteKept.Milliseconds() {
			batch.Delete(slices.Clone(key))
		} else {
			left++
		}
		return true
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the invitations: %w", err)
	}
	return batch, left, nil
}

// redeem spends an invitation for a site, durably. The same site may spend it
// again until it expires, because the line may have cut off the answer; for
// every other site it is used. An error of allow, which is asked last, leaves
// it unspent. The error is a Refusal, or trouble of ours.
func (v *Invites) redeem(id [inviteIDBytes]byte, secret [secretBytes]byte, site clock.SiteID, now time.Time, allow func() error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	value, err := v.store.Get(v.key(id))
	if err != nil {
		return fmt.Errorf("reading an invitation: %w", err)
	}
	if value == nil {
		return RefusedUnknown
	}
	record, err := unmarshalInvite(value)
	if err != nil {
		return err
	}
	// Nothing about the invitation is said to who lacks its secret.
	hash := sha256.Sum256(secret[:])
	if subtle.ConstantTimeCompare(hash[:], record.hash[:]) != 1 {
		return RefusedUnknown
	}
	if !record.usedBy.IsZero() && record.usedBy != site {
		return RefusedUsed
	}
	if now.UnixMilli() >= record.expires {
		return RefusedExpired
	}
	if err := allow(); err != nil || record.usedBy == site {
		return err
	}
	record.usedBy = site
	var batch kv.Batch
	batch.Set(v.key(id), record.marshal())
	if err := v.store.Write(&batch, true); err != nil {
		return fmt.Errorf("storing that an invitation was used: %w", err)
	}
	return nil
}

// asRefusal returns what the joiner may know of an error.
func asRefusal(err error) Refusal {
	var r Refusal
	if errors.As(err, &r) {
		return r
	}
	return RefusedCannot
}
