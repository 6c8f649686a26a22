package e2e

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var longOpenMRS = flag.Bool("openmrs", false, "the longer tests with OpenMRS databases too")

func needLong(t *testing.T) {
	t.Helper()
	if !*longOpenMRS {
		t.Skip("a longer test with OpenMRS databases: go test ./internal/e2e -run OpenMRS -openmrs, or make openmrs")
	}
}

// TestOpenMRSThree is TestOpenMRSProfile with a third site, which joins from the
// first as the second did.
func TestOpenMRSThree(t *testing.T) {
	needLong(t)
	openMRSRun(t, clinics(t, 3), 150, 400)
}

// olderSchema takes from a site what an older version of OpenMRS would not have.
var olderSchema = []string{
	"DROP TABLE relationship", "ALTER TABLE person_address DROP COLUMN latitude, DROP COLUMN longitude",
	"ALTER TABLE orders DROP COLUMN instructions", "ALTER TABLE obs DROP COLUMN interpretation", "ALTER TABLE conditions DROP COLUMN form_namespace_and_path",
}

// TestOpenMRSOlder joins a site with an older schema. What it has agrees with the
// others; a table that it lacks is kept for it, and is there once it is upgraded.
func TestOpenMRSOlder(t *testing.T) {
	needLong(t)
	sites := clinics(t, 3)
	whole, old := sites[:2], sites[2]
	for _, s := range whole {
		s.exec("UPDATE conditions SET form_namespace_and_path = 'ns'")
	}
	var table, create string
	if err := old.db.QueryRow("SHOW CREATE TABLE relationship").Scan(&table, &create); err != nil {
		t.Fatal(err)
	}
	for _, q := range olderSchema {
		old.exec(q)
	}
	start := time.Now()
	joinAll(t, sites)
	t.Logf("joined in %s", time.Since(start).Round(100*time.Millisecond))
	agreeOlder(t, sites)

	work(t, whole, 1, 60, 150)
	quiet(t, 120*time.Second, sites...)
	shared := common(t, sites, 60, 150)
	quiet(t, 120*time.Second, sites...)
	cut(t, sites, func() {
		work(t, whole, 2, 60, 150)
		old.client(shared)
		sites[0].client(otherWords(shared))
	})
	agreeOlder(t, sites)
	sameConflicts(t, sites[0], sites[1])

	old.stop()
	old.exec(create)
	old.run()
	old.running()
	eventually(t, 120*time.Second, "the table that the site got has its rows", func() error {
		if n, want := old.value("SELECT COUNT(*) FROM relationship"), sites[0].value("SELECT COUNT(*) FROM relationship"); n != want || n == "0" {
			return fmt.Errorf("%s of %s rows", n, want)
		}
		return nil
	})
	agreeing(t, sites)
}

// agreeOlder compares all sites as far as the last has tables and columns.
func agreeOlder(t *testing.T, sites []*site) {
	t.Helper()
	quiet(t, 120*time.Second, sites...)
	old := sites[len(sites)-1]
	samePortable(t, sites[0], sites[1], sites[0].portable(), sites[1].portable())
	lacks := len(sites[0].portable()["relationship"])
	less := sites[0].portable()
	delete(less, "relationship")
	samePortable(t, sites[0], old, less, old.portable())
	for _, s := range sites {
		if found := s.dangling(); len(found) > 0 {
			t.Errorf("site %s: %v", s.name, found)
		}
		st, err := s.status()
		aside := 0
		if s == old {
			aside = lacks
		}
		if err != nil || st.Waiting != 0 || st.Held != 0 || st.SetAside != aside {
			t.Errorf("site %s: %v, waiting %d, held %d, set aside %d, want %d: %v", s.name, err, st.Waiting, st.Held, st.SetAside, aside, st.Alarms)
		}
	}
}
