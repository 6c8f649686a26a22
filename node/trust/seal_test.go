package trust

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// sealed returns a sealed file of data.
func sealed(t *testing.T, from *site, to ed25519.PublicKey, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := Seal(&out, from.key, to, 7, from.book.Chain(from.key.ID()))
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 { // in pieces that fit no chunk
		n := min(len(data), 70_001)
		if _, err := w.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (s *site) unseal(file []byte) (*Unsealed, []byte, error) {
	u, err := Unseal(bytes.NewReader(file), s.key, s.book)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(u)
	return u, data, err
}

func someBytes(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

func TestSealedRoundTrip(t *testing.T) {
	a := founder(t, "a")
	b := a.admit(t, "b", t0)
	for _, n := range []int{0, 1, sealedChunkBytes - 1, sealedChunkBytes, sealedChunkBytes + 1, 3*sealedChunkBytes + 17} {
		data := someBytes(n)
		file := sealed(t, a, b.key.Public(), data)
		u, got, err := b.unseal(file)
		if err != nil || !bytes.Equal(got, data) || u.From != a.key.ID() || u.To != b.key.ID() || u.Number != 7 || len(u.Fresh) > 0 {
			t.Fatalf("%d bytes: %d back, %+v, %v", n, len(got), u, err)
		}
		if extra := len(file) - n; extra > 2048+n/100 {
			t.Errorf("%d bytes became %d", n, len(file))
		}
	}
}

// Every cut and every changed bit is noticed, and nothing that was not verified
// is given.
func TestSealedDamage(t *testing.T) {
	a := founder(t, "a")
	b := a.admit(t, "b", t0)
	data := someBytes(sealedChunkBytes + 1000)
	file := sealed(t, a, b.key.Public(), data)
	refused := func(what string, at int, file []byte) {
		t.Helper()
		_, got, err := b.unseal(file)
		if err == nil || !errors.Is(err, errDamaged) && !errors.Is(err, errNotSealed) && !strings.Contains(err.Error(), "another site") {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
		if !bytes.HasPrefix(data, got) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("%s at %d: %d bytes that are not those, %v", what, at, len(got), err)
		}
	}
	step := func(i int) int {
		if i < 700 || i > len(file)-700 {
			return 13
		}
		return 9973
	}
	for i := 0; i < len(file); i += step(i) {
		refused("cut", i, file[:i])
		altered := bytes.Clone(file)
		altered[i] ^= 0x10
		refused("changed", i, altered)
	}
	refused("longer", len(file), append(bytes.Clone(file), 'x'))
}

// Encryption to a key proves nothing of the writer: whoever knows the reader's
// key can make an age file for it.
func TestSealedByWhom(t *testing.T) {
	a := founder(t, "a")
	b, c := a.admit(t, "b", t0), a.admit(t, "c", t0)
	says := func(s *site, file []byte, want string) {
		t.Helper()
		if _, _, err := s.unseal(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	says(c, sealed(t, a, b.key.Public(), nil), "for another site")
	stranger := founder(t, "stranger")
	says(b, sealed(t, stranger, b.key.Public(), nil), "was not admitted by anyone")

	// c is not known at b yet, and shows its chain.
	u, _, err := b.unseal(sealed(t, c, b.key.Public(), []byte("x")))
	if err != nil || len(u.Fresh) != 1 || u.Fresh[0].Site != c.key.ID() {
		t.Fatalf("a member that is not known yet: %+v, %v", u, err)
	}
	if _, _, err := b.book.Expel(b.key, c.key.ID(), t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	says(b, sealed(t, c, b.key.Public(), nil), "was removed from the network")

	// A header that names another writer, and a bundle that its reader passes on
	// under the writer's name.
	for _, h := range []Sealed{
		{From: a.key.ID(), To: b.key.ID(), Number: 1},
		{From: stranger.key.ID(), To: b.key.ID(), Number: 1, Chain: a.book.Chain(a.key.ID())},
	} {
		says(b, forged(t, stranger.key, b.key.Public(), h), map[bool]string{true: "forged", false: "damaged"}[h.From == a.key.ID()])
	}
	says(b, forged(t, a.key, b.key.Public(), Sealed{From: a.key.ID(), To: c.key.ID()}), "passed on")

	// A header of a's with chunks by someone else. Seen to fail when chunk does
	// not look at the signature.
	var out bytes.Buffer
	w, err := Seal(&out, a.key, b.key.Public(), 9, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.(*sealer).key = stranger.key
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	says(b, out.Bytes(), "damaged")
	whole := forged(t, a.key, b.key.Public(), Sealed{From: a.key.ID(), To: b.key.ID()})
	if _, _, err := b.unseal(whole); err != nil {
		t.Error(err)
	}
}

// The file ends with the chunk that says so, even where the age file below is
// whole: a writer that stopped half-way wrote no bundle.
//
// Seen to fail when what follows the last chunk is not looked at.
func TestSealedWithoutEnd(t *testing.T) {
	a := founder(t, "a")
	b := a.admit(t, "b", t0)
	for _, more := range []bool{false, true} {
		var out bytes.Buffer
		w, err := Seal(&out, a.key, b.key.Public(), 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := w.(*sealer)
		if more {
			err = s.chunk(chunkLast) // and another after it
		}
		if err = errors.Join(err, s.chunk(chunkMore), s.out.Close()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.unseal(out.Bytes()); !errors.Is(err, errDamaged) {
			t.Errorf("more after the end %v: %v", more, err)
		}
	}
}

// forged is a bundle with a header of one's choice.
func forged(t *testing.T, key *Key, to ed25519.PublicKey, h Sealed) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := sealWith(&out, key, to, h.marshal())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The name of a sealed file's reader and writer, and its number, are not to be
// seen.
func TestSealedTellsNothing(t *testing.T) {
	a := founder(t, "Achieng's clinic")
	b := a.admit(t, "b", t0)
	file := string(sealed(t, a, b.key.Public(), []byte("hello, hello")))
	aID, bID := a.key.ID(), b.key.ID()
	for _, s := range []string{"Achieng", "hello", string(aID[:]), string(bID[:]), string(a.key.Public())} {
		if strings.Contains(file, s) {
			t.Errorf("the file shows %q", s)
		}
	}
}
