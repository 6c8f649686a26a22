package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

const dsn = "baraza:s3cret-Pass@tcp(127.0.0.1:3306)/openmrs"

func full() Config {
	c := Default()
	c.Name, c.DSN = "Kisumu 2", dsn
	c.Advertise = []string{"clinic7.example.org:7946"}
	c.Profile = "openmrs"
	c.Tables, c.Exclude = []string{"person", "obs_*"}, []string{"obs_tmp"}
	c.Identity = map[string][]string{"role": {"role"}}
	c.References = map[string]string{"orders.concept_id": "concept.concept_id"}
	c.MaxDrift = Duration(90 * time.Second)
	c.App = App{URL: "http://localhost:8080/openmrs", User: "baraza", Password: "s3cret-App"}
	c.Hooks = []Hook{{Name: "index", URL: "/index", After: Duration(time.Second), Bodies: []Body{{Tables: []string{"person"}, Row: `{"uuid":"{key}"}`, Table: "{}"}}}}
	return c
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	want := full()
	if err := want.Save(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, File))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	got.Tables = nil
	if err := got.Save(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d files are left, %v", len(entries), err)
	}
}

func TestDefaultsFillIn(t *testing.T) {
	c, err := Parse("f", []byte("name: a\ndsn: \""+dsn+"\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != DefaultListen || c.Capture != "auto" || time.Duration(c.MaxDrift) != DefaultMaxDrift {
		t.Fatalf("%+v", c)
	}
}

func TestEverySettingHasAKind(t *testing.T) {
	for file, w := range map[string]words{"the settings": settingsWords, "a profile": profileWords} {
		for _, key := range w.keys {
			if w.kinds[key] == "" {
				t.Errorf("%s: %s is not in kinds", file, key)
			}
		}
	}
}

func TestErrorsAreOneLineWithThePlace(t *testing.T) {
	base := "name: a\ndsn: \"" + dsn + "\"\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":     {base + "lisen: x\n", `baraza.yaml:3: there is no setting "lisen": use name, dsn,`},
		"wrong type":      {base + "tables: person\n", "baraza.yaml:3: tables has a value of the wrong kind: write a list"},
		"wrong type deep": {base + "identity:\n  users: 3\n", "baraza.yaml:4: identity has a value of the wrong kind: write tables with lists"},
		"list for text":   {base + "listen: [a]\n", "baraza.yaml:3: listen has a value of the wrong kind: write HOST:PORT"},
		"twice":           {base + "web: \"127.0.0.1:1\"\nweb: \"127.0.0.1:1\"\n", `baraza.yaml:4: the setting "web" is there twice`},
		"no yaml":         {base + "tables: [person\n", "baraza.yaml:3: this is not YAML"},
		"a drift":         {base + "max_drift: soon\n", `baraza.yaml:3: max_drift: "soon" is not a length of time`},
		"a drift range":   {base + "max_drift: 0s\n", "baraza.yaml:3: max_drift: 0s is not between"},
		"a hook's length": {base + "hooks: [{name: a, url: 'http://a/b', after: soon}]\n", `baraza.yaml:3: hooks: "soon" is not a length of time`},
		"a hook's url":    {base + "hooks: [{name: a, url: a/b}]\n", "baraza.yaml:3: hooks: a: url: the url is not one"},
		"a hook's user":   {base + "hooks: [{name: a, url: 'http://u:p@a/b'}]\n", "baraza.yaml:3: hooks: a: url: the url has a user in it"},
		"two hooks":       {base + "hooks: [{name: a, url: 'http://a/b'}, {name: a, command: [b]}]\n", "baraza.yaml:3: hooks: number 2 has no name of its own"},
		"url and command": {base + "hooks: [{name: a, url: 'http://a/b', command: [b]}]\n", "baraza.yaml:3: hooks: a: it has to have a url or a command"},
		"a number":        {base + "\n\nmax_drift: 5\n", "baraza.yaml:5: max_drift"},
		"capture":         {base + "capture: magic\n", `baraza.yaml:3: capture: "magic" is not known: use auto, trigger`},
		"binlog":          {base + "capture: binlog\n", "baraza.yaml:3: capture: this version has no binlog capture"},
		"web":             {base + "web: \"127.0.0.1:1\"\n", "baraza.yaml:3: web: this version has no web console"},
		"profile":         {base + "profile: X Y\n", `baraza.yaml:3: profile: "X Y" is not the name of a profile`},
		"listen":          {base + "listen: here\n", `baraza.yaml:3: listen: "here" is not HOST:PORT`},
		"port 0":          {base + "listen: \"127.0.0.1:0\"\n", `baraza.yaml:3: listen: "127.0.0.1:0" is not HOST:PORT`},
		"advertise":       {base + "advertise: [\":7946\"]\n", "baraza.yaml:3: advertise: \":7946\" names no host"},
		"pattern":         {base + "tables: [\"a[\"]\n", "baraza.yaml:3: tables: \"a[\" is not a table name"},
		"reference":       {base + "references: {a: b}\n", "baraza.yaml:3: references: \"a\" to \"b\""},
		"no name":         {"dsn: \"" + dsn + "\"\n", "baraza.yaml: name: there is none"},
		"no dsn":          {"name: a\n", "baraza.yaml: dsn: there is none"},
		"dsn":             {"name: a\ndsn: \"baraza:s3cret-Pass@\"\n", "baraza.yaml:2: dsn: it is not of the form"},
		"dsn no database": {"name: a\ndsn: \"baraza:s3cret-Pass@tcp(h:1)/\"\n", "baraza.yaml:2: dsn: it names no database"},
		"dsn wrong type":  {"name: a\ndsn: [\"baraza:s3cret-Pass@tcp(h:1)/\"]\n", "baraza.yaml:2: dsn has a value of the wrong kind"},
		"dsn open quote":  {"name: a\ndsn: \"baraza:s3cret-Pass@tcp(h:1)/\n", "baraza.yaml:2: this is not YAML"},
		"a list":          {"- a\n", "baraza.yaml:1: the file has a value of the wrong kind"},
		"empty":           {"", "baraza.yaml: name: there is none"},
	} {
		_, err := Parse("baraza.yaml", []byte(c.text))
		switch {
		case err == nil:
			t.Errorf("%s: no error", name)
		case !strings.HasPrefix(err.Error(), c.want):
			t.Errorf("%s:\n got %q\nwant %q", name, err, c.want)
		case strings.Contains(err.Error(), "\n"), strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: more than one line, or a secret: %q", name, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "baraza init") {
		t.Errorf("no file: %v", err)
	}
	c := full()
	if err := c.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, File), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	if err := MakeDir(dir); err == nil || !strings.Contains(err.Error(), "a site is here already") {
		t.Errorf("MakeDir over a site: %v", err)
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	c := full()
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	log.Info("start", "config", c, "dsn", c.DSN)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("start", "config", c, "dsn", c.DSN)
	out := []string{string(asJSON), logged.String(), DSN("what:s3cret-Pass@").String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		out = append(out, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, c.DSN))
	}
	hex := fmt.Sprintf("%x", "s3cret-Pass")
	for _, text := range out {
		if strings.Contains(text, "s3cret") || strings.Contains(strings.ToLower(text), hex) {
			t.Errorf("the password is in %s", text)
		}
	}
	if got := c.DSN.String(); got != "baraza:***@tcp(127.0.0.1:3306)/openmrs" {
		t.Errorf("String: %s", got)
	}
}

func TestReadDSN(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(path, []byte(dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]DSN{dsn: dsn, "@" + path: dsn, "@tcp(h:1)/db": "@tcp(h:1)/db", "@/db": "@/db"} {
		if got, err := ReadDSN(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestSharedTravels(t *testing.T) {
	c := full()
	s, err := UnmarshalShared(c.Shared().Marshal())
	if err != nil {
		t.Fatal(err)
	}
	other := Default()
	other.Name, other.DSN = "b", "x@/y"
	other.Adopt(s)
	if !reflect.DeepEqual(other.Shared(), c.Shared()) {
		t.Fatalf("%+v", other)
	}
	if strings.Contains(string(c.Shared().Marshal()), "s3cret") {
		t.Fatal("the password travels")
	}
}

// The second process is this test binary again.
func TestOneProcessPerDirectory(t *testing.T) {
	if dir := os.Getenv("BARAZA_TEST_LOCK"); dir != "" {
		_, err := Acquire(dir)
		fmt.Println("CHILD:", err)
		return
	}
	dir := t.TempDir()
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	try := func() string {
		cmd := exec.Command(os.Args[0], "-test.run=TestOneProcessPerDirectory")
		cmd.Env = append(os.Environ(), "BARAZA_TEST_LOCK="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatal(err, string(out))
		}
		return string(out)
	}
	if out := try(); !strings.Contains(out, "in use by the baraza process "+strconv.Itoa(os.Getpid())+":") {
		t.Errorf("held: %s", out)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if out := try(); !strings.Contains(out, "CHILD: <nil>") {
		t.Errorf("released: %s", out)
	}
}
