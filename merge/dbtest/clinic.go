package dbtest

import (
	"fmt"

	"baraza/crdt"
	"baraza/merge"
	"baraza/merge/memdb"
	"baraza/schema"
)

// DDL creates the tables of the suite, a small clinic: a table that is not
// replicated (concept), keys that are references (patient, tag), references to
// the own table that may (obs) and may not (users, node) be NULL, each
// ON DELETE action, cascades of several levels and of a table to itself (visit),
// a reference without a foreign key (obs.concept_id), unique values that may and
// may not be NULL, alone and together (badge), one that can show nothing else
// (locker), numbers to count with (stock), and a natural key (setting).
var DDL = []string{
	`CREATE TABLE concept (
		concept_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		name VARCHAR(50))`,
	`CREATE TABLE person (
		person_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		name VARCHAR(20),
		weight DOUBLE,
		note VARCHAR(50) NOT NULL DEFAULT '')`,
	`CREATE TABLE users (
		user_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		username VARCHAR(20) UNIQUE,
		person_id INT NOT NULL,
		creator INT NOT NULL,
		CONSTRAINT users_person FOREIGN KEY (person_id) REFERENCES person (person_id),
		CONSTRAINT users_creator FOREIGN KEY (creator) REFERENCES users (user_id))`,
	`CREATE TABLE patient (
		patient_id INT PRIMARY KEY,
		allergy VARCHAR(20),
		CONSTRAINT patient_person FOREIGN KEY (patient_id) REFERENCES person (person_id))`,
	`CREATE TABLE obs (
		obs_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		patient_id INT NOT NULL,
		concept_id INT,
		obs_group_id INT,
		value_text TEXT,
		CONSTRAINT obs_patient FOREIGN KEY (patient_id) REFERENCES patient (patient_id),
		CONSTRAINT obs_group FOREIGN KEY (obs_group_id) REFERENCES obs (obs_id))`,
	`CREATE TABLE node (
		node_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		parent_id INT NOT NULL,
		CONSTRAINT node_parent FOREIGN KEY (parent_id) REFERENCES node (node_id))`,
	`CREATE TABLE tag (
		person_id INT NOT NULL,
		label VARCHAR(20) NOT NULL,
		note VARCHAR(20),
		PRIMARY KEY (person_id, label),
		CONSTRAINT tag_person FOREIGN KEY (person_id) REFERENCES person (person_id) ON DELETE CASCADE)`,
	`CREATE TABLE remark (
		remark_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		person_id INT,
		body TEXT,
		CONSTRAINT remark_person FOREIGN KEY (person_id) REFERENCES person (person_id) ON DELETE SET NULL)`,
	`CREATE TABLE visit (
		visit_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		person_id INT NOT NULL,
		parent_id INT,
		reason VARCHAR(50),
		CONSTRAINT visit_person FOREIGN KEY (person_id) REFERENCES person (person_id) ON DELETE CASCADE,
		CONSTRAINT visit_parent FOREIGN KEY (parent_id) REFERENCES visit (visit_id) ON DELETE CASCADE)`,
	`CREATE TABLE charge (
		visit_id INT NOT NULL,
		code VARCHAR(20) NOT NULL,
		amount VARCHAR(20),
		PRIMARY KEY (visit_id, code),
		CONSTRAINT charge_visit FOREIGN KEY (visit_id) REFERENCES visit (visit_id) ON DELETE CASCADE)`,
	`CREATE TABLE bill (
		bill_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		visit_id INT NOT NULL,
		remark_id INT,
		note VARCHAR(50),
		CONSTRAINT bill_visit FOREIGN KEY (visit_id) REFERENCES visit (visit_id),
		CONSTRAINT bill_remark FOREIGN KEY (remark_id) REFERENCES remark (remark_id) ON DELETE SET NULL)`,
	`CREATE TABLE badge (
		badge_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		number VARCHAR(20) NOT NULL UNIQUE,
		person_id INT,
		slot VARCHAR(20),
		note VARCHAR(50),
		UNIQUE KEY place (person_id, slot),
		CONSTRAINT badge_person FOREIGN KEY (person_id) REFERENCES person (person_id))`,
	`CREATE TABLE locker (
		locker_id INT AUTO_INCREMENT PRIMARY KEY,
		uuid CHAR(38) NOT NULL UNIQUE,
		number INT NOT NULL UNIQUE,
		note VARCHAR(50))`,
	`CREATE TABLE stock (
		item VARCHAR(40) PRIMARY KEY,
		quantity INT NOT NULL,
		price DECIMAL(10,2) NOT NULL,
		note VARCHAR(50))`,
	`CREATE TABLE setting (
		property VARCHAR(40) PRIMARY KEY,
		value VARCHAR(100))`,
}

// Model is what the schema loader makes of DDL, with the reference
// obs.concept_id declared and concept not replicated.
func Model() *schema.Model {
	m := &schema.Model{Database: "clinic", Tables: make(map[string]*schema.Table)}
	local := func(name, number string, columns ...schema.Column) *schema.Table {
		t := &schema.Table{
			Name: name, Replicated: name != "concept", Engine: "InnoDB",
			Columns:    append([]schema.Column{integer(number, false), text("uuid", 38, false)}, columns...),
			PrimaryKey: []string{number}, AutoIncrement: number,
			Identity: schema.Identity{Columns: []string{"uuid"}, Local: true, Source: "uuid"},
			Unique:   []schema.Index{{Name: "uuid", Columns: []string{"uuid"}}},
		}
		m.Tables[name] = t
		return t
	}
	natural := func(name string, key []string, columns ...schema.Column) *schema.Table {
		t := &schema.Table{
			Name: name, Replicated: true, Engine: "InnoDB", Columns: columns, PrimaryKey: key,
			Identity: schema.Identity{Columns: key, Source: "primary key"},
		}
		m.Tables[name] = t
		return t
	}
	note := text("note", 50, false)
	note.HasDefault = true
	weight := schema.Column{Name: "weight", Type: "double", Base: "double", Nullable: true}

	local("concept", "concept_id", text("name", 50, true))
	local("person", "person_id", text("name", 20, true), weight, note)
	users := local("users", "user_id", text("username", 20, true), integer("person_id", false), integer("creator", false))
	users.Unique = append(users.Unique, schema.Index{Name: "username", Columns: []string{"username"}})
	users.References = []schema.Reference{refer("person_id", "person", "person_id", ""), refer("creator", "users", "user_id", "")}
	patient := natural("patient", []string{"patient_id"}, integer("patient_id", false), text("allergy", 20, true))
	patient.References = []schema.Reference{refer("patient_id", "person", "person_id", "")}
	obs := local("obs", "obs_id", integer("patient_id", false), integer("concept_id", true), integer("obs_group_id", true), text("value_text", 0, true))
	obs.References = []schema.Reference{
		refer("patient_id", "patient", "patient_id", ""),
		{Column: "concept_id", Table: "concept", Target: "concept_id"},
		refer("obs_group_id", "obs", "obs_id", ""),
	}
	node := local("node", "node_id", integer("parent_id", false))
	node.References = []schema.Reference{refer("parent_id", "node", "node_id", "")}
	tag := natural("tag", []string{"person_id", "label"}, integer("person_id", false), text("label", 20, false), text("note", 20, true))
	tag.References = []schema.Reference{refer("person_id", "person", "person_id", "CASCADE")}
	remark := local("remark", "remark_id", integer("person_id", true), text("body", 0, true))
	remark.References = []schema.Reference{refer("person_id", "person", "person_id", "SET NULL")}
	visit := local("visit", "visit_id", integer("person_id", false), integer("parent_id", true), text("reason", 50, true))
	visit.References = []schema.Reference{refer("person_id", "person", "person_id", "CASCADE"), refer("parent_id", "visit", "visit_id", "CASCADE")}
	charge := natural("charge", []string{"visit_id", "code"}, integer("visit_id", false), text("code", 20, false), text("amount", 20, true))
	charge.References = []schema.Reference{refer("visit_id", "visit", "visit_id", "CASCADE")}
	bill := local("bill", "bill_id", integer("visit_id", false), integer("remark_id", true), text("note", 50, true))
	bill.References = []schema.Reference{refer("visit_id", "visit", "visit_id", ""), refer("remark_id", "remark", "remark_id", "SET NULL")}
	badge := local("badge", "badge_id", text("number", 20, false), integer("person_id", true), text("slot", 20, true), text("note", 50, true))
	badge.Unique = append(badge.Unique, schema.Index{Name: "number", Columns: []string{"number"}}, schema.Index{Name: "place", Columns: []string{"person_id", "slot"}})
	badge.References = []schema.Reference{refer("person_id", "person", "person_id", "")}
	locker := local("locker", "locker_id", integer("number", false), text("note", 50, true))
	locker.Unique = append(locker.Unique, schema.Index{Name: "number", Columns: []string{"number"}})
	price := schema.Column{Name: "price", Type: "decimal(10,2)", Base: "decimal"}
	natural("stock", []string{"item"}, text("item", 40, false), integer("quantity", false), price, text("note", 50, true))
	natural("setting", []string{"property"}, text("property", 40, false), text("value", 100, true))
	return m
}

func integer(name string, nullable bool) schema.Column {
	return schema.Column{Name: name, Type: "int(11)", Base: "int", Nullable: nullable}
}

func text(name string, length int64, nullable bool) schema.Column {
	c := schema.Column{Name: name, Nullable: nullable, Charset: "utf8mb4", Collation: "utf8mb4_general_ci", MaxChars: length}
	c.Type, c.Base = fmt.Sprintf("varchar(%d)", length), "varchar"
	if length == 0 {
		c.Type, c.Base = "text", "text"
	}
	return c
}

func refer(column, table, target, onDelete string) schema.Reference {
	if onDelete == "" {
		onDelete = "RESTRICT"
	}
	return schema.Reference{Column: column, Table: table, Target: target, Declared: true, OnDelete: onDelete, OnUpdate: "RESTRICT"}
}

// uuidOf returns a uuid without letters, which no collation folds.
func uuidOf(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// keyOf is the portable key of the row with that uuid.
func keyOf(n int) crdt.Key { return crdt.MakeKey(crdt.Text(uuidOf(n))) }

// refTo is a reference to the row with that uuid.
func refTo(n int) crdt.Value { return crdt.Ref(keyOf(n)) }

// patientKey is the key of the patient who is that person.
func patientKey(n int) crdt.Key { return crdt.MakeKey(refTo(n)) }

func row(key crdt.Key, pairs ...any) merge.Row {
	r := merge.Row{Key: key}
	for i := 0; i < len(pairs); i += 2 {
		r.Columns = append(r.Columns, pairs[i].(string))
		switch v := pairs[i+1].(type) {
		case crdt.Value:
			r.Values = append(r.Values, v)
		case string:
			r.Values = append(r.Values, crdt.Text(v))
		case nil:
			r.Values = append(r.Values, crdt.Null)
		default:
			panic(fmt.Sprintf("dbtest: a row of %T", v))
		}
	}
	return r
}

// withUUID is a row with a uuid and more columns.
func withUUID(n int, pairs ...any) merge.Row {
	return row(keyOf(n), append([]any{"uuid", uuidOf(n)}, pairs...)...)
}

func person(n int, name string) merge.Row { return withUUID(n, "name", name) }

func patient(n int) merge.Row { return row(patientKey(n), "patient_id", refTo(n), "allergy", "none") }

func tag(n int, label string) merge.Row {
	return row(crdt.MakeKey(refTo(n), crdt.Text(label)), "person_id", refTo(n), "label", label)
}

func visit(n, person int, pairs ...any) merge.Row {
	return withUUID(n, append([]any{"person_id", refTo(person)}, pairs...)...)
}

func charge(visit int, code string) merge.Row {
	return row(crdt.MakeKey(refTo(visit), crdt.Text(code)), "visit_id", refTo(visit), "code", code)
}

func obs(n, patient int, pairs ...any) merge.Row {
	return withUUID(n, append([]any{"patient_id", crdt.Ref(patientKey(patient))}, pairs...)...)
}

func user(n, person, creator int, name any) merge.Row {
	return withUUID(n, "username", name, "person_id", refTo(person), "creator", refTo(creator))
}

// insert, update and remove are statements of an application.
func insert(table string, r merge.Row) memdb.Write {
	return memdb.Write{Kind: memdb.Insert, Table: table, Row: r}
}

func update(table string, r merge.Row) memdb.Write {
	return memdb.Write{Kind: memdb.Update, Table: table, Row: r}
}

func remove(table string, key crdt.Key) memdb.Write {
	return memdb.Write{Kind: memdb.Delete, Table: table, Row: merge.Row{Key: key}}
}
