package sim

import (
	"fmt"

	"baraza/crdt"
	"baraza/schema"
)

// clinic is the schema of the runs: local numbers with a uuid (person, obs), a
// key that is a reference (patient, tag, charge), references to the own table
// that may (obs, visit) and may not (users) be NULL, each ON DELETE action,
// cascades of several levels and of a table to itself (visit, charge), unique
// values that may and may not be NULL, alone and together (users, badge), numbers
// to count with (stock, account), rows that a number alone names (ticket), keys that change and circles of tables (see
// cascades.go), and a natural key (setting).
var clinic = newClinic()

// tableNames are the tables, those that are referred to first.
var tableNames = func() []string {
	var names []string
	for _, t := range schema.Order(clinic) {
		names = append(names, t.Name)
	}
	return names
}()

// models are clinic without the tables that few worlds have, by whether there are
// numbered rows, and no cascades, cascades or such with RESTRICT in a circle.
var models = func() (all [2][3]*schema.Model) {
	for numbers := range all {
		for cascades := range all[numbers] {
			m := newClinic()
			if numbers == 0 {
				delete(m.Tables, numbered)
			}
			for _, name := range cascadeKinds {
				if cascades == 0 {
					delete(m.Tables, name)
				}
			}
			if cascades == 2 {
				m.Tables["ward"].Reference("deputy_id").OnDelete = "RESTRICT"
			}
			all[numbers][cascades] = m
		}
	}
	return all
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
	remark := local("remark", integer("person_id", true), text("body", true))
	remark.References = []schema.Reference{onDelete("SET NULL", refer("person_id", "person", "person_id"))}
	visit := local("visit", integer("person_id", false), integer("parent_id", true), text("reason", true))
	visit.References = []schema.Reference{
		onDelete("CASCADE", refer("person_id", "person", "person_id")), onDelete("CASCADE", refer("parent_id", "visit", "visit_id")),
	}
	charge := natural("charge", []string{"visit_id", "code"}, integer("visit_id", false), text("code", false), text("amount", true))
	charge.References = []schema.Reference{onDelete("CASCADE", refer("visit_id", "visit", "visit_id"))}
	bill := local("bill", integer("visit_id", false), integer("remark_id", true), text("note", true))
	bill.References = []schema.Reference{refer("visit_id", "visit", "visit_id"), onDelete("SET NULL", refer("remark_id", "remark", "remark_id"))}
	badge := local("badge", short("number", false), integer("person_id", true), short("slot", true), text("note", true))
	badge.Unique = append(badge.Unique, schema.Index{Name: "number", Columns: []string{"number"}}, schema.Index{Name: "place", Columns: []string{"person_id", "slot"}})
	badge.References = []schema.Reference{refer("person_id", "person", "person_id")}
	users := local("users", short("username", true), integer("person_id", false), integer("creator", false), text("note", true))
	users.Unique = append(users.Unique, schema.Index{Name: "username", Columns: []string{"username"}})
	users.References = []schema.Reference{refer("person_id", "person", "person_id"), refer("creator", "users", "users_id")}
	natural("setting", []string{"property"}, text("property", false), text("value", true))
	account := local("account", integer("person_id", false), short("code", true), integer("balance", false), text("note", true))
	account.Unique = append(account.Unique, schema.Index{Name: "code", Columns: []string{"code"}})
	account.References = []schema.Reference{onDelete("CASCADE", refer("person_id", "person", "person_id"))}
	price := schema.Column{Name: "price", Type: "decimal(20,2)", Base: "decimal"}
	natural("stock", []string{"item"}, text("item", false), integer("quantity", false), price, text("note", true))
	ticket := natural(numbered, []string{numberColumn}, integer(numberColumn, false), integer("person_id", false), integer("parent_id", true), text(firstValue, true), text("note", true))
	ticket.AutoIncrement = numberColumn
	ticket.References = []schema.Reference{refer("person_id", "person", "person_id"), refer("parent_id", numbered, numberColumn)}
	addCascades(local, natural)
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

func short(name string, nullable bool) schema.Column {
	c := text(name, nullable)
	c.Type, c.Base, c.MaxChars = "varchar(20)", "varchar", 20
	return c
}

func refer(column, table, target string) schema.Reference {
	return schema.Reference{Column: column, Table: table, Target: target, Declared: true, OnDelete: "RESTRICT", OnUpdate: "RESTRICT"}
}

func onDelete(action string, ref schema.Reference) schema.Reference {
	ref.OnDelete = action
	return ref
}

func uuid(n int) string         { return uuidOf(n).Payload() }
func keyOf(n int) crdt.Key      { return crdt.MakeKey(uuidOf(n)) }
func patientKey(n int) crdt.Key { return crdt.MakeKey(refTo(n)) }

func refTo(n int) crdt.Value {
	if 0 <= n && n < len(lowRefs) {
		return lowRefs[n]
	}
	return crdt.Ref(keyOf(n))
}

func uuidOf(n int) crdt.Value {
	if 0 <= n && n < len(lowUUIDs) {
		return lowUUIDs[n]
	}
	return newUUID(n)
}

func newUUID(n int) crdt.Value { return crdt.Text(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

// lowUUIDs and lowRefs are the uuids of the rows that most runs write, and
// references to them.
var (
	lowUUIDs = func() (list [256]crdt.Value) {
		for n := range list {
			list[n] = newUUID(n)
		}
		return list
	}()
	lowRefs = func() (list [256]crdt.Value) {
		for n := range list {
			list[n] = crdt.Ref(crdt.MakeKey(lowUUIDs[n]))
		}
		return list
	}()
)
