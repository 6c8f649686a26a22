package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// invited makes a member that listens, and a token of it.
func invited(t *testing.T, now func() time.Time) (*site, *Host, Token) {
	t.Helper()
	f := founder(t, "f")
	p := f.admit(t, "p", t0)
	h := p.newHost(now)
	address := p.host(t, h)
	token, err := h.Invites.New(p.key.ID(), []string{address}, time.Hour, t0)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseToken(token.Text() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return p, h, parsed
}

func (s *site) join(token Token, name string) (*Answer, error) {
	return Join(context.Background(), tcp{}, s.key, token, name, []string{"10.0.0.9:7946"}, []byte("facts"))
}

func TestJoin(t *testing.T) {
	p, _, token := invited(t, at(t0))
	n := newSite(t, "n")
	answer, err := n.join(token, "n")
	if err != nil {
		t.Fatal(err)
	}
	if string(answer.RingKey) != "0123456789abcdef" || string(answer.Settings) != "settings" {
		t.Errorf("ring key %q, settings %q", answer.RingKey, answer.Settings)
	}
	if answer.Self.Site != n.key.ID() || answer.Self.By != p.key.ID() || answer.Self.Name != "n" || len(answer.Admissions) != 3 {
		t.Fatalf("answer %+v", answer)
	}
	if err := n.book.Install(answer.Inviter, answer.Admissions, answer.Expulsions); err != nil {
		t.Fatal(err)
	}
	// And the new member is let in.
	got, err := greeted(Dial(context.Background(), tcp{}, n.key, n.book, token.Addresses[0], p.key.ID(), ProtocolSession))
	if got != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestJoinTriesEveryAddress(t *testing.T) {
	_, _, token := invited(t, at(t0))
	token.Addresses = []string{"127.0.0.1:1", token.Addresses[0]}
	if _, err := newSite(t, "n").join(token, "n"); err != nil {
		t.Fatal(err)
	}
}

func TestTokenIsForOne(t *testing.T) {
	p, _, token := invited(t, at(t0))
	const joiners = 8
	var wg sync.WaitGroup
	errs := make([]error, joiners)
	sites := make([]*site, joiners)
	for i := range joiners {
		sites[i] = newSite(t, "n")
		wg.Go(func() { _, errs[i] = sites[i].join(token, fmt.Sprintf("n%d", i)) })
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case err == nil:
			t.Error("two sites joined with one token")
		case !errors.Is(err, RefusedUsed):
			t.Errorf("joiner %d: %v", i, err)
		}
	}
	if won < 0 || len(p.book.Members()) != 3 {
		t.Fatalf("winner %d, %d members", won, len(p.book.Members()))
	}
	// The one that used it may ask again: the line may have cut the answer.
	answer, err := sites[won].join(token, fmt.Sprintf("n%d", won))
	if err != nil || answer.Self.Site != sites[won].key.ID() {
		t.Errorf("asking again: %v", err)
	}
	if len(p.book.Members()) != 3 {
		t.Error("asking again admitted again")
	}
}

func TestTokenUseIsDurable(t *testing.T) {
	p, h, token := invited(t, at(t0))
	if _, err := newSite(t, "n").join(token, "n"); err != nil {
		t.Fatal(err)
	}
	h.Invites = NewInvites(p.store, []byte("invite/")) // a restart
	_, err := newSite(t, "m").join(token, "m")
	if !errors.Is(err, RefusedUsed) {
		t.Fatal(err)
	}
}

func TestRefusedTokens(t *testing.T) {
	var mu sync.Mutex
	now := t0
	p, _, token := invited(t, func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	n := newSite(t, "n")

	wrong := token
	wrong.secret[5] ^= 1
	_, err := n.join(wrong, "n")
	if !errors.Is(err, RefusedUnknown) {
		t.Errorf("wrong secret: %v", err)
	}
	unknown := token
	unknown.id[5] ^= 1
	_, err = n.join(unknown, "n")
	if !errors.Is(err, RefusedUnknown) {
		t.Errorf("unknown id: %v", err)
	}
	_, err = n.join(token, "p")
	if !errors.Is(err, RefusedName) {
		t.Errorf("a name that is taken: %v", err)
	}
	mu.Lock()
	now = t0.Add(time.Hour)
	mu.Unlock()
	_, err = n.join(token, "n")
	if !errors.Is(err, RefusedExpired) {
		t.Errorf("expired: %v", err)
	}
	if len(p.book.Members()) != 2 {
		t.Error("someone got in")
	}
	mu.Lock()
	now = t0
	mu.Unlock()
	// None of the refusals spent the token, and a joiner's clock does not matter.
	if _, err := n.join(token, "n"); err != nil {
		t.Errorf("the good one: %v", err)
	}
	seen := map[string]bool{}
	for r := RefusedUnknown; r <= RefusedCannot+1; r++ {
		if text := r.Error(); seen[text] || strings.Contains(text, "\n") {
			t.Errorf("refusal %d: %q", r, text)
		} else {
			seen[text] = true
		}
	}
}

func TestMalformedTokens(t *testing.T) {
	_, _, token := invited(t, at(t0))
	text := token.Text()
	_, err := ParseToken("hello")
	refused(t, err, "no invitation token")
	_, err = ParseToken("")
	refused(t, err, "no invitation token")
	for _, bad := range []string{text[:len(text)-1], text + "A", text[:20] + "_" + text[21:], "baraza1.", "baraza1.!!!!", tokenPrefix + strings.Repeat("A", 9000)} {
		if bad == text {
			continue
		}
		_, err := ParseToken(bad)
		refused(t, err, "damaged")
		if len(bad) > 20 && strings.Contains(err.Error(), bad[10:]) {
			t.Error("the error repeats the token")
		}
	}
}

// An attacker who knows the address and the protocol gets a refusal that is
// the same whatever it guesses, and nothing else.
func TestAttackerWithoutInvitation(t *testing.T) {
	p, h, token := invited(t, at(t0))
	attacker := newSite(t, "attacker")
	for name, frame := range map[string][]byte{
		"garbage":  []byte("let me in"),
		"empty":    {},
		"a lie":    {0xdd, 0xff, 0xff, 0xff, 0xff},
		"too long": make([]byte, joinRequestBytesMax+1),
	} {
		config, err := attacker.key.ClientTLS(p.key.ID(), ProtocolJoin)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dialTLS(t, token.Addresses[0], config)
		if err != nil {
			t.Fatal(err)
		}
		_ = writeFrame(conn, frame)
		_, err = readAnswer(conn, p.key.ID(), attacker.key)
		if !errors.Is(err, RefusedMalformed) && !errors.Is(err, io.EOF) && !strings.Contains(fmt.Sprint(err), "reset") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, guess := range []Token{{}, {id: token.id}, {secret: token.secret}} {
		guess.Addresses, guess.Inviter = token.Addresses, token.Inviter
		if _, err := attacker.join(guess, "attacker"); !errors.Is(err, RefusedUnknown) {
			t.Errorf("a guess: %v", err)
		}
	}
	if len(p.book.Members()) != 2 {
		t.Error("the attacker got in")
	}
	// A token whose inviter is an impostor tells the impostor no secret.
	fake := newSite(t, "fake")
	fakeHost := &Host{Key: fake.key, Book: fake.book, Invites: h.Invites, RingKey: h.RingKey, Settings: h.Settings, Now: h.Now}
	lured := token
	lured.Addresses = []string{fake.host(t, fakeHost)}
	_, err := newSite(t, "n").join(lured, "n")
	refused(t, err, "the site there is")
}

func TestStoreHoldsNoSecret(t *testing.T) {
	p, _, token := invited(t, at(t0))
	err := p.store.Scan(nil, nil, func(k, v []byte) bool {
		if strings.Contains(string(v), string(token.secret[:])) || strings.Contains(string(k), string(token.secret[:])) {
			t.Error("the store holds the token's secret")
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInvitesAreBounded(t *testing.T) {
	p := founder(t, "p")
	v := NewInvites(p.store, []byte("invite/"))
	for range InvitesMax {
		if _, err := v.New(p.key.ID(), []string{"h:1"}, time.Hour, t0); err != nil {
			t.Fatal(err)
		}
	}
	_, err := v.New(p.key.ID(), []string{"h:1"}, time.Hour, t0)
	refused(t, err, "the most there may be")
	if _, err := v.New(p.key.ID(), []string{"h:1"}, time.Hour, t0.Add(time.Hour+inviteKept+time.Second)); err != nil {
		t.Errorf("long after they expired: %v", err)
	}
	for _, ttl := range []time.Duration{0, -1, InviteTTLMax + 1} {
		_, err := v.New(p.key.ID(), []string{"h:1"}, ttl, t0)
		refused(t, err, "--ttl")
	}
	_, err = v.New(p.key.ID(), nil, time.Hour, t0)
	refused(t, err, "advertise")
}

func TestRejoinAfterRemoval(t *testing.T) {
	p, h, token := invited(t, at(t0))
	n := newSite(t, "n")
	if _, err := n.join(token, "n"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.book.Expel(p.key, n.key.ID(), t0.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	fresh, err := h.Invites.New(p.key.ID(), token.Addresses, time.Hour, t0)
	if err != nil {
		t.Fatal(err)
	}
	// The inviter's clock went back behind the removal; the site is in all the same.
	if _, err := n.join(fresh, "n"); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.book.Member(n.key.ID()); !ok {
		t.Error("invited again, and not a member")
	}
	// The founder stands above p: p cannot admit it anew.
	third, err := h.Invites.New(p.key.ID(), token.Addresses, time.Hour, t0)
	if err != nil {
		t.Fatal(err)
	}
	founderID := p.book.Chain(p.key.ID())[1].Site
	if err := h.allow(joinRequest{name: "f2", id: third.id}, founderID); err == nil || !strings.Contains(err.Error(), "stands above") {
		t.Errorf("a ring: %v", err)
	}
}
