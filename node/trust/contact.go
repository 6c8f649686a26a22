package trust

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"baraza/clock"
	"baraza/internal/kv"
)

// Contact is the signed sentence "I am reached at these addresses now", by the
// site itself. It overrules the addresses of an admission that is not later, so
// a site may move. It says nothing about membership.
type Contact struct {
	Site clock.SiteID
	// Addresses may be none: a site that only dials.
	Addresses []string
	// Time orders the contacts of one site, and a contact and an admission. It
	// is the site's own clock, or more where its earlier records ask for it.
	Time      int64
	Signature []byte
}

// Verify reports whether c is what the site with this key signed.
func (c *Contact) Verify(by ed25519.PublicKey) error {
	if err := checkAddresses(c.Addresses); err != nil {
		return err
	}
	if len(by) != ed25519.PublicKeySize || IDOf(by) != c.Site || !ed25519.Verify(by, c.signed(), c.Signature) {
		return fmt.Errorf("the addresses of site %s do not carry its signature", Fingerprint(c.Site))
	}
	return nil
}

// NewContact signs this site's addresses, where they are others than the book
// shows; nil where the book is right. It does not change the book: the caller
// makes the contact durable with what is to spread, and then adds it.
func (b *Book) NewContact(key *Key, addresses []string, now time.Time) (*Contact, error) {
	if err := checkAddresses(addresses); err != nil {
		return nil, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	a, ok := b.admissions[key.ID()]
	if !ok {
		return nil, errors.New("this site is not in its own book of members: join again with a new --data directory")
	}
	if slices.Equal(b.addresses(&a), addresses) {
		return nil, nil
	}
	now = later(later(now, a.Time), b.contacts[a.Site].Time)
	c := &Contact{Site: a.Site, Addresses: addresses, Time: now.UnixMilli()}
	c.Signature = key.sign(c.signed())
	return c, nil
}

// AddContact takes in where a member says that it is; it reports whether that
// was new here.
func (b *Book) AddContact(c Contact) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	by, ok := b.member(c.Site)
	if !ok {
		return false, fmt.Errorf("addresses of site %s, which is not a member here", Fingerprint(c.Site))
	}
	if known, ok := b.contacts[c.Site]; ok && c.Time <= known.Time {
		return false, nil
	}
	if err := c.Verify(by); err != nil {
		return false, err
	}
	var batch kv.Batch
	batch.Set(b.key('c', c.Site[:]), c.Marshal())
	if err := b.store.Write(&batch, true); err != nil {
		return false, fmt.Errorf("storing the book of members: %w", err)
	}
	b.contacts[c.Site] = c
	return true, nil
}

// Contacts returns where members say that they are, sorted by site.
func (b *Book) Contacts() []Contact {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Contact, 0, len(b.contacts))
	for id, c := range b.contacts {
		if _, ok := b.member(id); ok {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y Contact) int { return x.Site.Compare(y.Site) })
	return list
}

// Addresses returns where a site is reached, by the last it said, or by its
// admission where that is later.
func (b *Book) Addresses(id clock.SiteID) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	a, ok := b.admissions[id]
	if !ok {
		return nil
	}
	return b.addresses(&a)
}

// contactAt returns the time of a site's contact; 0 when there is none.
func (b *Book) contactAt(id clock.SiteID) int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.contacts[id].Time
}

func (b *Book) addresses(a *Admission) []string {
	if c, ok := b.contacts[a.Site]; ok && c.Time > a.Time {
		return c.Addresses
	}
	return a.Addresses
}
