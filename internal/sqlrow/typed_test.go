package sqlrow

import (
	"context"
	"slices"
	"testing"

	"baraza/crdt"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/schema"
)

// A number, or its text, is a reference where its type says so and it names a
// row; anything else stays as it is. Who refers to a row is told by the same.
func TestTyped(t *testing.T) {
	d := mariadbtest.New(t)
	d.Must(t,
		"CREATE TABLE place (place_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE patient (patient_id INT PRIMARY KEY, FOREIGN KEY (patient_id) REFERENCES person (person_id))",
		"CREATE TABLE kind (kind_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, format VARCHAR(50), example INT)",
		"CREATE TABLE attribute (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, kind_id INT, value VARCHAR(50) NOT NULL, FOREIGN KEY (kind_id) REFERENCES kind (kind_id))",
		"INSERT INTO place VALUES (7, 'p7'), (8, 'p8')",
		"INSERT INTO person VALUES (7, 'n7')", "INSERT INTO patient VALUES (7)",
		"INSERT INTO kind VALUES (1, 'k1', 'org.Place', 8), (2, 'k2', 'org.Patient', 7), (3, 'k3', 'text', 7), (4, 'k4', NULL, 7)",
		"INSERT INTO attribute VALUES (1, 'a1', 1, '7'), (2, 'a2', 2, '7'), (3, 'a3', 3, '7'), (4, 'a4', 4, '7'), (5, 'a5', NULL, '7'), "+
			"(6, 'a6', 1, '9'), (7, 'a7', 1, '07'), (8, 'a8', 1, 'x7'), (9, 'a9', 1, '8'), (10, 'b1', 1, '7')",
	)
	tables := map[string]string{"ORG.place": "place", "org.Patient": "patient", "org.Gone": "gone"} // the column takes either case
	_, ts := load(t, open(t, d, false), schema.Options{Typed: map[string]schema.TypedBy{
		"attribute.value": {By: "kind_id.format", Tables: tables}, "kind.example": {By: "format", Tables: tables},
		"attribute.gone": {By: "kind_id.format", Tables: tables}, "gone.value": {By: "format", Tables: tables},
	}})
	db, ctx := open(t, d, false), context.Background()
	read := func(table, column string) (values []string) {
		rows, err := ts.Table(table).Read(ctx, db, "1 ORDER BY 1")
		if err == nil {
			err = NewRefs().Portable(ctx, db, ts.Table(table), rows)
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			values = append(values, rows[i].Values[ts.Table(table).Shipped(column)].String())
		}
		return values
	}
	if got, want := read("attribute", "value"), []string{"place p7", "patient n7", `"7"`, `"7"`, `"7"`, `"9"`, `"07"`, `"x7"`, "place p8", "place p7"}; !slices.Equal(got, want) {
		t.Errorf("texts:\n got %q\nwant %q", got, want)
	}
	if got, want := read("kind", "example"), []string{"place p8", "patient n7", "7", "7"}; !slices.Equal(got, want) {
		t.Errorf("numbers:\n got %q\nwant %q", got, want)
	}
	referrers := func(child, column, parent, target, key string) (names []string) {
		links, err := NewRefs().Referrers(ctx, db, ts.Table(parent), ts.Table(child), []string{column}, []string{target}, true, []crdt.Key{crdt.MakeKey(crdt.Text(key))}, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if l.Parent != crdt.MakeKey(crdt.Text(key)) {
				t.Errorf("%s refers to %s", l.Child, l.Parent)
			}
			names = append(names, l.Child.String())
		}
		slices.Sort(names)
		return names
	}
	if got := referrers("attribute", "value", "place", "place_id", "p7"); !slices.Equal(got, []string{"a1", "b1"}) {
		t.Errorf("who refers to place 7: %q", got)
	}
	if got := referrers("kind", "example", "place", "place_id", "p8"); !slices.Equal(got, []string{"k1"}) {
		t.Errorf("who refers to place 8: %q", got)
	}
}
