package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// openMRSData finds the OpenMRS schema and demo data, which are not part of
// this project.
func openMRSData(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("BARAZA_OPENMRS")
	if dir == "" {
		dir = "../../../shared/openmrs"
	}
	if _, err := os.Stat(filepath.Join(dir, "schema.sql")); err != nil {
		t.Skipf("no OpenMRS data: set BARAZA_OPENMRS to the directory that holds schema.sql (%v)", err)
	}
	return dir
}

// load runs SQL files with the mariadb client, as an administrator would.
func (s *site) load(files ...string) {
	s.t.Helper()
	for _, file := range files {
		text, err := readFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		s.client(string(text))
	}
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(file, ".gz") {
		return io.ReadAll(f)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// client runs SQL with the plain mariadb client.
func (s *site) client(sql string) {
	s.t.Helper()
	cmd := exec.Command("mariadb", "--no-defaults", "--protocol=TCP", "--host=127.0.0.1",
		"--port="+strconv.Itoa(s.server.Port()), "--user=root", "--default-character-set=utf8mb4", database)
	cmd.Stdin = strings.NewReader(sql)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("site %s: mariadb: %v: %s", s.name, err, errs.String())
	}
}

const openMRSTables = "person,person_name,person_address,patient,patient_identifier"

// The views of the five tables by portable key: what must be equal.
var openMRSViews = map[string]string{
	"person": `SELECT p.uuid, p.gender, p.birthdate, p.dead, p.death_date, c.uuid, cr.uuid, ch.uuid, p.date_created, p.date_changed, p.voided, vo.uuid, p.void_reason
		FROM person p LEFT JOIN concept c ON c.concept_id = p.cause_of_death LEFT JOIN users cr ON cr.user_id = p.creator
		LEFT JOIN users ch ON ch.user_id = p.changed_by LEFT JOIN users vo ON vo.user_id = p.voided_by ORDER BY p.uuid`,
	"person_name": `SELECT n.uuid, p.uuid, n.preferred, n.given_name, n.middle_name, n.family_name, cr.uuid, n.date_created, n.voided
		FROM person_name n JOIN person p USING (person_id) LEFT JOIN users cr ON cr.user_id = n.creator ORDER BY n.uuid`,
	"person_address": `SELECT a.uuid, p.uuid, a.address1, a.city_village, a.country, cr.uuid, a.date_created
		FROM person_address a JOIN person p USING (person_id) LEFT JOIN users cr ON cr.user_id = a.creator ORDER BY a.uuid`,
	"patient": `SELECT p.uuid, cr.uuid, t.date_created, t.voided, t.allergy_status
		FROM patient t JOIN person p ON p.person_id = t.patient_id LEFT JOIN users cr ON cr.user_id = t.creator ORDER BY p.uuid`,
	"patient_identifier": `SELECT i.uuid, p.uuid, i.identifier, ty.uuid, l.uuid, cr.uuid, i.preferred
		FROM patient_identifier i JOIN person p ON p.person_id = i.patient_id JOIN patient_identifier_type ty ON ty.patient_identifier_type_id = i.identifier_type
		LEFT JOIN location l USING (location_id) LEFT JOIN users cr ON cr.user_id = i.creator ORDER BY i.uuid`,
}

// TestOpenMRS joins two real OpenMRS databases that numbered their rows
// themselves.
func TestOpenMRS(t *testing.T) {
	dir := openMRSData(t)
	a, b := newSite(t, "clinic-1"), newSite(t, "clinic-2")
	for i, s := range []*site{a, b} {
		s.load(filepath.Join(dir, "schema.sql"), filepath.Join(dir, "core-data.sql"), filepath.Join(dir, "demo-metadata.sql.gz"),
			filepath.Join(dir, fmt.Sprintf("demo-clinic-site%d.sql.gz", i+1)))
	}
	before := map[*site]string{a: checksums(a), b: checksums(b)}
	persons := union(a.rows("SELECT uuid FROM person"), b.rows("SELECT uuid FROM person"))
	mine := map[*site]string{}
	for _, s := range []*site{a, b} {
		mine[s] = s.rows("SELECT person_id, uuid FROM person ORDER BY person_id")
	}

	a.init("--tables", openMRSTables)
	a.run()
	a.running()
	b.join(a)
	b.run()
	b.running()
	compareViews(t, a, b)

	for _, s := range []*site{a, b} {
		if got := s.value("SELECT COUNT(*) FROM patient"); got != "100" {
			t.Errorf("site %s has %s patients, want 100", s.name, got)
		}
		if got := s.value("SELECT COUNT(*) FROM person"); got != strconv.Itoa(persons) {
			t.Errorf("site %s has %s persons, want %d", s.name, got, persons)
		}
		if now := s.rows("SELECT person_id, uuid FROM person ORDER BY person_id"); !containsLines(now, mine[s]) {
			t.Errorf("site %s renumbered rows of its own", s.name)
		}
		if got := checksums(s); got != before[s] {
			t.Errorf("site %s: a table that is not replicated changed:\n%s\n%s", s.name, before[s], got)
		}
	}
	openMRSEdits(t, a, b)
	for _, s := range []*site{a, b} {
		if got := checksums(s); got != before[s] {
			t.Errorf("site %s: a table that is not replicated changed", s.name)
		}
		st, err := s.status()
		if err != nil || st.Waiting != 0 || st.Held != 0 || st.SetAside != 0 {
			t.Errorf("site %s: %v, waiting %d, held %d, set aside %d: %v", s.name, err, st.Waiting, st.Held, st.SetAside, st.Alarms)
		}
	}
}

// openMRSEdits writes with the plain client at either site.
func openMRSEdits(t *testing.T, a, b *site) {
	t.Helper()
	patient := strings.Fields(b.rows("SELECT p.uuid FROM patient t JOIN person p ON p.person_id = t.patient_id ORDER BY t.patient_id DESC LIMIT 3"))
	a.client(fmt.Sprintf("UPDATE person_name SET family_name = 'Ōkonkwo' WHERE person_id = (SELECT person_id FROM person WHERE uuid = '%s')", patient[0]))
	b.client(fmt.Sprintf("UPDATE person SET gender = 'F', birthdate = '1980-02-29' WHERE uuid = '%s'", patient[1]))
	for i, s := range []*site{a, b} {
		s.client(fmt.Sprintf(`START TRANSACTION;
			INSERT INTO person (gender, birthdate, creator, date_created, uuid) VALUES ('M', '2001-01-0%d', 1, '2026-01-02 03:04:05', 'aaaaaaaa-0000-4000-8000-00000000000%d');
			SET @p = LAST_INSERT_ID();
			INSERT INTO patient (patient_id, creator, date_created) VALUES (@p, 1, '2026-01-02 03:04:05');
			INSERT INTO person_name (person_id, given_name, family_name, preferred, creator, date_created, uuid) VALUES (@p, 'New', 'Patient%d', 1, 1, '2026-01-02 03:04:05', 'bbbbbbbb-0000-4000-8000-00000000000%d');
			INSERT INTO patient_identifier (patient_id, identifier, identifier_type, location_id, creator, date_created, uuid) VALUES (@p, 'N%d', 3, 2, 1, '2026-01-02 03:04:05', 'cccccccc-0000-4000-8000-00000000000%d');
			COMMIT;`, i+1, i+1, i+1, i+1, i+1, i+1))
	}
	compareViews(t, a, b)
	for _, s := range []*site{a, b} {
		if got := s.value("SELECT COUNT(*) FROM patient"); got != "102" {
			t.Errorf("site %s has %s patients, want 102", s.name, got)
		}
	}
	// A whole patient is purged at the other site.
	b.client(`SET @p = (SELECT person_id FROM person WHERE uuid = 'aaaaaaaa-0000-4000-8000-000000000001');
		START TRANSACTION; DELETE FROM patient_identifier WHERE patient_id = @p; DELETE FROM patient WHERE patient_id = @p;
		DELETE FROM person_name WHERE person_id = @p; DELETE FROM person WHERE person_id = @p; COMMIT;`)
	compareViews(t, a, b)
	if got := a.value("SELECT COUNT(*) FROM person WHERE uuid = 'aaaaaaaa-0000-4000-8000-000000000001'"); got != "0" {
		t.Errorf("a purged person is still there at %s", a.name)
	}
	if got := a.value("SELECT family_name FROM person_name JOIN person USING (person_id) WHERE person.uuid = ? LIMIT 1", patient[0]); got != "Ōkonkwo" {
		t.Errorf("the edited name reads %q", got)
	}
}

func compareViews(t *testing.T, a, b *site) {
	t.Helper()
	quiet(t, 60*time.Second, a, b)
	for name, view := range openMRSViews {
		if rows := same(t, 10*time.Second, view, a, b); strings.Count(rows, "\n") < 50 {
			t.Errorf("table %s has only %d rows", name, strings.Count(rows, "\n"))
		}
	}
}

// checksums reads the checksums of all tables but the replicated five.
func checksums(s *site) string {
	s.t.Helper()
	names := strings.Fields(s.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND FIND_IN_SET(table_name, '" + openMRSTables + "') = 0 ORDER BY 1"))
	if len(names) < 100 {
		s.t.Fatalf("only %d tables", len(names))
	}
	return s.rows("CHECKSUM TABLE `" + strings.Join(names, "`, `") + "`")
}

func union(lists ...string) int {
	seen := map[string]bool{}
	for _, l := range lists {
		for f := range strings.FieldsSeq(l) {
			seen[f] = true
		}
	}
	return len(seen)
}

func containsLines(all, some string) bool {
	have := map[string]bool{}
	for l := range strings.SplitSeq(all, "\n") {
		have[l] = true
	}
	for l := range strings.SplitSeq(some, "\n") {
		if !have[l] {
			return false
		}
	}
	return true
}
