package trust

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyFileRoundTrip(t *testing.T) {
	dir := t.TempDir()
	made, err := CreateKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, err %v, want 0600", info.Mode(), err)
	}
	loaded, err := LoadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.ID() != made.ID() || !loaded.Public().Equal(made.Public()) {
		t.Fatal("another key came back")
	}
	sum := sha256.Sum256(made.Public())
	if got, want := made.ID().String(), hex.EncodeToString(sum[:16]); got != want {
		t.Fatalf("site id %s, want the first 16 bytes of SHA-256: %s", got, want)
	}
	if got := strings.ReplaceAll(Fingerprint(made.ID()), "-", ""); got != made.ID().String() || len(Fingerprint(made.ID())) != 39 {
		t.Fatalf("fingerprint %s of %s", Fingerprint(made.ID()), made.ID())
	}
}

func TestKeyIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	made, err := CreateKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateKey(dir); err == nil || !strings.Contains(err.Error(), "already") {
		t.Fatalf("second CreateKey: %v", err)
	}
	if loaded, err := LoadKey(dir); err != nil || loaded.ID() != made.ID() {
		t.Fatalf("the first key is gone: %v", err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"no site key":    os.Remove,
		"others can":     func(p string) error { return os.Chmod(p, 0o640) },
		"not an Ed25519": func(p string) error { return os.WriteFile(p, []byte("hello"), 0o600) },
		"this is not":    func(p string) error { return os.WriteFile(p, make([]byte, 5000), 0o600) },
	} {
		dir := t.TempDir()
		if _, err := CreateKey(dir); err != nil {
			t.Fatal(err)
		}
		if err := spoil(filepath.Join(dir, KeyFile)); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKey(dir)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever prints a struct that holds a key or a token must not print a secret.
func TestSecretsDoNotPrint(t *testing.T) {
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	token, err := newToken(key.ID(), []string{"host:1"}, t0)
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		K *Key
		T Token
		P *Token
	}{key, token, &token}
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{key.private.Seed(), token.secret[:], token.id[:]}
	out := []string{string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		out = append(out, fmt.Sprintf(verb, holder), fmt.Sprintf(verb, key), fmt.Sprintf(verb, token))
	}
	for _, text := range out {
		for _, s := range secrets {
			for _, form := range []string{hex.EncodeToString(s), strings.ToUpper(hex.EncodeToString(s)), base64.StdEncoding.EncodeToString(s), strings.Trim(fmt.Sprintf("%d", s), "[]"), string(s)} {
				if strings.Contains(text, form) {
					t.Fatalf("a secret is in %q", text)
				}
			}
		}
	}
}
