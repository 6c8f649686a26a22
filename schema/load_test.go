package schema

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"baraza/internal/mariadb/mariadbtest"
)

func TestMain(m *testing.M) { mariadbtest.Main(m) }

func TestLoad(t *testing.T) {
	db := mariadbtest.New(t)
	db.Must(t,
		`CREATE TABLE parent (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL, code VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin,
			note TEXT, bin VARBINARY(5), twice INT AS (req * 2) VIRTUAL, kept INT AS (req + 1) STORED,
			changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, req INT NOT NULL,
			doc JSON, valid LONGTEXT COLLATE utf8mb4_general_ci CHECK (json_valid(valid)),
			UNIQUE KEY u (uuid), UNIQUE KEY two (code, bin), UNIQUE KEY prefix (note(10)), KEY plain (req))`,
		`CREATE TABLE child (id BIGINT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE, parent_id INT UNSIGNED,
			CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE)`,
		`CREATE TABLE pair (a INT, b VARCHAR(10), PRIMARY KEY (b, a)) ENGINE=InnoDB`,
		`CREATE TABLE below (x INT PRIMARY KEY, b VARCHAR(10), a INT, FOREIGN KEY (b, a) REFERENCES pair (b, a))`,
		`CREATE TABLE old (a INT PRIMARY KEY) ENGINE=MyISAM`,
		`CREATE VIEW seen AS SELECT * FROM pair`,
		`CREATE TRIGGER theirs BEFORE INSERT ON pair FOR EACH ROW SET NEW.a = NEW.a`,
		`CREATE TRIGGER baraza_1_i AFTER INSERT ON pair FOR EACH ROW SET @x = 1`,
	)
	m, err := Load(context.Background(), db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(m.sorted()); got != "below child old pair parent" || m.Database != db.Name {
		t.Fatalf("tables %q of %q", got, m.Database)
	}
	p := m.Tables["parent"]
	for _, c := range []Column{
		{Name: "id", Type: "int(10) unsigned", Base: "int", Unsigned: true, HasDefault: true},
		{Name: "uuid", Type: "char(36)", Base: "char", Charset: "utf8mb4", Collation: "utf8mb4_general_ci", MaxChars: 36},
		{Name: "code", Type: "varchar(20)", Base: "varchar", Nullable: true, HasDefault: true, Charset: "latin1", Collation: "latin1_bin", MaxChars: 20},
		{Name: "note", Type: "text", Base: "text", Nullable: true, HasDefault: true, Charset: "utf8mb4", Collation: "utf8mb4_general_ci", MaxChars: 65535 / 4},
		{Name: "bin", Type: "varbinary(5)", Base: "varbinary", Nullable: true, HasDefault: true},
		{Name: "twice", Type: "int(11)", Base: "int", Nullable: true, HasDefault: true, Generated: true},
		{Name: "kept", Type: "int(11)", Base: "int", Nullable: true, HasDefault: true, Generated: true},
		{Name: "changed", Type: "timestamp", Base: "timestamp", HasDefault: true, OnUpdateNow: true},
		{Name: "req", Type: "int(11)", Base: "int"},
		{Name: "valid", Type: "longtext", Base: "longtext", Nullable: true, HasDefault: true, Charset: "utf8mb4", Collation: "utf8mb4_general_ci", MaxChars: 4294967295 / 4},
	} {
		if db.Server.Flavour().IsMySQL() { // it shows no display widths
			c.Type = strings.NewReplacer("int(10)", "int", "int(11)", "int").Replace(c.Type)
		}
		if got := p.Column(c.Name); got == nil || *got != c {
			t.Errorf("column %s:\n got %+v\nwant %+v", c.Name, got, c)
		}
	}
	if c := p.Column("doc"); c == nil || c.Base != "json" || !c.Nullable {
		t.Errorf("a document: %+v", c)
	}
	if len(p.Unique) != 2 || p.Unique[0].Name != "two" || strings.Join(p.Unique[0].Columns, " ") != "code bin" || p.Unique[1].Name != "u" {
		t.Errorf("unique %+v", p.Unique)
	}
	if p.AutoIncrement != "id" || p.Engine != "InnoDB" || !p.Identity.Local {
		t.Errorf("parent %+v", p)
	}
	want := Reference{"parent_id", "parent", "id", true, "SET NULL", "CASCADE"}
	if refs := m.Tables["child"].References; len(refs) != 1 || refs[0] != want {
		t.Errorf("references %+v", refs)
	}
	pair := m.Tables["pair"]
	if strings.Join(pair.PrimaryKey, " ") != "b a" || strings.Join(pair.Triggers, " ") != "theirs" {
		t.Errorf("pair %+v", pair)
	}
	if fks := m.Tables["below"].Composite; len(fks) != 1 || fks[0].Table != "pair" || strings.Join(fks[0].Columns, " ") != "b a" {
		t.Errorf("composite %+v", fks)
	}
	if got := names(Order(m)); got != "old pair below parent child" {
		t.Error(got)
	}
}

func TestLoadNeedsDatabase(t *testing.T) {
	db := mariadbtest.New(t)
	root, err := sql.Open("mysql", db.Server.DSN("root", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := Load(context.Background(), root, Options{}); err == nil || !strings.Contains(err.Error(), "names no database") {
		t.Error(err)
	}
}

// The facts of a real schema: 119 tables, 448 foreign keys, one circle.
func TestLoadOpenMRS(t *testing.T) {
	mariadbtest.OpenMRS(t)
	db := mariadbtest.New(t)
	db.LoadOpenMRS(t, "schema.sql")
	began := time.Now()
	m, err := Load(context.Background(), db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("loaded in %v", time.Since(began))
	foreign, uuid := 0, 0
	for _, x := range m.Tables {
		foreign += len(x.References)
		if x.Identity.Source == "uuid" && !x.Identity.Unsure {
			uuid++
		}
	}
	if len(m.Tables) != 119 || foreign != 448 || uuid != 96 {
		t.Errorf("%d tables, %d foreign keys, %d identities by uuid", len(m.Tables), foreign, uuid)
	}
	var refused []string
	for _, p := range Check(m) {
		t.Log(p)
		if p.Refused {
			refused = append(refused, p.Table)
		}
	}
	if got := strings.Join(refused, " "); got != "allergy allergy_reaction concept_name_tag_map concept_proposal_tag_map concept_stop_word "+
		"conditions obs_reference_range scheduler_task_config_property users" {
		t.Errorf("refused %s", got)
	}
	checkOrder(t, m)
	for name, source := range map[string]string{
		"patient": "reference to person", "drug_order": "reference to orders",
		"referral_order": "reference to orders", "role_privilege": "primary key", "obs": "uuid", "person": "uuid",
	} {
		if got := m.Tables[name].Identity.Source; got != source {
			t.Errorf("%s: identity %q, want %q", name, got, source)
		}
	}
	if u := m.Tables["users"]; !u.Identity.Unsure {
		t.Errorf("users.uuid is not unique, yet its identity is %v", u.Identity)
	}
	part, err := Load(context.Background(), db, Options{Tables: []string{"person", "patient", "obs"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Check(part) {
		if p.Refused {
			t.Error(p)
		}
	}
}
