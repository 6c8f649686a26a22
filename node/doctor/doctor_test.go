package doctor

import (
	"bytes"
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"baraza/internal/mariadb"
	"baraza/internal/mariadb/mariadbtest"
	"baraza/node/config"
	"baraza/schema"
)

func TestMain(m *testing.M) { mariadbtest.Main(m) }

func examine(t *testing.T, dsn string, opts Options) (*Report, string) {
	t.Helper()
	r, err := Examine(context.Background(), config.DSN(dsn), opts)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	return r, b.String()
}

// find returns the findings about a subject at a level.
func find(r *Report, l Level, subject string) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Level == l && f.Subject == subject {
			out = append(out, f)
		}
	}
	return out
}

func TestHealthyServer(t *testing.T) {
	db := mariadbtest.New(t)
	db.Must(t, "CREATE TABLE person (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"SET GLOBAL innodb_flush_log_at_trx_commit=1", "SET GLOBAL max_allowed_packet=67108864")
	t.Cleanup(func() {
		db.Must(t, "SET GLOBAL innodb_flush_log_at_trx_commit=2", "SET GLOBAL max_allowed_packet=16777216")
	})
	r, text := examine(t, db.DSN("root"), Options{Verbose: true})
	if r.Count(Problem)+r.Count(Warning) > 0 {
		t.Errorf("a healthy server:\n%s", text)
	}
	kind := "MariaDB 1"
	if db.Server.Flavour().IsMySQL() {
		kind = "MySQL 9."
	}
	for _, want := range []string{kind, "capture is by triggers", "replicated; rows are named by uuid (uuid); id stays this", "1 table can be replicated: 1 named by uuid"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// The remedy that is printed must be what makes the finding go away.
func TestGrantRemedyWorks(t *testing.T) {
	db := mariadbtest.New(t)
	db.Must(t, "CREATE TABLE person (uuid CHAR(38) NOT NULL PRIMARY KEY)", "CREATE USER 'clerk'@'%'", "GRANT SELECT ON "+db.Name+".* TO 'clerk'@'%'")
	t.Cleanup(func() { db.Must(t, "DROP USER 'clerk'@'%'") })
	r, text := examine(t, db.DSN("clerk"), Options{})
	problems := find(r, Problem, "grants")
	if len(problems) != 2 || !strings.Contains(problems[0].Text, "lacks INSERT, UPDATE, DELETE, TRIGGER") {
		t.Fatalf("problems %+v in\n%s", problems, text)
	}
	for _, p := range problems {
		db.Must(t, p.Remedy)
	}
	r, text = examine(t, db.DSN("clerk"), Options{})
	if len(find(r, Problem, "grants")) > 0 || r.Count(Problem) > 0 {
		t.Fatalf("after the remedy:\n%s", text)
	}
}

// A user that may not even open the database gets the whole GRANT.
func TestUserWithoutAnyGrant(t *testing.T) {
	s := mariadbtest.NewServer(t)
	db := mariadbtest.NewOn(t, s, "open_mrs")
	db.Must(t, "CREATE TABLE person (uuid CHAR(38) NOT NULL PRIMARY KEY)", "CREATE USER 'clerk'@'%'")
	r, text := examine(t, db.DSN("clerk"), Options{})
	problems := find(r, Problem, "grants")
	if len(problems) != 2 || problems[0].Remedy != "GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON `open\\_mrs`.* TO 'clerk'@'%';" || len(find(r, Problem, "tables")) != 1 {
		t.Fatalf("%s", text)
	}
	for _, p := range problems {
		db.Must(t, p.Remedy)
	}
	if r, text := examine(t, db.DSN("clerk"), Options{}); r.Count(Problem) > 0 {
		t.Fatalf("after the remedy:\n%s", text)
	}
}

func TestTables(t *testing.T) {
	db := mariadbtest.New(t)
	db.Must(t,
		"CREATE TABLE number_only (id INT AUTO_INCREMENT PRIMARY KEY, a INT)",
		"CREATE TABLE no_key (a INT)",
		"CREATE TABLE old_engine (uuid CHAR(38) NOT NULL PRIMARY KEY) ENGINE=MyISAM",
		"CREATE TABLE person (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, n INT)",
		"CREATE TRIGGER audit_person BEFORE UPDATE ON person FOR EACH ROW SET NEW.n = 1",
	)
	r, text := examine(t, db.DSN("root"), Options{})
	for _, table := range []string{"number_only", "no_key", "old_engine"} {
		f := find(r, Problem, table)
		if len(f) != 1 || f[0].Remedy == "" {
			t.Errorf("%s: %+v", table, f)
		}
	}
	f := find(r, Warning, "person")
	if len(f) != 1 || !strings.Contains(f[0].Text, "audit_person") || !strings.Contains(f[0].Remedy, "@baraza_apply") {
		t.Errorf("person: %+v\n%s", f, text)
	}
	db.Must(t, "CREATE TABLE batch (id INT PRIMARY KEY)", "ALTER TABLE person ADD FOREIGN KEY (n) REFERENCES batch (id) ON DELETE SET NULL")
	r, text = examine(t, db.DSN("root"), Options{Schema: schema.Options{Tables: []string{"person"}}})
	if f := find(r, OK, "batch"); len(f) != 1 || !strings.Contains(f[0].Text, "gets triggers") || !strings.Contains(f[0].Text, "person") {
		t.Errorf("a table outside: %+v\n%s", f, text)
	}
	if r.Count(Problem) > 0 {
		t.Errorf("person alone:\n%s", text)
	}
	r, _ = examine(t, db.DSN("root"), Options{Schema: schema.Options{Tables: []string{"x*"}}})
	if len(find(r, Problem, "tables")) != 1 {
		t.Error("no table chosen is no problem")
	}
}

func TestBinlogNeedsTrust(t *testing.T) {
	s := mariadbtest.NewServer(t, mariadb.WithBinlog())
	db := mariadbtest.NewOn(t, s, "app")
	db.Must(t, "CREATE TABLE person (uuid CHAR(38) NOT NULL PRIMARY KEY, n INT)", "CREATE USER 'clerk'@'%'",
		"GRANT ALL PRIVILEGES ON app.* TO 'clerk'@'%'", "GRANT ALL PRIVILEGES ON baraza.* TO 'clerk'@'%'")
	// What the doctor says is what the server does.
	try := func() error {
		clerk := openAs(t, db.DSN("clerk"))
		if _, err := clerk.Exec("DROP TRIGGER IF EXISTS baraza_x"); err != nil {
			return err
		}
		_, err := clerk.Exec("CREATE TRIGGER baraza_x BEFORE UPDATE ON person FOR EACH ROW SET NEW.n = 1")
		return err
	}
	for _, step := range []struct {
		statement string
		works     bool
	}{
		{"SET GLOBAL log_bin_trust_function_creators = OFF", false},
		{"SET GLOBAL log_bin_trust_function_creators = ON", true},
		{"SET GLOBAL log_bin_trust_function_creators = OFF", false},
		{"GRANT SUPER ON *.* TO 'clerk'@'%'", true},
	} {
		db.Must(t, step.statement)
		r, text := examine(t, db.DSN("clerk"), Options{})
		said, is := len(find(r, Problem, "capture")) == 0, try() == nil
		if said != step.works || is != step.works {
			t.Errorf("%s: the doctor says %v, the server %v, want %v\n%s", step.statement, said, is, step.works, text)
		}
	}
}

func TestUnsafeSettings(t *testing.T) {
	s := mariadbtest.NewServer(t, mariadb.WithArgs("--sql-mode=", "--max-allowed-packet=1M", "--read-only=1"))
	db := mariadbtest.NewOn(t, s, "app")
	db.Must(t, "SET GLOBAL foreign_key_checks = OFF")
	r, text := examine(t, db.DSN("root"), Options{Now: func() time.Time { return time.Now().Add(-5 * time.Second) }})
	for _, want := range []struct {
		level   Level
		subject string
	}{{Warning, "sql_mode"}, {Warning, "packet size"}, {Warning, "durability"}, {Warning, "foreign keys"}, {Problem, "server"}, {Warning, "clock"}, {Problem, "tables"}} {
		if len(find(r, want.level, want.subject)) != 1 {
			t.Errorf("no %v about %s in\n%s", want.level, want.subject, text)
		}
	}
	r, _ = examine(t, db.DSN("root"), Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	if len(find(r, Problem, "clock")) != 1 {
		t.Error("an hour off is no problem")
	}
}

func TestUnreachable(t *testing.T) {
	db := mariadbtest.New(t)
	db.Must(t, "CREATE USER 'locked'@'%' IDENTIFIED BY 's3cret'")
	t.Cleanup(func() { db.Must(t, "DROP USER 'locked'@'%'") })
	host := strings.TrimPrefix(db.DSN("root"), "root")
	for dsn, want := range map[string]string{
		"locked:wr0ng" + host:                               "does not let this user in",
		"root:s3cret@tcp(127.0.0.1:1)/x":                    "no server answers there",
		strings.Replace(db.DSN("root"), db.Name, "nope", 1): "no such database",
		"s3cret": "not of the form",
	} {
		_, err := Examine(context.Background(), config.DSN(dsn), Options{})
		if err == nil {
			t.Errorf("%s: no error", dsn)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// With its profile an OpenMRS database needs no further settings.
func TestOpenMRS(t *testing.T) {
	db := mariadbtest.New(t)
	db.LoadOpenMRS(t, "schema.sql")
	profile, err := config.LoadProfile("openmrs")
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config{}
	c.ApplyProfile(profile)
	r, text := examine(t, db.DSN("root"), Options{Schema: c.Schema(), Profile: profile})
	ok := find(r, OK, "tables")
	if len(ok) != 1 || r.Count(Problem) > 0 {
		t.Fatalf("%s", text)
	}
	t.Log(text)
	for table, want := range map[string]string{
		"users": "replicated; rows are named by uuid (configuration): OpenMRS forgot", "shedlock": "left out: a lock of one server",
		"concept_name_tag_map": "left out: it has no primary key; ALTER TABLE", "orders": "references without a foreign key: changed_by to users, concept_id to concept",
		"patient": "replicated; rows are named by patient_id (reference to person)", "obs": "obs_id stays this site's own",
	} {
		if f := find(r, OK, table); len(f) != 1 || !strings.Contains(f[0].Text, want) {
			t.Errorf("%s: %+v, want %q", table, f, want)
		}
	}
	// Given a key, a table that had none is replicated, by the pair of its parents.
	db.Must(t, "ALTER TABLE concept_name_tag_map ADD PRIMARY KEY (concept_name_id, concept_name_tag_id)")
	r, text = examine(t, db.DSN("root"), Options{Schema: c.Schema(), Profile: profile})
	if f := find(r, OK, "concept_name_tag_map"); len(f) != 1 || !strings.Contains(f[0].Text, "named by concept_name_id, concept_name_tag_id (primary key)") || r.Count(Problem) > 0 {
		t.Errorf("with a key: %+v\n%s", f, text)
	}
	// A module's table follows the general rules.
	db.Must(t, "CREATE TABLE module_a (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)", "CREATE TABLE module_b (id INT AUTO_INCREMENT PRIMARY KEY)")
	r, text = examine(t, db.DSN("root"), Options{Schema: c.Schema(), Profile: profile})
	if len(find(r, OK, "module_a")) != 1 || len(find(r, Problem, "module_b")) != 1 || len(find(r, Problem, "numbers")) != 1 || r.Count(Problem) != 2 {
		t.Errorf("with a module:\n%s", text)
	}
}

func openAs(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
