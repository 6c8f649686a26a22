package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"baraza/clock"
)

// KeyFile is the name of the key's file in a site's data directory.
const KeyFile = "site.key"

const (
	keyFileBytesMax = 4096
	keyBlockType    = "PRIVATE KEY"
)

// Key is a site's private key. It prints as its fingerprint, never as itself.
type Key struct {
	id      clock.SiteID
	private ed25519.PrivateKey
}

// IDOf returns the site id of a public key.
func IDOf(public ed25519.PublicKey) clock.SiteID {
	sum := sha256.Sum256(public)
	return clock.SiteID(sum[:16])
}

// Fingerprint returns a site id as people compare it: eight groups of four
// hexadecimal digits.
func Fingerprint(id clock.SiteID) string {
	s := id.String()
	groups := make([]string, 0, len(s)/4)
	for ; len(s) >= 4; s = s[4:] {
		groups = append(groups, s[:4])
	}
	return strings.Join(groups, "-")
}

// NewKey makes a key.
func NewKey() (*Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the site key: %w", err)
	}
	return &Key{id: IDOf(public), private: private}, nil
}

// CreateKey makes a key and stores it in DIR/site.key, readable by the owner
// only. A key that is there already is never replaced.
func CreateKey(dir string) (*Key, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return nil, fmt.Errorf("encoding the site key: %w", err)
	}
	path := filepath.Join(dir, KeyFile)
	text := pem.EncodeToMemory(&pem.Block{Type: keyBlockType, Bytes: der})
	if err := createPrivate(path, text); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s: a site key is here already: use another --data directory", path)
		}
		return nil, fmt.Errorf("storing the site key: %w", err)
	}
	return key, nil
}

// createPrivate writes a new file that only the owner can read, and returns
// when it would survive a crash of the machine.
func createPrivate(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = d.Sync()
	_ = d.Close()
	return err
}

// LoadKey reads DIR/site.key. It refuses a key that others can read.
func LoadKey(dir string) (*Key, error) {
	path := filepath.Join(dir, KeyFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no site key here: run baraza init or baraza join first", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the site key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: others can read the site key (mode %04o): run chmod 600 %s", path, mode, path)
	}
	if info.Size() > keyFileBytesMax {
		return nil, errBadKeyFile(path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the site key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlockType {
		return nil, errBadKeyFile(path)
	}
	// The parser's own error could quote the key; it is not passed on.
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errBadKeyFile(path)
	}
	return &Key{id: IDOf(private.Public().(ed25519.PublicKey)), private: private}, nil
}

func errBadKeyFile(path string) error {
	return fmt.Errorf("%s: this is not an Ed25519 site key: restore the file from a backup, or join again with an empty --data directory", path)
}

// ID returns the id of the site that holds the key.
func (k *Key) ID() clock.SiteID { return k.id }

// Public returns the public key.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// String returns the fingerprint.
func (k *Key) String() string { return Fingerprint(k.id) }

// GoString keeps the key out of %#v.
func (k *Key) GoString() string { return "trust.Key(" + k.String() + ")" }

// Format keeps the key out of every other verb, whoever prints a struct that
// holds one.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.GoString())) }

// MarshalText keeps the key out of JSON and YAML.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func (k *Key) sign(message []byte) []byte { return ed25519.Sign(k.private, message) }
