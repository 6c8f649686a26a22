package sqlrow

import (
	"context"
	"fmt"
	"testing"
	"time"

	"baraza/crdt"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/schema"
)

// clinic has every kind of identity and reference.
var clinic = []string{
	"CREATE TABLE users (user_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL)", // not unique, only referred to
	"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, creator INT, name VARCHAR(50), FOREIGN KEY (creator) REFERENCES users (user_id))",
	"CREATE TABLE patient (patient_id INT PRIMARY KEY, note VARCHAR(50), FOREIGN KEY (patient_id) REFERENCES person (person_id))",
	"CREATE TABLE obs (obs_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, patient_id INT, parent INT, FOREIGN KEY (patient_id) REFERENCES patient (patient_id), FOREIGN KEY (parent) REFERENCES obs (obs_id))",
	"CREATE TABLE role (role VARCHAR(50) PRIMARY KEY)",
	"CREATE TABLE patient_role (patient_id INT, role VARCHAR(50), n INT, PRIMARY KEY (patient_id, role), FOREIGN KEY (patient_id) REFERENCES patient (patient_id), FOREIGN KEY (role) REFERENCES role (role))",
	"CREATE TABLE loose (id INT PRIMARY KEY, concept_id INT)",
	"CREATE TABLE concept (concept_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
	"INSERT INTO users VALUES (1, 'U1')",
	"INSERT INTO person VALUES (11, 'ABC', 1, 'a'), (12, 'def', NULL, 'b')",
	"INSERT INTO patient VALUES (11, 'x'), (12, 'y')",
	"INSERT INTO obs VALUES (101, 'o1', 11, NULL), (102, 'o2', 12, 101)",
	"INSERT INTO role VALUES ('Admin'), ('Nurse')",
	"INSERT INTO patient_role VALUES (11, 'admin', 1), (12, 'Nurse', 2)",
	"INSERT INTO concept VALUES (5, 'c5')",
	"INSERT INTO loose VALUES (1, 5), (2, 0)",
}

func clinicTables(t *testing.T) (*mariadbtest.DB, *Tables) {
	d := mariadbtest.New(t)
	d.Must(t, clinic...)
	_, ts := load(t, open(t, d, false), schema.Options{
		Exclude:    []string{"users"},
		References: map[string]string{"loose.concept_id": "concept.concept_id"},
	})
	return d, ts
}

// What the keys of the clinic's rows are, written out by hand.
var (
	userKey    = crdt.MakeKey(crdt.Text("u1"))
	personKey  = crdt.MakeKey(crdt.Text("abc"))
	patientKey = crdt.MakeKey(crdt.Ref(personKey))
	obsKey     = crdt.MakeKey(crdt.Text("o1"))
	roleKey    = crdt.MakeKey(crdt.Ref(patientKey), crdt.Ref(crdt.MakeKey(crdt.Text("admin"))))
)

func TestPortable(t *testing.T) {
	d, ts := clinicTables(t)
	db, ctx, refs := open(t, d, false), context.Background(), NewRefs()
	second := crdt.MakeKey(crdt.Ref(crdt.MakeKey(crdt.Text("def"))))
	for _, c := range []struct {
		table, where string
		key          crdt.Key
		values       []crdt.Value
	}{
		{"person", "person_id=11", personKey, []crdt.Value{crdt.Text("ABC"), crdt.Ref(userKey), crdt.Text("a")}},
		{"person", "person_id=12", "tdef", []crdt.Value{crdt.Text("def"), crdt.Null, crdt.Text("b")}},
		{"patient", "patient_id=11", patientKey, []crdt.Value{crdt.Ref(personKey), crdt.Text("x")}},
		{"obs", "obs_id=102", "to2", []crdt.Value{crdt.Text("o2"), crdt.Ref(second), crdt.Ref(obsKey)}},
		{"patient_role", "patient_id=11", roleKey, []crdt.Value{crdt.Ref(patientKey), crdt.Ref("tadmin"), crdt.Int(1)}},
		{"loose", "id=1", crdt.MakeKey(crdt.Int(1)), []crdt.Value{crdt.Int(1), crdt.Ref("tc5")}},
		{"loose", "id=2", crdt.MakeKey(crdt.Int(2)), []crdt.Value{crdt.Int(2), crdt.Null}}, // points to nothing
	} {
		table := ts.Table(c.table)
		rows, err := table.Read(ctx, db, c.where)
		if err != nil {
			t.Fatal(err)
		}
		pk := fmt.Sprint(rows[0].PK)
		if err := refs.Portable(ctx, db, table, rows); err != nil {
			t.Fatal(err)
		}
		if rows[0].Key != c.key || fmt.Sprint(rows[0].Values) != fmt.Sprint(c.values) {
			t.Errorf("%s %s: key %s values %s", c.table, c.where, rows[0].Key, rows[0].Values)
		}
		if fmt.Sprint(rows[0].PK) != pk {
			t.Errorf("%s: the primary key %s became %s", c.table, pk, rows[0].PK)
		}
		// And back: the key finds the row.
		back, err := refs.Rows(ctx, db, table, []crdt.Key{c.key, "tnobody", "\x00"}, "FOR UPDATE")
		if err != nil || len(back) != 1 || back[0].Key != c.key || fmt.Sprint(back[0].PK) != pk {
			t.Errorf("%s by key %s: %v, %v", c.table, c.key, back, err)
		}
	}
}

func TestLocals(t *testing.T) {
	d, ts := clinicTables(t)
	db, ctx := open(t, d, true), context.Background()
	for _, c := range []struct {
		table, target string
		key           crdt.Key
		want          crdt.Value
	}{
		{"users", "user_id", userKey, crdt.Int(1)},
		{"person", "person_id", personKey, crdt.Int(11)},
		{"patient", "patient_id", patientKey, crdt.Int(11)},
		{"obs", "obs_id", obsKey, crdt.Int(101)},
		{"role", "role", "tadmin", crdt.Text("Admin")},
	} {
		keys := []crdt.Key{"tnobody", c.key, crdt.MakeKey(crdt.Ref("tnobody"))}
		for _, lock := range []string{"", "LOCK IN SHARE MODE"} {
			got, err := NewRefs().Locals(ctx, db, ts.Table(c.table), c.target, keys, lock)
			if err != nil || len(got) != 1 || got[c.key] != c.want {
				t.Errorf("%s %s: %v, %v", c.table, c.key, got, err)
			}
		}
	}
	if _, err := NewRefs().Locals(ctx, db, ts.Table("person"), "nosuch", nil, ""); err == nil {
		t.Error("a column that is none was taken")
	}
}

// More rows than one statement looks up; rows that are gone; the cache's limit.
func TestManyReferences(t *testing.T) {
	d, ts := clinicTables(t)
	db, ctx := open(t, d, false), context.Background()
	d.Must(t, "SET foreign_key_checks=0; INSERT INTO concept SELECT seq, CONCAT('C', seq) FROM "+mariadbtest.Sequence(1000, 3000)+
		"; INSERT INTO loose SELECT seq, seq FROM "+mariadbtest.Sequence(1000, 3001))
	refs, table := NewRefs(), ts.Table("loose")
	refs.Missing = func(_ context.Context, to *Table, target string, values []crdt.Value) (map[crdt.Value]crdt.Key, error) {
		if to.Def.Name != "concept" || target != "concept_id" || len(values) != 1 || values[0] != crdt.Int(3001) {
			t.Errorf("asked for %s.%s %v", to.Def.Name, target, values)
		}
		return map[crdt.Value]crdt.Key{crdt.Int(3001): "tghost"}, nil
	}
	rows, err := table.Read(ctx, db, "id >= 1000")
	if err != nil {
		t.Fatal(err)
	}
	if err := refs.Portable(ctx, db, table, rows); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		want := crdt.Ref(crdt.Key(fmt.Sprintf("tc%d", 1000+i)))
		if i == 2001 {
			want = crdt.Ref("tghost")
		}
		if row.Values[1] != want {
			t.Fatalf("row %d refers to %s, want %s", i, row.Values[1], want)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	d := mariadbtest.New(b)
	d.Must(b, "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE)",
		"CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, p INT, a INT, b BIGINT, c DOUBLE, d DATETIME, e VARCHAR(50), f VARCHAR(50), g TINYINT, h DECIMAL(10,2), FOREIGN KEY (p) REFERENCES p (id))",
		"INSERT INTO p SELECT seq, UUID() FROM "+mariadbtest.Sequence(1, 1000),
		"INSERT INTO t SELECT seq, UUID(), 1 + seq % 1000, seq, seq * 1000, seq / 7, NOW(), CONCAT('name ', seq), 'some text', 1, seq / 100 FROM "+mariadbtest.Sequence(1, 100000))
	db := open(b, d, false)
	_, ts := load(b, db, schema.Options{})
	t := ts.Table("t")
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		n := 0
		refs := NewRefs()
		for from := 0; from < 100_000; from += 5000 {
			rows, err := t.Read(context.Background(), db, fmt.Sprintf("id > %d AND id <= %d", from, from+5000))
			if err != nil {
				b.Fatal(err)
			}
			if err := refs.Portable(context.Background(), db, t, rows); err != nil {
				b.Fatal(err)
			}
			n += len(rows)
		}
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "rows/s")
	}
}
