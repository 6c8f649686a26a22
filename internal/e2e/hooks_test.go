package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// testHooks: the application at c hears of rows that were written beneath it,
// and a request that hangs delays nothing.
//
// Seen to fail when Node opens the database unwatched: nothing is told.
func testHooks(t *testing.T, a, b, c *site) {
	var mu sync.Mutex
	var told []string
	hang := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		if user != "daemon" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r.URL.Path+" "+string(body))
	}))
	defer app.Close()
	settings := filepath.Join(c.dir, "baraza.yaml")
	before, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	hook := fmt.Sprintf("app: {url: '%s/openmrs', user: daemon, password: s3cret}\nhooks:\n- name: index\n  url: /index\n  after: 100ms\n  timeout: 1s\n  bodies:\n  - {tables: [person], row: '{\"uuid\":\"{key}\"}', table: '{}'}\n", app.URL)
	restart(c, append(before, hook...), settings)

	a.person(uuidOf(90), "Told")
	quiet(t, 20*time.Second, a, b, c)
	eventually(t, 10*time.Second, "the hook fails", func() error {
		st, err := c.status()
		switch {
		case err != nil:
			return err
		case len(st.Hooks) != 1 || st.Hooks[0].Failures < 2 || st.Hooks[0].PendingRows != 1:
			return fmt.Errorf("hooks are %+v", st.Hooks)
		case !strings.Contains(strings.Join(st.Alarms, "\n"), "the hook index has failed"):
			return fmt.Errorf("alarms are %q", st.Alarms)
		}
		return nil
	})
	close(hang)
	hears := func(want string) {
		t.Helper()
		eventually(t, 20*time.Second, "the application is told", func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(told) == 0 || told[len(told)-1] != "/openmrs/index "+want {
				return fmt.Errorf("it was told %q", told)
			}
			return nil
		})
	}
	hears("{}") // the hook is new: everything
	a.exec("UPDATE person SET name = 'Told of' WHERE uuid = ?", uuidOf(90))
	hears(`{"uuid":"` + uuidOf(90) + `"}`)
	eventually(t, 5*time.Second, "the hook is well", func() error {
		if st, err := c.status(); err != nil || st.Hooks[0].Failures > 0 || st.Hooks[0].PendingRows > 0 {
			return errors.Join(err, fmt.Errorf("hooks are %+v", st.Hooks))
		}
		return nil
	})
	if out, errs, _ := baraza(t, "status", "--data", c.dir); strings.Contains(out+errs+c.log.String(), "s3cret") {
		t.Error("the password is shown")
	}
	restart(c, before, settings)
}

// restart runs the site with other settings.
func restart(s *site, settings []byte, path string) {
	s.t.Helper()
	s.stop()
	if err := os.WriteFile(path, settings, 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.run()
	s.running()
}
