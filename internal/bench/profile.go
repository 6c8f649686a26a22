package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// profile takes CPU profiles of running sites in the background, if that was
// asked for. The function it returns waits for them. A site listens for this
// where BARAZA_PPROF says.
func (l *lab) profile(ctx context.Context, label string, sites ...*site) (wait func() error) {
	if l.o.Profile == "" || label == "" {
		return func() error { return nil }
	}
	label = strings.NewReplacer(" ", "-", ",", "").Replace(label)
	errs := make([]error, len(sites))
	var all sync.WaitGroup
	for i, s := range sites {
		all.Go(func() {
			errs[i] = s.cpuProfile(ctx, filepath.Join(l.o.Profile, label+"-"+s.name+".pprof"))
		})
	}
	return func() error { all.Wait(); return errors.Join(errs...) }
}

func (b *site) cpuProfile(ctx context.Context, path string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.pprof, b.o.ProfileSeconds)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(b.o.ProfileSeconds)*time.Second+30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	var answer *http.Response
	for range 100 { // the process may just have been started
		if answer, err = http.DefaultClient.Do(request); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("profile of site %s: %w: the program must listen where BARAZA_PPROF says", b.name, err)
	}
	defer answer.Body.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, answer.Body)
	return err
}
