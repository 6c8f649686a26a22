package trust

import (
	"crypto/ed25519"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"baraza/clock"
)

// Limits of what an admission may hold.
const (
	NameCharsMax    = 64
	AddressesMax    = 4
	AddressBytesMax = 260
)

// Admission is the signed sentence "this key is a site of our network".
type Admission struct {
	Site      clock.SiteID
	PublicKey ed25519.PublicKey
	// Name and Addresses are as they were at admission.
	Name      string
	Addresses []string
	// By is the member that admits; the founder admits itself.
	By clock.SiteID
	// Time is By's clock, in milliseconds since the Unix epoch. It orders an
	// admission against an expulsion of the same site and nothing else.
	Time      int64
	Signature []byte
}

// Expulsion is the signed sentence "this site is no longer one of us". It
// overrules every admission of the site that is not later.
type Expulsion struct {
	Site      clock.SiteID
	By        clock.SiteID
	Time      int64
	Signature []byte
}

// Admit signs an admission of a public key.
func Admit(by *Key, public ed25519.PublicKey, name string, addresses []string, now time.Time) (Admission, error) {
	if len(public) != ed25519.PublicKeySize {
		return Admission{}, fmt.Errorf("admitting %q: the public key has %d bytes, not %d", name, len(public), ed25519.PublicKeySize)
	}
	if err := CheckName(name); err != nil {
		return Admission{}, err
	}
	if err := checkAddresses(addresses); err != nil {
		return Admission{}, err
	}
	a := Admission{
		Site: IDOf(public), PublicKey: public, Name: name, Addresses: addresses,
		By: by.ID(), Time: now.UnixMilli(),
	}
	a.Signature = by.sign(a.signed())
	return a, nil
}

// Found signs the founder's admission of itself.
func Found(key *Key, name string, addresses []string, now time.Time) (Admission, error) {
	return Admit(key, key.Public(), name, addresses, now)
}

// Founder reports whether a is an admission of a site by itself.
func (a *Admission) Founder() bool { return a.Site == a.By }

// Verify reports whether a is what the holder of the key signed. It says
// nothing about whether that holder is a member.
func (a *Admission) Verify(by ed25519.PublicKey) error {
	if len(a.PublicKey) != ed25519.PublicKeySize || IDOf(a.PublicKey) != a.Site {
		return fmt.Errorf("the admission of %s names another key", Fingerprint(a.Site))
	}
	if len(by) != ed25519.PublicKeySize || IDOf(by) != a.By {
		return fmt.Errorf("the admission of %s is by %s, not by the key it is checked against", Fingerprint(a.Site), Fingerprint(a.By))
	}
	if err := CheckName(a.Name); err != nil {
		return err
	}
	if err := checkAddresses(a.Addresses); err != nil {
		return err
	}
	if !ed25519.Verify(by, a.signed(), a.Signature) {
		return fmt.Errorf("the admission of %s does not carry the signature of %s", Fingerprint(a.Site), Fingerprint(a.By))
	}
	return nil
}

// Expel signs an expulsion.
func Expel(by *Key, site clock.SiteID, now time.Time) Expulsion {
	e := Expulsion{Site: site, By: by.ID(), Time: now.UnixMilli()}
	e.Signature = by.sign(e.signed())
	return e
}

// Verify reports whether e is what the holder of the key signed.
func (e *Expulsion) Verify(by ed25519.PublicKey) error {
	if len(by) != ed25519.PublicKeySize || IDOf(by) != e.By || !ed25519.Verify(by, e.signed(), e.Signature) {
		return fmt.Errorf("the expulsion of %s does not carry the signature of %s", Fingerprint(e.Site), Fingerprint(e.By))
	}
	return nil
}

// CheckName reports whether a site may have this name: 1 to 64 characters,
// printable, no blank at either end. Names are shown on terminals and web
// pages of other sites, so what could draw there is refused at the door.
func CheckName(name string) error {
	n := utf8.RuneCountInString(name)
	if n == 0 || n > NameCharsMax || !utf8.ValidString(name) {
		return fmt.Errorf("the site name %.80q is not 1 to %d characters of text: choose another --name", name, NameCharsMax)
	}
	for i, r := range name {
		edge := i == 0 || i+utf8.RuneLen(r) == len(name)
		if !unicode.IsPrint(r) || edge && r == ' ' {
			return fmt.Errorf("the site name %q has a character that cannot be shown, or a blank at an end: choose another --name", name)
		}
	}
	return nil
}

func checkAddresses(addresses []string) error {
	if len(addresses) > AddressesMax {
		return fmt.Errorf("%d addresses are too many for one site: give at most %d", len(addresses), AddressesMax)
	}
	for _, a := range addresses {
		if err := CheckAddress(a); err != nil {
			return err
		}
	}
	return nil
}
