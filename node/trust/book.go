package trust

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"time"

	"baraza/clock"
	"baraza/internal/kv"
)

// MembersMax bounds the sites of one network, expelled ones included.
const MembersMax = 4096

// ChainMax bounds the admissions from a site up to the founder.
const ChainMax = 256

// Members is the lookup that decides membership: a site's public key, and
// whether it is a member now.
type Members func(clock.SiteID) (ed25519.PublicKey, bool)

// Book is the durable list of who was admitted, who was expelled, and where
// members say that they are. Every
// record in it was verified before it went in. It is safe for concurrent use.
type Book struct {
	mu         sync.RWMutex
	store      kv.Store
	prefix     []byte
	admissions map[clock.SiteID]Admission
	expulsions map[clock.SiteID]Expulsion
	contacts   map[clock.SiteID]Contact
}

// OpenBook reads the book that is stored under a prefix of the store.
func OpenBook(store kv.Store, prefix []byte) (*Book, error) {
	b := &Book{
		store: store, prefix: slices.Clone(prefix),
		admissions: map[clock.SiteID]Admission{}, expulsions: map[clock.SiteID]Expulsion{},
		contacts: map[clock.SiteID]Contact{},
	}
	var bad error
	err := scanPrefix(store, b.key('a', nil), func(_, value []byte) bool {
		var a Admission
		if a, bad = UnmarshalAdmission(value); bad == nil {
			b.admissions[a.Site] = a
		}
		return bad == nil
	})
	if err == nil && bad == nil {
		err = scanPrefix(store, b.key('x', nil), func(_, value []byte) bool {
			var e Expulsion
			if e, bad = UnmarshalExpulsion(value); bad == nil {
				b.expulsions[e.Site] = e
			}
			return bad == nil
		})
	}
	if err == nil && bad == nil {
		err = scanPrefix(store, b.key('c', nil), func(_, value []byte) bool {
			var c Contact
			if c, bad = UnmarshalContact(value); bad == nil {
				b.contacts[c.Site] = c
			}
			return bad == nil
		})
	}
	if err = cmp.Or(err, bad); err != nil {
		return nil, fmt.Errorf("reading the book of members: %w", err)
	}
	return b, nil
}

func scanPrefix(r kv.Reader, prefix []byte, each func(key, value []byte) bool) error {
	return r.Scan(prefix, kv.After(prefix), each)
}

func (b *Book) key(kind byte, id []byte) []byte {
	return slices.Concat(b.prefix, []byte{kind}, id)
}

// save stores records durably, and then shows them to readers. The caller
// holds the lock.
func (b *Book) save(admissions []Admission, expulsions []Expulsion) error {
	var batch kv.Batch
	for i := range admissions {
		batch.Set(b.key('a', admissions[i].Site[:]), admissions[i].Marshal())
	}
	for i := range expulsions {
		batch.Set(b.key('x', expulsions[i].Site[:]), expulsions[i].Marshal())
	}
	if batch.Empty() {
		return nil
	}
	if err := b.store.Write(&batch, true); err != nil {
		return fmt.Errorf("storing the book of members: %w", err)
	}
	for _, a := range admissions {
		b.admissions[a.Site] = a
	}
	for _, e := range expulsions {
		b.expulsions[e.Site] = e
	}
	return nil
}

// Member is the Members lookup of this book.
func (b *Book) Member(id clock.SiteID) (ed25519.PublicKey, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.member(id)
}

func (b *Book) member(id clock.SiteID) (ed25519.PublicKey, bool) {
	a, ok := b.admissions[id]
	return a.PublicKey, ok && !b.overruled(&a)
}

// overruled reports whether an expulsion takes the admission back.
func (b *Book) overruled(a *Admission) bool {
	e, ok := b.expulsions[a.Site]
	return ok && a.Time <= e.Time
}

// Expelled reports whether the site was a member and is one no longer.
func (b *Book) Expelled(id clock.SiteID) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, was := b.expulsions[id]
	_, is := b.member(id)
	return was && !is
}

// expelledAt returns the time of a site's expulsion; 0 when there is none.
func (b *Book) expelledAt(id clock.SiteID) int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.expulsions[id].Time
}

// Admission returns a site's admission, also when the site was expelled since.
func (b *Book) Admission(id clock.SiteID) (Admission, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	a, ok := b.admissions[id]
	return a, ok
}

// Members returns the admissions of all members, sorted by site.
func (b *Book) Members() []Admission {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sorted(func(a *Admission) bool { return !b.overruled(a) })
}

func (b *Book) sorted(keep func(*Admission) bool) []Admission {
	list := make([]Admission, 0, len(b.admissions))
	for _, a := range b.admissions {
		if keep(&a) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(x, y Admission) int { return x.Site.Compare(y.Site) })
	return list
}

// Records returns everything in the book, sorted by site, as a joiner gets it.
func (b *Book) Records() ([]Admission, []Expulsion) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	expulsions := make([]Expulsion, 0, len(b.expulsions))
	for _, e := range b.expulsions {
		expulsions = append(expulsions, e)
	}
	slices.SortFunc(expulsions, func(x, y Expulsion) int { return x.Site.Compare(y.Site) })
	return b.sorted(func(*Admission) bool { return true }), expulsions
}

// Chain returns a site's admission, its admitter's, and so on up to the
// founder's: what the site shows to those who have never heard of it.
func (b *Book) Chain(id clock.SiteID) []Admission {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.chain(id)
}

func (b *Book) chain(id clock.SiteID) []Admission {
	var chain []Admission
	for len(chain) < ChainMax {
		a, ok := b.admissions[id]
		if !ok {
			break
		}
		chain = append(chain, a)
		id = a.By
		// The founder ends it; two sites that removed each other's admitters
		// at the same time can also have made it a ring.
		if slices.ContainsFunc(chain, func(c Admission) bool { return c.Site == id }) {
			break
		}
	}
	return chain
}

// Found makes the site of the key the founder of a new network. The book must
// be empty.
func (b *Book) Found(key *Key, name string, addresses []string, now time.Time) (Admission, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.admissions) > 0 {
		return Admission{}, fmt.Errorf("site %s is in a network already: use another --data directory for a new one", key)
	}
	a, err := Found(key, name, addresses, now)
	if err != nil {
		return Admission{}, err
	}
	return a, b.save([]Admission{a}, nil)
}

// newer orders two admissions of one site, so that every book keeps the same.
func newer(a, than *Admission) bool {
	return cmp.Or(
		cmp.Compare(a.Time, than.Time),
		a.By.Compare(than.By),
		bytes.Compare(a.Signature, than.Signature)) > 0
}
