package trust

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"baraza/clock"
)

const (
	joinFields            = 5
	answerFields          = 7
	refusalFields         = 2
	joinRequestBytesMax   = 32 << 10
	factsBytesMax         = 16 << 10
	whyBytesMax           = 4 << 10
	joinAnswerBytesMax    = 8 << 20
	ringKeyBytesMax       = 64
	settingsBytesMax      = 1 << 20
	joinConversationLimit = 2 * time.Minute
)

// Answer is what a new member gets from its inviter.
type Answer struct {
	Inviter clock.SiteID
	// Self is the joiner's own admission; it is in Admissions too.
	Self       Admission
	Admissions []Admission
	Expulsions []Expulsion
	Contacts   []Contact
	// RingKey encrypts membership traffic.
	RingKey []byte
	// Settings are what all sites share, in a form that this package does not
	// look into.
	Settings []byte
}

// Host is the inviter's side of joining. The fields are set before the first
// Serve and not changed.
type Host struct {
	Key     *Key
	Book    *Book
	Invites *Invites
	// RingKey and Settings return what the next joiner gets.
	RingKey  func() []byte
	Settings func() []byte
	// Admits tells with a *Misfit what of a joiner's facts does not fit the
	// network; nil for nothing. It may be nil itself.
	Admits func(name string, facts []byte) error
	Now    func() time.Time

	mu sync.Mutex // one admission at a time, so that names stay unique
}

// Serve reads one join request from a connection of ProtocolJoin and answers
// it. It returns the new member's admission, which the book has already, and the
// facts that the member told. The caller closes the connection.
func (h *Host) Serve(conn *tls.Conn) (Admission, []byte, error) {
	id, public, err := PeerOf(conn.ConnectionState())
	if err != nil {
		return Admission{}, nil, err
	}
	if err := conn.SetDeadline(h.deadline()); err != nil {
		return Admission{}, nil, fmt.Errorf("a join by %s: %w", conn.RemoteAddr(), err)
	}
	request, err := readJoin(conn)
	if err != nil && !errors.Is(err, RefusedMalformed) {
		return Admission{}, nil, fmt.Errorf("a join by %s: %w", conn.RemoteAddr(), err)
	}
	var a Admission
	if err == nil {
		a, err = h.admit(request, id, public)
	}
	if err != nil {
		_ = writeFrame(conn, refuse(err))
		return Admission{}, nil, fmt.Errorf("a join by %s as %q was refused: %w", conn.RemoteAddr(), request.name, err)
	}
	if err := writeFrame(conn, h.answer(a)); err != nil {
		return a, request.facts, fmt.Errorf("answering the join of %s: %w", a.Name, err)
	}
	return a, request.facts, nil
}

// refuse is the answer to a request that failed.
func refuse(err error) []byte {
	var misfit *Misfit
	w := newWriter()
	if errors.As(err, &misfit) {
		w.array(refusalFields)
		w.int(int64(RefusedFacts))
		w.text(misfit.Why)
		return w.done()
	}
	w.array(1)
	w.int(int64(asRefusal(err)))
	return w.done()
}

// deadline is by the machine's clock, as net wants it, not by the site's.
func (h *Host) deadline() time.Time { return time.Now().Add(HandshakeTimeout) }

// admit spends the invitation and signs the admission.
func (h *Host) admit(request joinRequest, id clock.SiteID, public ed25519.PublicKey) (Admission, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.Now()
	err := h.Invites.redeem(request.id, request.secret, id, now, func() error { return h.allow(request, id) })
	if err != nil {
		return Admission{}, err
	}
	if known, ok := h.Book.Admission(id); ok {
		if _, member := h.Book.Member(id); member && known.Name == request.name && slices.Equal(h.Book.Addresses(id), request.addresses) {
			return known, nil // it asks again because the answer got lost
		}
		now = later(now, known.Time)
	}
	now = later(now, h.Book.contactAt(id))
	now = later(now, h.Book.expelledAt(id))
	a, err := Admit(h.Key, public, request.name, request.addresses, now)
	if err != nil {
		return Admission{}, err
	}
	if _, err := h.Book.Add(a); err != nil {
		return Admission{}, err
	}
	return a, nil
}

// allow says what is wrong with a request of someone who has the secret.
func (h *Host) allow(request joinRequest, id clock.SiteID) error {
	if CheckName(request.name) != nil {
		return RefusedName
	}
	if checkAddresses(request.addresses) != nil {
		return RefusedMalformed
	}
	for _, m := range h.Book.Members() {
		if m.Name == request.name && m.Site != id {
			return RefusedName
		}
	}
	if h.Admits != nil {
		if err := h.Admits(request.name, request.facts); err != nil {
			return err
		}
	}
	for _, a := range h.Book.Chain(h.Key.ID()) {
		if a.Site == id {
			return fmt.Errorf("site %s stands above this one in the chain of admissions: invite it at another site, or let it join with an empty --data directory", Fingerprint(id))
		}
	}
	return nil
}

func later(now time.Time, than int64) time.Time {
	return time.UnixMilli(max(now.UnixMilli(), than+1))
}

func (h *Host) answer(a Admission) []byte {
	admissions, expulsions := h.Book.Records()
	w := newWriter()
	w.array(answerFields)
	w.int(0)
	w.site(a.Site)
	writeAdmissions(w, admissions)
	writeExpulsions(w, expulsions)
	writeContacts(w, h.Book.Contacts())
	w.bytes(h.RingKey())
	w.bytes(h.Settings())
	return w.done()
}

// Join asks the inviter of a token to admit the key, at each of the token's
// addresses until one answers. facts are what the inviter has to know of this
// site's database (Host.Admits), in a form that this package does not look into.
func Join(ctx context.Context, d Dialer, key *Key, token Token, name string, addresses []string, facts []byte) (*Answer, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := checkAddresses(addresses); err != nil {
		return nil, err
	}
	var last error
	for _, address := range token.Addresses {
		answer, err := joinAt(ctx, d, key, address, joinRequest{token.id, token.secret, name, addresses, facts}, token.Inviter)
		var refusal Refusal
		if err == nil || errors.As(err, &refusal) || ctx.Err() != nil {
			return answer, err
		}
		last = err
	}
	return nil, last
}

func joinAt(ctx context.Context, d Dialer, key *Key, address string, request joinRequest, inviter clock.SiteID) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, joinConversationLimit)
	defer cancel()
	raw, err := connect(ctx, d, address)
	if err != nil {
		return nil, fmt.Errorf("joining at %s: %w: is baraza running there, and may this machine connect?", address, err)
	}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := Client(ctx, raw, key, inviter, ProtocolJoin)
	if err != nil {
		return nil, fmt.Errorf("joining at %s: %w", address, err)
	}
	if err := writeJoin(conn, request); err != nil {
		return nil, fmt.Errorf("joining at %s: %w", address, err)
	}
	answer, err := readAnswer(conn, inviter, key)
	if err != nil {
		return nil, fmt.Errorf("joining at %s: %w", address, err)
	}
	return answer, nil
}

type joinRequest struct {
	id        [inviteIDBytes]byte
	secret    [secretBytes]byte
	name      string
	addresses []string
	facts     []byte
}

func writeJoin(conn net.Conn, q joinRequest) error {
	w := newWriter()
	w.array(joinFields)
	w.bytes(q.id[:])
	w.bytes(q.secret[:])
	w.text(q.name)
	w.texts(q.addresses)
	w.bytes(q.facts)
	return writeFrame(conn, w.done())
}

// readJoin returns RefusedMalformed for a request that is not understood.
func readJoin(conn net.Conn) (joinRequest, error) {
	frame, err := readFrame(conn, joinRequestBytesMax)
	if errors.Is(err, errFrameTooLong) {
		return joinRequest{}, RefusedMalformed
	}
	if err != nil {
		return joinRequest{}, fmt.Errorf("reading the request: %w", err)
	}
	r := newReader(frame)
	r.exactly(joinFields)
	q := joinRequest{
		id: [inviteIDBytes]byte(r.fixed(inviteIDBytes)), secret: [secretBytes]byte(r.fixed(secretBytes)),
		name: r.text(nameBytesMax), addresses: r.addresses(), facts: r.bytes(factsBytesMax),
	}
	if r.done("the request") != nil {
		return joinRequest{}, RefusedMalformed
	}
	return q, nil
}

// readAnswer reads the inviter's answer and checks that it admits this key.
func readAnswer(conn net.Conn, inviter clock.SiteID, key *Key) (*Answer, error) {
	frame, err := readFrame(conn, joinAnswerBytesMax)
	if err != nil {
		return nil, fmt.Errorf("reading the inviter's answer: %w", err)
	}
	r := newReader(frame)
	n := r.array(answerFields)
	if code := r.int(); code != 0 && r.err == nil {
		if n == refusalFields {
			if why := r.text(whyBytesMax); r.err == nil {
				return nil, &Misfit{why}
			}
		}
		return nil, Refusal(code)
	}
	if n != answerFields {
		r.fail()
	}
	self := r.site()
	answer := &Answer{
		Inviter: inviter, Admissions: readAdmissions(r, MembersMax), Expulsions: readExpulsions(r, MembersMax),
		Contacts: readContacts(r, MembersMax),
		RingKey:  r.bytes(ringKeyBytesMax), Settings: r.bytes(settingsBytesMax),
	}
	if err := r.done("the inviter's answer"); err != nil {
		return nil, err
	}
	for _, a := range answer.Admissions {
		if a.Site == self && self == key.ID() {
			answer.Self = a
			return answer, nil
		}
	}
	return nil, errors.New("the inviter's answer does not admit this site: make a new invitation")
}
