package demo

import (
	"context"
	"fmt"
	"strings"
)

// table is how a table is compared: every column but the local numbers, and in
// their place the uuid of the row they refer to.
type table struct{ name, query string }

var tables = []table{
	{"person", `SELECT uuid, gender, birthdate, phone FROM person ORDER BY uuid`},
	{"person_name", `SELECT n.uuid, p.uuid, n.given, n.family FROM person_name n LEFT JOIN person p USING (person_id) ORDER BY n.uuid`},
	{"person_address", `SELECT a.uuid, p.uuid, a.village FROM person_address a LEFT JOIN person p USING (person_id) ORDER BY a.uuid`},
	{"patient", `SELECT p.uuid, t.blood, t.allergies FROM patient t LEFT JOIN person p ON p.person_id = t.patient_id ORDER BY p.uuid`},
	{"patient_identifier", `SELECT i.uuid, p.uuid, i.kind, i.number FROM patient_identifier i
		LEFT JOIN person p ON p.person_id = i.patient_id ORDER BY i.uuid`},
	{"encounter", `SELECT e.uuid, p.uuid, e.clinic, e.happened, e.note FROM encounter e
		LEFT JOIN person p ON p.person_id = e.patient_id ORDER BY e.uuid`},
	{"observation", `SELECT o.uuid, e.uuid, o.what, o.amount, o.unit FROM observation o
		LEFT JOIN encounter e USING (encounter_id) ORDER BY o.uuid`},
}

// rows returns what a query gives, a line a row.
func (c *clinic) rows(ctx context.Context, query string) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([][]byte, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var lines []string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var line strings.Builder
		for _, v := range values {
			if v == nil {
				line.WriteString("NULL, ")
				continue
			}
			fmt.Fprintf(&line, "%q, ", v)
		}
		lines = append(lines, line.String())
	}
	return lines, rows.Err()
}

// compare returns how many rows all clinics have, or the first difference.
func compare(ctx context.Context, clinics []*clinic) (total int, err error) {
	for _, t := range tables {
		want, err := clinics[0].rows(ctx, t.query)
		if err != nil {
			return 0, err
		}
		total += len(want)
		for _, c := range clinics[1:] {
			got, err := c.rows(ctx, t.query)
			if err != nil {
				return 0, err
			}
			if len(got) != len(want) {
				return 0, fmt.Errorf("%s has %d rows at %s and %d at %s", t.name, len(want), clinics[0].name, len(got), c.name)
			}
			for i := range want {
				if got[i] != want[i] {
					return 0, fmt.Errorf("%s differs: %s at %s, %s at %s", t.name, want[i], clinics[0].name, got[i], c.name)
				}
			}
		}
	}
	return total, nil
}

// inStep waits until the clinics have all of each other's changes and their
// tables are equal, and returns how many rows they have.
func inStep(ctx context.Context, clinics []*clinic) (total int, err error) {
	err = wait(ctx, "the clinics' tables are equal", func() error {
		if err := settled(ctx, clinics); err != nil {
			return err
		}
		total, err = compare(ctx, clinics)
		return err
	})
	return total, err
}

// settled reports what is still under way.
func settled(ctx context.Context, clinics []*clinic) error {
	far := map[string]uint64{} // per origin, how far anyone is
	var all []*status
	for _, c := range clinics {
		s, err := c.status(ctx)
		if err != nil {
			return err
		}
		if s.PendingCapture+s.PendingApply > 0 || s.Waiting+s.SetAside > 0 {
			return fmt.Errorf("%s has %d changes to capture, %d to apply, %d rows waiting, %d set aside; %s",
				c.name, s.PendingCapture, s.PendingApply, s.Waiting, s.SetAside, strings.Join(s.Alarms, "; "))
		}
		for id, n := range s.Vector {
			far[id] = max(far[id], n)
		}
		all = append(all, s)
	}
	for id, n := range far {
		for i, s := range all {
			if s.Vector[id] < n {
				return fmt.Errorf("%s lacks %d batches", clinics[i].name, n-s.Vector[id])
			}
		}
	}
	return nil
}
