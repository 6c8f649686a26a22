package sim

import (
	"fmt"

	"baraza/crdt"
	"baraza/schema"
)

// clinic is the schema of the runs: local numbers with a uuid (person, obs), a
// key that is a reference (patient, tag), a reference to the own table
// (obs.obs_group_id), and a natural key (setting).
var clinic = newClinic()

// tableNames are the tables, those that are referred to first.
var tableNames = func() []string {
	var names []string
	for _, t := range schema.Order(clinic) {
		names = append(names, t.Name)
	}
	return names
}()

func newClinic() *schema.Model {
	m := &schema.Model{Database: "clinic", Tables: map[string]*schema.Table{}}
	local := func(name string, columns ...schema.Column) *schema.Table {
		number := name + "_id"
		t := &schema.Table{
			Name: name, Replicated: true, Engine: "InnoDB",
			Columns:    append([]schema.Column{integer(number, false), text("uuid", false)}, columns...),
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
	weight := schema.Column{Name: "weight", Type: "double", Base: "double", Nullable: true}
	local("person", text("name", true), weight, text("note", true))
	patient := natural("patient", []string{"patient_id"}, integer("patient_id", false), text("allergy", true))
	patient.References = []schema.Reference{refer("patient_id", "person", "person_id")}
	obs := local("obs", integer("patient_id", false), integer("obs_group_id", true), text("value_text", true))
	obs.References = []schema.Reference{refer("patient_id", "patient", "patient_id"), refer("obs_group_id", "obs", "obs_id")}
	tag := natural("tag", []string{"person_id", "label"}, integer("person_id", false), text("label", false), text("note", true))
	tag.References = []schema.Reference{refer("person_id", "person", "person_id")}
	natural("setting", []string{"property"}, text("property", false), text("value", true))
	return m
}

func integer(name string, nullable bool) schema.Column {
	return schema.Column{Name: name, Type: "int(11)", Base: "int", Nullable: nullable}
}

func text(name string, nullable bool) schema.Column {
	return schema.Column{
		Name: name, Type: "longtext", Base: "longtext", Nullable: nullable,
		Charset: "utf8mb4", Collation: "utf8mb4_general_ci",
	}
}

func refer(column, table, target string) schema.Reference {
	return schema.Reference{Column: column, Table: table, Target: target, Declared: true, OnDelete: "RESTRICT", OnUpdate: "RESTRICT"}
}

func uuid(n int) string         { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
func keyOf(n int) crdt.Key      { return crdt.MakeKey(crdt.Text(uuid(n))) }
func refTo(n int) crdt.Value    { return crdt.Ref(keyOf(n)) }
func patientKey(n int) crdt.Key { return crdt.MakeKey(refTo(n)) }
