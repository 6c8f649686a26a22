package trust

import (
	"fmt"
	"slices"
	"time"

	"baraza/clock"
)

// Add takes in a site's admission and the chain above it, nearest first, as
// Chain returns it. Each link must be signed by the next, and the chain must
// reach a site that is a member here; what lies above that is not looked at.
// Add returns the admissions that were new here, for passing on. It stores
// nothing of a chain that is not good to its end.
func (b *Book) Add(chain ...Admission) ([]Admission, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(chain) == 0 {
		return nil, fmt.Errorf("the site shows no admission: it must join first, with a token of baraza invite")
	}
	if len(chain) > ChainMax {
		return nil, fmt.Errorf("the chain of admissions has more than %d links", ChainMax)
	}
	if known, ok := b.admissions[chain[0].Site]; ok && !b.overruled(&known) && !newer(&chain[0], &known) {
		return nil, nil // it says nothing new, whoever stands above it now
	}
	anchor, err := b.anchor(chain)
	if err != nil {
		return nil, err
	}
	// From the known member down, so that a stranger's chain costs nothing
	// until its top is good.
	by, _ := b.member(chain[anchor].By)
	var news []Admission
	for i := anchor; i >= 0; i-- {
		a := &chain[i]
		if err := b.check(a); err != nil {
			return nil, err
		}
		if err := a.Verify(by); err != nil {
			return nil, err
		}
		by = a.PublicKey
		if known, ok := b.admissions[a.Site]; !ok || newer(a, &known) {
			news = append(news, *a)
		}
	}
	if len(b.admissions)+len(news) > MembersMax {
		return nil, fmt.Errorf("the network has %d sites, the most it may have", MembersMax)
	}
	return news, b.save(news, nil)
}

// anchor returns the first link whose signer is a member here, and checks that
// the links below it belong together.
func (b *Book) anchor(chain []Admission) (int, error) {
	for i := range chain {
		if _, ok := b.member(chain[i].By); ok {
			return i, nil
		}
		if i+1 < len(chain) && chain[i].By != chain[i+1].Site {
			break
		}
	}
	return 0, fmt.Errorf("site %s was not admitted by anyone who is a member here: invite it again", Fingerprint(chain[0].Site))
}

// check refuses a link that no signature can make good.
func (b *Book) check(a *Admission) error {
	if b.overruled(a) {
		return fmt.Errorf("site %s was removed from the network: invite it again", Fingerprint(a.Site))
	}
	known, ok := b.admissions[a.Site]
	if a.Founder() && (!ok || newer(a, &known)) {
		return fmt.Errorf("site %s admits itself, which only the founder could: invite it", Fingerprint(a.Site))
	}
	if ok && !slices.Equal(known.PublicKey, a.PublicKey) {
		return fmt.Errorf("site %s is known here with another key: one of the two is forged", Fingerprint(a.Site))
	}
	return nil
}

// Expel removes a site. It returns the expulsion, and new admissions of the
// members that the site had admitted, signed by this site, so that their
// chains do not end in an expelled one. All of it is to be passed on.
func (b *Book) Expel(key *Key, site clock.SiteID, now time.Time) (Expulsion, []Admission, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if site == key.ID() {
		return Expulsion{}, nil, fmt.Errorf("a site cannot remove itself: run peers forget at another site")
	}
	target, ok := b.admissions[site]
	if !ok {
		return Expulsion{}, nil, fmt.Errorf("site %s is not in the book of members: see baraza peers list", Fingerprint(site))
	}
	// Never before the admission that it takes back, whatever the clocks show.
	e := Expel(key, site, time.UnixMilli(max(now.UnixMilli(), target.Time)))
	var above []clock.SiteID
	for _, a := range b.chain(key.ID()) {
		above = append(above, a.Site)
	}
	var again []Admission
	for _, a := range b.sorted(func(a *Admission) bool { return a.By == site && a.Site != site && !b.overruled(a) }) {
		if slices.Contains(above, a.Site) {
			continue // it stands above this site: the two would admit each other
		}
		fresh, err := Admit(key, a.PublicKey, a.Name, b.addresses(&a), time.UnixMilli(max(now.UnixMilli(), a.Time+1)))
		if err != nil {
			return Expulsion{}, nil, err
		}
		again = append(again, fresh)
	}
	return e, again, b.save(again, []Expulsion{e})
}

// AddExpulsion takes in an expulsion that another member signed; it reports
// whether it was new here.
func (b *Book) AddExpulsion(e Expulsion) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	by, ok := b.member(e.By)
	if !ok {
		return false, fmt.Errorf("the expulsion of %s is by %s, which is not a member here", Fingerprint(e.Site), Fingerprint(e.By))
	}
	if err := e.Verify(by); err != nil {
		return false, err
	}
	if known, ok := b.expulsions[e.Site]; ok && e.Time <= known.Time {
		return false, nil
	}
	if _, ok := b.expulsions[e.Site]; !ok && len(b.expulsions) >= MembersMax {
		return false, fmt.Errorf("the book has %d expulsions, the most it may have", MembersMax)
	}
	return true, b.save(nil, []Expulsion{e})
}

// Install fills an empty book with what the inviter answered to a join. The
// joiner trusts the inviter, whose key the token named; still every record
// must carry the signature of a site in the list.
func (b *Book) Install(inviter clock.SiteID, admissions []Admission, expulsions []Expulsion) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.admissions) > 0 {
		return fmt.Errorf("this site is in a network already: use another --data directory to join a second one")
	}
	byID := make(map[clock.SiteID]*Admission, len(admissions))
	for i := range admissions {
		byID[admissions[i].Site] = &admissions[i]
	}
	if byID[inviter] == nil {
		return fmt.Errorf("the inviter's answer leaves out the inviter: it is not to be trusted")
	}
	for i := range admissions {
		by := byID[admissions[i].By]
		if by == nil {
			return fmt.Errorf("the inviter's answer has an admission by %s and not that site's own", Fingerprint(admissions[i].By))
		}
		if err := admissions[i].Verify(by.PublicKey); err != nil {
			return err
		}
	}
	for i := range expulsions {
		by := byID[expulsions[i].By]
		if by == nil {
			return fmt.Errorf("the inviter's answer has an expulsion by %s and not that site's admission", Fingerprint(expulsions[i].By))
		}
		if err := expulsions[i].Verify(by.PublicKey); err != nil {
			return err
		}
	}
	return b.save(admissions, expulsions)
}
