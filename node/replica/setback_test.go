package replica_test

import (
	"testing"
)

// A backup is put in place of the database, and, before the site has recovered
// from that, a newer one, whatever the step of starting at which the machine went
// down in between: that is a database that was set back, not a data directory.
func TestANewerBackupAfterAnOlder(t *testing.T) {
	points := 0
	for kind := range faultKinds {
		for n, hit := 1, true; hit; n++ {
			w, err := newWorld(1, plain, false)
			if err != nil {
				t.Fatal(err)
			}
			s := w.sites[0]
			older := s.db.Backup()
			s.do(t, insert("person", s, 2))
			s.capture(t)
			newer := s.db.Backup()
			s.do(t, insert("person", s, 4))
			s.capture(t)
			start := func() (err error) {
				s.db.Disconnect()
				if s.store, err = s.store.restart(n % 3); err != nil {
					t.Fatal(err)
				}
				return s.open()
			}
			s.db.Restore(older)
			*s.faults = faults{after: n, kind: kind}
			err = start()
			if hit = s.faults.after == 0; hit {
				points++
			} else if err != nil {
				t.Fatal(err)
			}
			*s.faults = faults{}
			s.db.Restore(newer)
			if err := start(); err != nil {
				t.Errorf("kind %d, step %d: %v", kind, n, err)
				continue
			}
			if _, yes := s.r.Recovering(); !yes {
				t.Errorf("kind %d, step %d: the site does not see that its database was set back", kind, n)
			}
		}
	}
	if points < 8 {
		t.Errorf("only %d points to go down at", points)
	}
}
