package trust

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"baraza/clock"
)

// A sealed file is read by one site and says which site wrote it. It begins
// with a line that names the format; the rest is an age file for the reader's
// key. In it are a header and chunks, each a frame with a signature of the
// writer's key after it. A chunk's signature covers the header, the chunk's
// number and whether it is the last: so no chunk can be left out, moved, or put
// into another file, and what has come is known to be good before all of it has.
const (
	sealedLine    = "baraza bundle 1\n"
	headerHeading = "baraza bundle header 1\n"
	chunkHeading  = "baraza bundle chunk 1\n"
	headerFields  = 4
	// sealedChunkBytes is what one signature covers.
	sealedChunkBytes = 256 << 10
	chunkMore        = 0
	chunkLast        = 1
)

// Sealed is who wrote a sealed file, for whom, and which of its files it is: a
// later one has a greater number.
type Sealed struct {
	From, To clock.SiteID
	Number   uint64
	// Chain shows that From is a member, to who has never heard of it.
	Chain []Admission
}

func (h *Sealed) marshal() []byte {
	w := newWriter()
	w.array(headerFields)
	w.site(h.From)
	w.site(h.To)
	w.do(w.enc.EncodeUint(h.Number))
	writeAdmissions(w, h.Chain)
	return w.done()
}

func unmarshalSealed(b []byte) (h Sealed, err error) {
	r := newReader(b)
	r.exactly(headerFields)
	h.From, h.To = r.site(), r.site()
	if r.err == nil {
		h.Number, r.err = r.dec.DecodeUint64()
	}
	h.Chain = readAdmissions(r, ChainMax)
	return h, r.done("the header of a bundle")
}

// sealer writes the chunks of a sealed file.
type sealer struct {
	key    *Key
	out    io.WriteCloser
	head   [sha256.Size]byte
	number uint64
	buf    []byte
}

// Seal begins a sealed file of the key's site for the site whose public key is
// given. What is written to it is whole when Close has returned nil.
func Seal(w io.Writer, key *Key, to ed25519.PublicKey, number uint64, chain []Admission) (io.WriteCloser, error) {
	h := Sealed{From: key.ID(), To: IDOf(to), Number: number, Chain: chain}
	return sealWith(w, key, to, h.marshal())
}

func sealWith(w io.Writer, key *Key, to ed25519.PublicKey, header []byte) (io.WriteCloser, error) {
	recipient, err := sealedFor(to)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, sealedLine); err != nil {
		return nil, err
	}
	out, err := age.Encrypt(w, recipient)
	if err != nil {
		return nil, fmt.Errorf("encrypting the bundle: %w", err)
	}
	if err := writeFrame(out, header); err != nil {
		return nil, err
	}
	s := &sealer{key: key, out: out, head: sha256.Sum256(header)}
	_, err = out.Write(key.sign(headerSigned(header)))
	return s, err
}

// headerSigned is what the signature of the header is of.
func headerSigned(header []byte) []byte { return append([]byte(headerHeading), header...) }

func sealedFor(public ed25519.PublicKey) (age.Recipient, error) {
	if len(public) != ed25519.PublicKeySize {
		return nil, errors.New("encrypting a bundle: the reader's key is not an Ed25519 key")
	}
	pk, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encrypting the bundle: %w", err)
	}
	r, err := agessh.NewEd25519Recipient(pk)
	if err != nil {
		return nil, fmt.Errorf("encrypting the bundle: %w", err)
	}
	return r, nil
}

func (s *sealer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(s.buf) == sealedChunkBytes {
			if err := s.chunk(chunkMore); err != nil {
				return n, err
			}
		}
		part := p[:min(len(p), sealedChunkBytes-len(s.buf))]
		s.buf = append(s.buf, part...)
		n, p = n+len(part), p[len(part):]
	}
	return n, nil
}

func (s *sealer) chunk(flag byte) error {
	b := append([]byte{flag}, s.buf...)
	if err := writeFrame(s.out, b); err != nil {
		return err
	}
	_, err := s.out.Write(s.key.sign(chunkSigned(s.head, s.number, b)))
	s.number, s.buf = s.number+1, s.buf[:0]
	return err
}

// Close writes the last chunk. The file below it is left open.
func (s *sealer) Close() error {
	if err := s.chunk(chunkLast); err != nil {
		return err
	}
	return s.out.Close()
}

// chunkSigned is what the signature of a chunk is of.
func chunkSigned(head [sha256.Size]byte, number uint64, chunk []byte) []byte {
	sum := sha256.Sum256(chunk)
	b := append([]byte(chunkHeading), head[:]...)
	b = binary.BigEndian.AppendUint64(b, number)
	return append(b, sum[:]...)
}

// Why a sealed file is refused.
var (
	errNotSealed = errors.New("this is not a bundle of baraza's, or one of a newer version: give a file that baraza export wrote")
	errDamaged   = errors.New("the bundle is damaged, cut short or altered: copy it again, or export again")
)

// Unsealed is a sealed file that is being read. Whatever Read gives was
// verified, and io.EOF comes only after the last chunk.
type Unsealed struct {
	Sealed
	// Fresh are admissions that were new here, for passing on.
	Fresh []Admission

	in     io.Reader
	writer ed25519.PublicKey
	head   [sha256.Size]byte
	number uint64
	buf    []byte
	last   bool
	err    error
}

// Unseal opens a sealed file for the site of the key, and decides whether its
// writer is a member.
func Unseal(r io.Reader, key *Key, book *Book) (*Unsealed, error) {
	in := bufio.NewReader(r)
	line := make([]byte, len(sealedLine))
	if _, err := io.ReadFull(in, line); err != nil || string(line) != sealedLine {
		return nil, errNotSealed
	}
	identity, err := agessh.NewEd25519Identity(key.private)
	if err != nil {
		return nil, errors.New("this site's key cannot open a bundle") // the error could quote the key
	}
	plain, err := age.Decrypt(in, identity)
	var other *age.NoIdentityMatchError
	switch {
	case errors.As(err, &other):
		return nil, errors.New("the bundle is for another site: carry it there, or export one for this site")
	case err != nil:
		return nil, errDamaged
	}
	u := &Unsealed{in: plain}
	header, err := readFrame(plain, introductionBytesMax)
	if err != nil {
		return nil, errDamaged
	}
	signature := make([]byte, signatureBytes)
	if _, err := io.ReadFull(plain, signature); err != nil {
		return nil, errDamaged
	}
	if u.Sealed, err = unmarshalSealed(header); err != nil {
		return nil, errDamaged
	}
	u.head = sha256.Sum256(header)
	return u, u.admit(key, book, header, signature)
}

// admit decides whether the header is by a member and for this site.
func (u *Unsealed) admit(key *Key, book *Book, header, signature []byte) (err error) {
	var known bool
	if u.writer, known = book.Member(u.From); !known {
		if len(u.Chain) > 0 && u.Chain[0].Site != u.From {
			return errDamaged
		}
		if u.Fresh, err = book.Add(u.Chain...); err != nil {
			return fmt.Errorf("the bundle is by site %s: %w", Fingerprint(u.From), err)
		}
		if u.writer, known = book.Member(u.From); !known {
			return fmt.Errorf("the bundle is by site %s, which is not a member here", Fingerprint(u.From))
		}
	}
	switch {
	case !ed25519.Verify(u.writer, headerSigned(header), signature):
		return fmt.Errorf("the bundle does not carry the signature of site %s: it is forged", Fingerprint(u.From))
	case u.To != key.ID():
		return fmt.Errorf("the bundle was written for site %s and passed on: export one for this site", Fingerprint(u.To))
	}
	return nil
}

func (u *Unsealed) Read(p []byte) (int, error) {
	for len(u.buf) == 0 && u.err == nil {
		u.err = u.chunk()
	}
	if len(u.buf) > 0 {
		n := copy(p, u.buf)
		u.buf = u.buf[n:]
		return n, nil
	}
	return 0, u.err
}

// chunk reads and verifies the next chunk.
func (u *Unsealed) chunk() error {
	if u.last {
		var one [1]byte
		if n, err := io.ReadFull(u.in, one[:]); n > 0 || !errors.Is(err, io.EOF) {
			return errDamaged // something after the end
		}
		return io.EOF
	}
	b, err := readFrame(u.in, 1+sealedChunkBytes)
	if err != nil {
		return errDamaged
	}
	signature := make([]byte, signatureBytes)
	if _, err := io.ReadFull(u.in, signature); err != nil {
		return errDamaged
	}
	if len(b) == 0 || !ed25519.Verify(u.writer, chunkSigned(u.head, u.number, b), signature) {
		return errDamaged
	}
	u.number++
	u.last = b[0] == chunkLast
	u.buf = b[1:]
	return nil
}
