package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"baraza/clock"
	"baraza/gossip"
)

// pack writes a bundle of a for b, which is known to have base.
func pack(t *testing.T, a, b *site, o PackOptions) ([]byte, Packed) {
	t.Helper()
	var out bytes.Buffer
	p, err := a.hub.Pack(context.Background(), &out, b.id, o)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), p
}

func (s *site) unpack(file io.Reader, from *site) (Unpacked, error) {
	return s.hub.Unpack(context.Background(), file, from.id, func(h gossip.Hello) error {
		return s.hub.Carried(from.id, h.Vector)
	})
}

func (s *site) takes(t *testing.T, file []byte, from *site) Unpacked {
	t.Helper()
	u, err := s.unpack(bytes.NewReader(file), from)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestBundleThereAndBack(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	a.write(500, 3000)
	a.log.write(siteID(3), 10, 50)
	a.log.write(b.id, 5, 50) // its own, which it would not take
	a.hub.Notify()
	first, p := pack(t, a, b, PackOptions{})
	if p.Entries != 510 || p.Left != 0 {
		t.Errorf("packed %+v", p)
	}
	a.write(20, 100)
	second, _ := pack(t, a, b, PackOptions{})
	// Late, twice, in the wrong order.
	if u := b.takes(t, second, a); u.New != 530 || u.Entries != 530 || len(u.Missing) > 0 {
		t.Errorf("the second bundle: %+v", u)
	}
	for range 2 {
		if u := b.takes(t, first, a); u.New != 0 || u.Entries != 510 {
			t.Errorf("the first bundle: %+v", u)
		}
	}
	if b.log.count(a.id) != 520 || b.log.count(siteID(3)) != 10 || b.log.count(b.id) != 0 {
		t.Errorf("stored %d and %d", b.log.count(a.id), b.log.count(siteID(3)))
	}
	// The reply says what b has, so the next one has nothing of it.
	reply, _ := pack(t, b, a, PackOptions{Bare: true})
	if u := a.takes(t, reply, b); u.Entries != 0 || u.Vector.Seq(a.id) != 520 {
		t.Errorf("the reply: %+v", u)
	}
	a.write(1, 10)
	if _, p := pack(t, a, b, PackOptions{Base: a.hub.Known(b.id)}); p.Entries != 1 {
		t.Errorf("after the reply: %+v", p)
	}
}

func TestBundleInParts(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	a.write(300, 10_000) // of zeros: they hardly take room, but might
	const most = 1_000_000
	for i := 0; b.log.count(a.id) < 300; i++ {
		file, p := pack(t, a, b, PackOptions{Base: b.log.Vector(), MaxBytes: most})
		if p.Entries == 0 || len(file) > most || i > 20 {
			t.Fatalf("part %d: %d bytes, %+v", i, len(file), p)
		}
		b.takes(t, file, a)
	}
}

func TestBundleThatDoesNotJoin(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	a.write(30, 10)
	base := clock.VersionVector{{Site: a.id, Seq: 20}}
	file, _ := pack(t, a, b, PackOptions{Base: base})
	u := b.takes(t, file, a)
	if len(u.Missing) != 1 || !u.Missing[0].Gap() || u.Missing[0].First != 21 || u.New != 0 {
		t.Errorf("a gap: %+v", u)
	}
	full, _ := pack(t, a, b, PackOptions{})
	b.log.mu.Lock()
	b.log.fail = func(clock.SiteID) error { return errors.New("disk full") }
	b.log.mu.Unlock()
	u = b.takes(t, full, a)
	if len(u.Missing) != 1 || u.Missing[0].Gap() || u.New != 0 {
		t.Errorf("not stored: %+v", u)
	}
}

func TestBundleOfNonsense(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	a.write(30, 10)
	file, _ := pack(t, a, b, PackOptions{})
	for name, c := range map[string]struct {
		file []byte
		from *site
		want string
	}{
		"another writer": {file, newSite(t, 4, nil), "in the bundle of"},
		"no zstd":        {[]byte("nonsense"), a, "magic"},
		"cut":            {file[:len(file)-5], a, "EOF"},
		"empty":          {nil, a, "EOF"},
	} {
		if _, err := b.unpack(bytes.NewReader(c.file), c.from); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.log.count(a.id) != 0 && b.log.count(a.id) != 30 {
		t.Errorf("stored %d", b.log.count(a.id))
	}
}

// Reading a bundle stops when the site does, also while it waits for the disk.
func TestBundleAndClose(t *testing.T) {
	a := newSite(t, 1, nil)
	a.write(1000, 10_000)
	b := newSite(t, 2, nil)
	file, _ := pack(t, a, b, PackOptions{})
	stuck, freed := make(chan struct{}), make(chan struct{})
	b.log.mu.Lock()
	b.log.fail = func(clock.SiteID) error { close(stuck); <-freed; return errors.New("gone") }
	b.log.mu.Unlock()
	failed := make(chan error)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, err := b.hub.Unpack(ctx, bytes.NewReader(file), a.id, func(gossip.Hello) error { return nil })
		failed <- err
	}()
	<-stuck
	stop()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(freed)
}

// A bundle of any size takes the memory of some messages.
//
// Seen to fail when Unpack does not wait for what it handed over to be stored.
func TestBundleMemory(t *testing.T) {
	a, b := newSite(t, 1, nil), newSite(t, 2, nil)
	a.write(4000, 20_000)
	file, _ := pack(t, a, b, PackOptions{})
	most := 0
	b.log.mu.Lock()
	b.log.fail = func(clock.SiteID) error {
		b.hub.storer.mu.Lock()
		defer b.hub.storer.mu.Unlock()
		waits := 0
		for _, w := range b.hub.storer.list {
			waits += w.size
		}
		most = max(most, waits)
		return nil
	}
	b.log.mu.Unlock()
	if u := b.takes(t, file, a); u.New != 4000 {
		t.Fatalf("%+v", u)
	}
	if most > ReceiveBudget+EntriesBytes+100_000 {
		t.Errorf("%d bytes waited to be stored, of %d allowed", most, ReceiveBudget)
	}
}
