package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// clinics starts servers with OpenMRS databases: the demo clinics, each of which
// numbered its own rows, and from the third on generated ones.
func clinics(t *testing.T, n int) []*site {
	t.Helper()
	dir := openMRSData(t)
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("gen.py needs python3")
	}
	sites := make([]*site, n)
	for i := range sites {
		sites[i] = newSite(t, fmt.Sprintf("clinic-%d", i+1))
	}
	each(sites, func(i int, s *site) {
		s.load(filepath.Join(dir, "schema.sql"), filepath.Join(dir, "core-data.sql"), filepath.Join(dir, "demo-metadata.sql.gz"))
		if i < 2 {
			s.load(filepath.Join(dir, fmt.Sprintf("demo-clinic-site%d.sql.gz", i+1)))
		} else {
			s.client(generate(t, "--site", strconv.Itoa(i+1), "--patients", "40", "--seed", "3"))
		}
	})
	return sites
}

// each does something at all sites at once.
func each(sites []*site, do func(i int, s *site)) {
	var wait sync.WaitGroup
	for i, s := range sites {
		wait.Go(func() { do(i, s) })
	}
	wait.Wait()
}

// generate runs the generator of the test data.
func generate(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("python3", append([]string{filepath.Join(openMRSData(t), "gen.py")}, args...)...).Output()
	if err != nil {
		t.Errorf("gen.py %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// TestOpenMRSProfile joins whole OpenMRS databases by the profile, lets all of
// them be worked in, together and cut off, and looks at everything.
func TestOpenMRSProfile(t *testing.T) {
	openMRSRun(t, clinics(t, 2), 60, 150)
}

// openMRSRun joins the sites, works in all of them connected and then cut off,
// and checks every table. patients and edits are how much each of the two times
// brings at each site.
func openMRSRun(t *testing.T, sites []*site, patients, edits int) {
	t.Helper()
	var before []portable
	var aside []string
	for _, s := range sites {
		before, aside = append(before, s.portable()), append(aside, s.untouched())
		if found := s.dangling(); len(found) > 0 {
			t.Fatalf("the test data of %s are not whole: %v", s.name, found)
		}
	}
	start := time.Now()
	joinAll(t, sites)
	t.Logf("%d sites joined in %s", len(sites), time.Since(start).Round(100*time.Millisecond))
	after := agreeing(t, sites)
	for i, s := range sites {
		kept(t, s, before[i], after)
		if got := s.untouched(); got != aside[i] {
			t.Errorf("site %s: a table that is left out changed:\n%s\n%s", s.name, aside[i], got)
		}
	}
	if got := sites[0].conflicts().Total; got != 0 {
		t.Errorf("%d conflicts between clinics that share their metadata", got)
	}

	work(t, sites, 1, patients, edits)
	agreeing(t, sites)
	shared := common(t, sites, patients, edits)
	agreed := agreeing(t, sites)

	var apart [2]portable
	cut(t, sites, func() {
		work(t, sites, 2, patients, edits)
		sites[0].client(shared)
		sites[1].client(otherWords(shared))
		apart = [2]portable{sites[0].portable(), sites[1].portable()}
	})
	start = time.Now()
	quiet(t, 120*time.Second, sites...)
	t.Logf("together again in %s", time.Since(start).Round(100*time.Millisecond))
	after = agreeing(t, sites)
	accounts(t, [2]*site{sites[0], sites[1]}, agreed, apart, after)
	for i, s := range sites {
		if got, want := s.untouched("user_property"), without(aside[i], "user_property"); got != want {
			t.Errorf("site %s: a table that is left out changed:\n%s\n%s", s.name, want, got)
		}
	}
}

func without(lines, word string) string {
	var out strings.Builder
	for line := range strings.Lines(lines) {
		if !strings.Contains(line, word) {
			out.WriteString(line)
		}
	}
	return out.String()
}

func joinAll(t *testing.T, sites []*site) {
	t.Helper()
	for i, s := range sites {
		if i == 0 {
			s.init("--profile", "openmrs")
		} else {
			s.join(sites[0])
		}
		s.run()
		s.running()
	}
	quiet(t, 120*time.Second, sites...)
}

// agreeing waits until all sites have everything, and compares them.
func agreeing(t *testing.T, sites []*site) portable {
	t.Helper()
	quiet(t, 120*time.Second, sites...)
	first := sites[0].portable()
	for _, s := range sites[1:] {
		samePortable(t, sites[0], s, first, s.portable())
	}
	for _, s := range sites {
		settledSite(t, s)
		if found := s.dangling(); len(found) > 0 {
			t.Errorf("site %s: %v", s.name, found)
		}
	}
	return first
}

// work runs the generator at all sites at once.
func work(t *testing.T, sites []*site, seed, patients, edits int) {
	t.Helper()
	each(sites, func(i int, s *site) {
		s.statements(s.numbered(generate(t, "--relative", "--site", strconv.Itoa(i+1), "--seed", strconv.Itoa(seed),
			"--patients", strconv.Itoa(patients), "--activity", strconv.Itoa(edits))))
	})
}

// statements sends what the generator wrote, a statement at a time.
func (s *site) statements(text string) {
	s.t.Helper()
	conn, err := s.db.Conn(context.Background())
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	deadlocks := 0
	for stmt := range strings.SplitSeq(strings.TrimSpace(text), ";\n") {
		if err := patiently(conn, &deadlocks, stmt); err != nil {
			s.t.Errorf("site %s: %v\n%s", s.name, err, head(stmt))
			return
		}
	}
	if deadlocks > 0 {
		s.t.Logf("site %s: %d deadlocks", s.name, deadlocks)
	}
}

// firstNumber is the line by which the generator finds where to go on numbering.
var firstNumber = regexp.MustCompile(`SET @b_(\w+)=\(SELECT COALESCE\(MAX\((\w+)\),0\) FROM \w+\);`)

// numbered keeps numbers for the generator, which gives them itself and looks only
// once which are taken, while rows of other sites come in and take the next.
func (s *site) numbered(sql string) string {
	const before, room = 50_000, 100_000 // before: rows that come in meanwhile
	return firstNumber.ReplaceAllStringFunc(sql, func(line string) string {
		m := firstNumber.FindStringSubmatch(line)
		first, err := strconv.Atoi(s.value("SELECT COALESCE(MAX(" + m[2] + "), 0) FROM " + m[1]))
		if err != nil {
			s.t.Error(err)
		}
		first += before
		s.exec(fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", m[1], first+room))
		return fmt.Sprintf("SET @b_%s=%d;", m[1], first)
	})
}

// common gives the first site patients and returns later edits of them, for all
// sites to make.
func common(t *testing.T, sites []*site, patients, edits int) string {
	t.Helper()
	text := generate(t, "--relative", "--site", "9", "--seed", "9", "--patients", strconv.Itoa(patients), "--activity", strconv.Itoa(edits))
	rows, later, ok := strings.Cut(text, "-- later activity\n")
	if !ok {
		t.Fatal("gen.py wrote no activity")
	}
	sites[0].client(sites[0].numbered(rows))
	return "SET NAMES utf8mb4; SET time_zone='+00:00';\n" + later
}

// otherWords makes of edits others of the same rows: other names and places,
// deletes where there was none and none where there was.
func otherWords(edits string) string {
	var out strings.Builder
	n := 0
	for line := range strings.Lines(edits) {
		switch n++; {
		case strings.HasPrefix(line, "DELETE"):
			line = strings.Replace(line, "DELETE FROM person_address WHERE", "UPDATE person_address SET address2='not gone' WHERE", 1)
		case strings.HasPrefix(line, "UPDATE person_address") && n%3 == 0:
			line = "DELETE FROM person_address " + line[strings.Index(line, "WHERE"):]
		default:
			line = strings.NewReplacer("family_name='", "family_name='O\\'", "city_village='", "city_village='New ", "'corrected'", "'wrong'").Replace(line)
		}
		out.WriteString(line)
	}
	return out.String()
}

// kept fails where rows of a site before are not there any more.
func kept(t *testing.T, s *site, before, after portable) {
	t.Helper()
	for table, rows := range before {
		for key := range rows {
			if after[table][key] == nil {
				t.Errorf("%s %s of site %s is gone", table, key, s.name)
			}
		}
	}
}

// settledSite fails where a site has rows that it could not place.
func settledSite(t *testing.T, s *site) {
	t.Helper()
	st, err := s.status()
	if err != nil || st.Waiting != 0 || st.Held != 0 || st.SetAside != 0 {
		t.Errorf("site %s: %v, waiting %d, held %d, set aside %d: %v", s.name, err, st.Waiting, st.Held, st.SetAside, st.Alarms)
	}
}
