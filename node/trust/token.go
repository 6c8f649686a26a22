package trust

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"baraza/clock"
)

const (
	tokenPrefix     = "baraza1."
	tokenBytesMax   = 4096
	tokenFields     = 5
	inviteIDBytes   = 16
	secretBytes     = 32
	tokenCheckBytes = 4
)

// Token is an invitation. It holds a secret: print it with Text, to the person
// who asked for it, and nowhere else.
type Token struct {
	Addresses []string
	Inviter   clock.SiteID
	// Expires is by the inviter's clock; the joiner does not judge it.
	Expires time.Time
	id      [inviteIDBytes]byte
	secret  [secretBytes]byte
}

func newToken(inviter clock.SiteID, addresses []string, expires time.Time) (Token, error) {
	t := Token{Addresses: addresses, Inviter: inviter, Expires: expires}
	if len(addresses) == 0 {
		return t, errors.New("an invitation needs an address where this site can be reached: set advertise in baraza.yaml")
	}
	if err := checkAddresses(addresses); err != nil {
		return t, err
	}
	if _, err := rand.Read(t.id[:]); err != nil {
		return t, fmt.Errorf("making an invitation: %w", err)
	}
	if _, err := rand.Read(t.secret[:]); err != nil {
		return t, fmt.Errorf("making an invitation: %w", err)
	}
	return t, nil
}

// Text returns the token's one line.
func (t Token) Text() string {
	w := newWriter()
	w.array(tokenFields)
	w.texts(t.Addresses)
	w.site(t.Inviter)
	w.int(t.Expires.UnixMilli())
	w.bytes(t.id[:])
	w.bytes(t.secret[:])
	body := w.done()
	sum := sha256.Sum256(body)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(append(body, sum[:tokenCheckBytes]...))
}

// ParseToken reads a token. What is wrong with a bad one is said without
// repeating it: it may hold a good secret and a slip.
func ParseToken(text string) (Token, error) {
	var t Token
	text = strings.TrimSpace(text)
	body, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok {
		return t, fmt.Errorf("this is no invitation token: one starts with %q, as baraza invite prints it", tokenPrefix)
	}
	damaged := errors.New("the invitation token is damaged: copy the whole line that baraza invite printed")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) > tokenBytesMax || len(raw) < tokenCheckBytes {
		return t, damaged
	}
	raw, check := raw[:len(raw)-tokenCheckBytes], raw[len(raw)-tokenCheckBytes:]
	if sum := sha256.Sum256(raw); string(sum[:tokenCheckBytes]) != string(check) {
		return t, damaged
	}
	r := newReader(raw)
	r.exactly(tokenFields)
	t.Addresses = r.addresses()
	t.Inviter = r.site()
	t.Expires = time.UnixMilli(r.int()).UTC()
	t.id = [inviteIDBytes]byte(r.fixed(inviteIDBytes))
	t.secret = [secretBytes]byte(r.fixed(secretBytes))
	if r.done("the token") != nil || len(t.Addresses) == 0 || checkAddresses(t.Addresses) != nil {
		return Token{}, damaged
	}
	return t, nil
}

// String returns what may be shown of a token.
func (t Token) String() string {
	return fmt.Sprintf("an invitation by %s until %s", Fingerprint(t.Inviter), t.Expires.UTC().Format(time.RFC3339))
}

// Format keeps the secret out of every verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// MarshalText keeps the secret out of JSON and YAML.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
