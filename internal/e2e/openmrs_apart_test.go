package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"baraza/node/admin"
)

// installedApart makes a clinic what it would be had its metadata been numbered
// on its own server: all references to the tables are changed with them.
func (s *site) installedApart(tables map[string]int) {
	s.t.Helper()
	c := s.catalogue()
	var sql strings.Builder
	sql.WriteString("SET FOREIGN_KEY_CHECKS=0;\n")
	for table, by := range tables {
		for child, refs := range c.refs {
			for column, to := range refs {
				if to == table {
					fmt.Fprintf(&sql, "UPDATE `%s` SET `%s` = `%s` + %d WHERE `%s` <> 0 ORDER BY `%s` DESC;\n", child, column, column, by, column, column)
				}
			}
		}
		pk := c.primary[table][0]
		fmt.Fprintf(&sql, "UPDATE `%s` SET `%s` = `%s` + %d ORDER BY `%s` DESC;\n", table, pk, pk, by, pk)
	}
	// Privileges are the same by name, whatever their uuids.
	sql.WriteString("UPDATE privilege SET uuid = CONCAT(LEFT(SHA2(privilege, 256), 20), 'ffff') WHERE privilege LIKE 'A%';\n")
	// Each installation makes its own administrator, with a person.
	sql.WriteString("UPDATE person SET uuid = 'dddddddd-0000-4000-8000-000000000001' WHERE person_id = (SELECT person_id FROM users WHERE system_id = 'admin');\n")
	sql.WriteString("UPDATE users SET uuid = 'dddddddd-0000-4000-8000-000000000002' WHERE system_id = 'admin';\n")
	sql.WriteString("UPDATE encounter_type SET uuid = 'dddddddd-0000-4000-8000-000000000003' WHERE name = 'Vitals';\n")
	s.client(sql.String())
}

// attribute adds a person attribute of a type, to the person with the least
// uuid from one on.
func (s *site) attribute(uuid, person, kind, value string) {
	s.t.Helper()
	s.client(fmt.Sprintf(`INSERT INTO person_attribute (person_id, value, person_attribute_type_id, creator, date_created, uuid)
		SELECT p.person_id, %s, t.person_attribute_type_id, u.user_id, '2026-01-02 03:04:05', '%s'
		FROM person p, person_attribute_type t, users u WHERE p.uuid = '%s' AND t.name = '%s' AND u.system_id = 'admin'`, value, uuid, person, kind))
}

func attributeID(n int) string { return fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n) }

// TestOpenMRSInstalledApart joins databases whose metadata have other numbers
// everywhere: every reference must be translated, with a foreign key or without,
// and the numbers in texts. Deliberate breaks seen to fail here: a reference
// without a foreign key taken out of the profile; the typed references taken out;
// privileges named by uuid; the dates taken out.
func TestOpenMRSInstalledApart(t *testing.T) {
	sites := clinics(t, 2)
	a, b := sites[0], sites[1]
	each(sites, func(i int, s *site) { // the demo clinics have no orders and more such
		s.client(generate(t, "--relative", "--site", strconv.Itoa(i+1), "--seed", "5", "--patients", "20"))
	})
	before := []portable{a.portable(), b.portable()} // by the names that the network has in the end
	b.installedApart(map[string]int{"users": 100, "concept": 1_000_000, "location": 500, "person_attribute_type": 40, "encounter_type": 7, "provider": 30})
	if found := b.dangling(); len(found) > 0 {
		t.Fatalf("the test data are not whole: %v", found)
	}
	const concept, place = "(SELECT concept_id FROM concept WHERE uuid LIKE '5089A%')", "(SELECT MAX(location_id) FROM location)"
	for i, s := range sites {
		person := s.value("SELECT MIN(uuid) FROM person")
		s.attribute(attributeID(10*i+1), person, "Civil Status", concept)
		s.attribute(attributeID(10*i+2), person, "Health Center", place)
		s.attribute(attributeID(10*i+3), person, "Telephone Number", concept) // a text like any other
		s.attribute(attributeID(10*i+4), person, "Health Center", "'no number'")
		s.attribute(attributeID(10*i+5), person, "Health Center", "77777")
	}
	for s, date := range map[*site]string{a: "2026-03-01", b: "2026-05-01"} { // the same row changed at both, before they met
		s.client(fmt.Sprintf("UPDATE location SET description = 'by %s', date_changed = '%s 10:00:00' ORDER BY uuid LIMIT 1", s.name, date))
	}
	joinAll(t, sites)
	after := agreeing(t, sites)
	oneAdministrator(t, sites)
	for i, s := range sites {
		kept(t, s, before[i], after)
		// What no other site has is as it was: above all, it means the same.
		for table, rows := range before[i] {
			for key, row := range rows {
				if before[1-i][table][key] != nil {
					continue
				}
				for column, v := range row {
					if got := after[table][key][column]; got != v {
						t.Fatalf("%s %s %s of site %s was %s and is %s", table, key, column, s.name, show(v), show(got))
					}
				}
			}
		}
		if got := s.value("SELECT description FROM location ORDER BY uuid LIMIT 1"); got != "by clinic-2" {
			t.Errorf("site %s: the place is described %q", s.name, got)
		}
		if got := s.value("SELECT COUNT(*) FROM person_attribute WHERE value = '1005089' OR value = '5089'"); got != "4" {
			t.Errorf("site %s: %s attributes name the concept or have its number", s.name, got)
		}
	}
	conflicts := map[string]int{}
	for _, c := range a.conflicts("--limit", "100000").Conflicts {
		conflicts[c.Table+"."+c.Column]++
	}
	// Where the administrator's person is named, there are two.
	for what, n := range map[string]int{"location.description": 1, "location.date_changed": 1, "users.person_id": 3, "person_name.person_id": 1, "provider.person_id": 1} {
		if conflicts[what] != n {
			t.Errorf("%d conflicts of %s, want %d", conflicts[what], what, n)
		}
	}
	if conflicts["privilege.uuid"] < 20 || len(conflicts) != 6 {
		t.Errorf("conflicts: %v", conflicts)
	}
	typedEdits(t, sites)
}

// oneAdministrator fails where a row that is one has not become one.
func oneAdministrator(t *testing.T, sites []*site) {
	t.Helper()
	for _, s := range sites {
		for query, want := range map[string]string{
			"SELECT COUNT(*) FROM users WHERE system_id = 'admin'":                                                                           "1",
			"SELECT COUNT(*) FROM users WHERE uuid = 'dddddddd-0000-4000-8000-000000000002'":                                                 "0",
			"SELECT COUNT(*) FROM encounter_type WHERE name LIKE 'Vitals%'":                                                                  "1",
			"SELECT COUNT(*) > 100 FROM obs JOIN users ON user_id = obs.creator":                                                             "1",
			"SELECT COUNT(*) FROM person WHERE uuid = 'dddddddd-0000-4000-8000-000000000001'":                                                "1", // nothing says that it is the other
			"SELECT COUNT(*) FROM encounter e JOIN encounter_type t ON e.encounter_type = t.encounter_type_id WHERE t.uuid LIKE 'dddddddd%'": "0",
		} {
			if got := s.value(query); got != want {
				t.Errorf("site %s: %s: %s, want %s", s.name, query, got, want)
			}
		}
	}
}

// typedEdits writes numbers in texts while the sites run, and deletes what one
// names while the sites are cut off.
func typedEdits(t *testing.T, sites []*site) {
	t.Helper()
	a, b := sites[0], sites[1]
	b.client(`INSERT INTO location (name, creator, date_created, uuid) SELECT 'New ward', MIN(user_id), '2026-01-02 03:04:05', 'bbbbbbbb-0000-4000-8000-000000000001' FROM users`)
	agreeing(t, sites)
	const ward = "(SELECT location_id FROM location WHERE name = 'New ward')"
	person := a.value("SELECT MIN(uuid) FROM person")
	b.attribute(attributeID(90), person, "Health Center", ward)
	a.client("UPDATE person_attribute SET value = (SELECT MIN(concept_id) FROM concept) WHERE uuid = '" + attributeID(1) + "'")
	after := agreeing(t, sites)
	if got := after["person_attribute"][attributeID(90)]["value"]; got != "names bbbbbbbb-0000-4000-8000-000000000001" {
		t.Errorf("a number in a text came as %s", show(got))
	}
	b.client("DELETE FROM person_attribute WHERE uuid = '" + attributeID(90) + "'")
	agreeing(t, sites)
	cut(t, sites, func() {
		a.attribute(attributeID(91), person, "Health Center", ward)
		b.client("DELETE FROM location WHERE name = 'New ward'")
	})
	quiet(t, 60*time.Second, sites...)
	eventually(t, 30*time.Second, "what a text refers to is back", func() error {
		for _, s := range sites {
			n, err := s.tryRows("SELECT a.value = l.location_id FROM person_attribute a, location l WHERE a.uuid = '" + attributeID(91) + "' AND l.name = 'New ward'")
			if err != nil || n != "1\n" {
				return fmt.Errorf("site %s: %q, %w", s.name, n, err)
			}
		}
		return nil
	})
	list := a.conflicts("--limit", "100000", "--table", "location").Conflicts
	if !slices.ContainsFunc(list, func(c admin.Conflict) bool { return c.Rule == "R4" }) {
		t.Errorf("that a deleted place stays is no conflict: %+v", list)
	}
}
