package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What an OpenMRS database holds by portable key, read from its own catalogue
// and from a list of what the catalogue does not say, by none of the program's
// own code.

// openMRSExcluded are the tables that the profile leaves out.
var openMRSExcluded = strings.Fields(`shedlock scheduler_task_config scheduler_task_config_property outbox_event
	hl7_in_queue hl7_in_error hl7_in_archive notification_alert notification_alert_recipient global_property user_property
	concept_name_tag_map concept_proposal_tag_map`)

// openMRSUndeclared are references without a foreign key.
var openMRSUndeclared = map[string]string{
	"orders.concept_id": "concept", "concept_set.concept_id": "concept",
	"orders.changed_by": "users", "person_name.changed_by": "users", "cohort_member.voided_by": "users", "cohort_member.changed_by": "users",
	"privilege.creator": "users", "privilege.changed_by": "users", "privilege.retired_by": "users", "program.retired_by": "users",
	"program_workflow_state.retired_by": "users", "provider_role.creator": "users", "provider_role.changed_by": "users",
	"provider_role.retired_by": "users", "concept_name_tag.creator": "users", "concept_name_tag.voided_by": "users", "concept_datatype.changed_by": "users",
}

// catalogue is what a database's own catalogue says of its tables.
type catalogue struct {
	columns map[string][]string
	primary map[string][]string
	auto    map[string]string
	refs    map[string]map[string]string // table, column: the table that it refers to
}

func (s *site) catalogue() *catalogue {
	c := &catalogue{columns: map[string][]string{}, primary: map[string][]string{}, auto: map[string]string{}, refs: map[string]map[string]string{}}
	for _, f := range s.lines(`SELECT table_name, column_name, column_key, extra FROM information_schema.columns
		WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`) {
		table, column := f[0], f[1]
		c.columns[table] = append(c.columns[table], column)
		if f[2] == "PRI" {
			c.primary[table] = append(c.primary[table], column)
		}
		if strings.Contains(f[3], "auto_increment") {
			c.auto[table] = column
		}
		if to := openMRSUndeclared[table+"."+column]; to != "" {
			c.refer(table, column, to)
		}
	}
	for _, f := range s.lines(`SELECT table_name, column_name, referenced_table_name FROM information_schema.key_column_usage
		WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL`) {
		c.refer(f[0], f[1], f[2])
	}
	return c
}

func (c *catalogue) refer(table, column, to string) {
	if c.refs[table] == nil {
		c.refs[table] = map[string]string{}
	}
	c.refs[table][column] = to
}

// replicated are the tables that the profile replicates, in order.
func (c *catalogue) replicated() []string {
	var names []string
	for table := range c.columns {
		if !slices.Contains(openMRSExcluded, table) {
			names = append(names, table)
		}
	}
	slices.Sort(names)
	return names
}

// lines reads rows as fields.
func (s *site) lines(query string) [][]string {
	s.t.Helper()
	var all [][]string
	for line := range strings.SplitSeq(strings.TrimSuffix(s.rows(query), "\n"), "\n") {
		all = append(all, strings.Split(line, "\t"))
	}
	return all
}

// portable is a database by portable key: table, key, column, value.
type portable map[string]map[string]map[string]string

// names reads what each row of the tables with a uuid is called, by its local
// number.
func (s *site) names(c *catalogue) map[string]map[string]string {
	names := map[string]map[string]string{}
	for table, columns := range c.columns {
		pk := c.primary[table]
		if len(pk) == 1 && slices.Contains(columns, "uuid") && table != "role" && table != "privilege" {
			names[table] = map[string]string{}
			for _, f := range s.lines(fmt.Sprintf("SELECT `%s`, uuid FROM `%s`", pk[0], table)) {
				names[table][f[0]] = strings.ToLower(f[len(f)-1])
			}
		}
	}
	for child, parent := range map[string]string{"patient": "person", "drug_order": "orders", "test_order": "orders", "referral_order": "orders", "concept_numeric": "concept", "concept_complex": "concept"} {
		names[child] = names[parent]
	}
	return names
}

// portable reads all replicated tables.
func (s *site) portable() portable {
	s.t.Helper()
	c := s.catalogue()
	names := s.names(c)
	formats := map[string]string{}
	for _, f := range s.lines("SELECT person_attribute_type_id, COALESCE(format, '') FROM person_attribute_type") {
		formats[f[0]] = f[1]
	}
	p := portable{}
	for _, table := range c.replicated() {
		p[table] = map[string]map[string]string{}
		columns := c.columns[table]
		quoted := make([]string, len(columns))
		for i, column := range columns { // in hexadecimal, so that a text with a line break is one field; HEX of a DOUBLE would round, each server in its way
			quoted[i] = "COALESCE(HEX(CONCAT(`" + column + "`)), 'NULL')"
			if c.isNumber(table, column) {
				quoted[i] = "`" + column + "`"
			}
		}
		text := s.rows("SELECT " + strings.Join(quoted, ", ") + " FROM `" + table + "`")
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			if line == "" {
				continue
			}
			fields := strings.Split(line, "\t")
			row := map[string]string{}
			for i, column := range columns {
				v := fields[i]
				if to := names[c.refs[table][column]]; to != nil && v != "NULL" {
					if v = to[fields[i]]; v == "" {
						v = "dangling " + fields[i]
					}
				}
				row[column] = v
			}
			if table == "person_attribute" {
				translateAttribute(row, formats[fields[slices.Index(columns, "person_attribute_type_id")]], names)
			}
			key := keyOf(c, table, row)
			if p[table][key] != nil {
				s.t.Errorf("site %s: table %s has %s twice", s.name, table, key)
			}
			p[table][key] = row
		}
	}
	return p
}

// isNumber reports whether a column holds local numbers, which are compared as
// what they name.
func (c *catalogue) isNumber(table, column string) bool {
	to := c.refs[table][column]
	return (to != "" && to != "role" && to != "privilege") || c.auto[table] == column || (table == "note" && column == "note_id")
}

// keyOf names a row and takes its local number out.
func keyOf(c *catalogue, table string, row map[string]string) string {
	uuid, has := row["uuid"]
	if has && table != "role" && table != "privilege" {
		if pk := c.primary[table]; len(pk) == 1 && c.refs[table][pk[0]] == "" {
			delete(row, pk[0])
		}
		return strings.ToLower(unhex(uuid))
	}
	parts := make([]string, len(c.primary[table]))
	for i, column := range c.primary[table] {
		if parts[i] = row[column]; !c.isNumber(table, column) {
			parts[i] = strings.ToLower(unhex(parts[i]))
		}
	}
	return strings.Join(parts, ",")
}

func unhex(v string) string {
	var b strings.Builder
	for i := 0; i+1 < len(v); i += 2 {
		var n byte
		_, _ = fmt.Sscanf(v[i:i+2], "%02X", &n)
		b.WriteByte(n)
	}
	return b.String()
}

// translateAttribute puts what a local number in a text names in its place.
func translateAttribute(row map[string]string, format string, names map[string]map[string]string) {
	tables := map[string]string{"org.openmrs.Concept": "concept", "org.openmrs.Location": "location"}
	if to := names[tables[format]]; to != nil {
		if uuid := to[unhex(row["value"])]; uuid != "" {
			row["value"] = "names " + uuid
		}
	}
}

// samePortable fails where two sites differ.
func samePortable(t *testing.T, a, b *site, pa, pb portable) {
	t.Helper()
	const most = 20
	differ := 0
	say := func(format string, args ...any) {
		if differ++; differ <= most {
			t.Errorf(format, args...)
		}
	}
	for table, rows := range pa {
		for key, row := range rows {
			other := pb[table][key]
			if other == nil {
				say("%s %s is at %s and not at %s", table, key, a.name, b.name)
				continue
			}
			for column, v := range row {
				if w, both := other[column]; both && w != v {
					say("%s %s: %s is %.80q at %s and %.80q at %s", table, key, column, show(v), a.name, show(w), b.name)
				}
			}
		}
		for key := range pb[table] {
			if rows[key] == nil {
				say("%s %s is at %s and not at %s", table, key, b.name, a.name)
			}
		}
	}
	if differ > most {
		t.Errorf("%d differences in all", differ)
	}
}

// show reads a hexadecimal value where it is one.
func show(v string) string {
	if strings.Trim(v, "0123456789ABCDEF") == "" && len(v)%2 == 0 {
		return unhex(v)
	}
	return v
}

// dangling lists the references that point to nothing, declared or not.
func (s *site) dangling() []string {
	c := s.catalogue()
	var found []string
	for table, refs := range c.refs {
		for column, to := range refs {
			if len(c.columns[to]) == 0 || len(c.primary[to]) != 1 {
				continue
			}
			n := s.value(fmt.Sprintf("SELECT COUNT(*) FROM `%s` c LEFT JOIN `%s` p ON p.`%s` = c.`%s` WHERE c.`%s` IS NOT NULL AND p.`%s` IS NULL",
				table, to, c.primary[to][0], column, column, c.primary[to][0]))
			if n != "0" {
				found = append(found, fmt.Sprintf("%s of %s.%s to %s", n, table, column, to))
			}
		}
	}
	slices.Sort(found)
	return found
}

// untouched reads the checksums of the tables that are left out.
func (s *site) untouched(but ...string) string {
	c := s.catalogue()
	var names []string
	for _, table := range openMRSExcluded {
		if len(c.columns[table]) > 0 && !slices.Contains(but, table) {
			names = append(names, table)
		}
	}
	return s.rows("CHECKSUM TABLE `" + strings.Join(names, "`, `") + "`")
}
