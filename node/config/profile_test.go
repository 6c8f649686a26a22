package config

import (
	"slices"
	"testing"
)

func TestEveryProfileIsKnown(t *testing.T) {
	for _, name := range Profiles {
		if _, ok := profiles[name]; !ok {
			t.Errorf("profile %s has no settings", name)
		}
		c := full()
		c.Profile, c.Tables, c.Exclude = name, nil, nil
		c.ApplyProfile()
		if err := c.Check(); err != nil {
			t.Errorf("profile %s: %v", name, err)
		}
	}
}

func TestProfileKeepsWhatIsSet(t *testing.T) {
	c := Config{Profile: "openmrs", Tables: []string{"user_property", "person"}, Identity: map[string][]string{"users": {"username"}}}
	c.ApplyProfile()
	if c.Identity["users"][0] != "username" || slices.Contains(c.Exclude, "user_property") || !slices.Contains(c.Exclude, "shedlock") {
		t.Fatalf("%+v", c)
	}
	before := len(c.Exclude)
	c.ApplyProfile()
	if len(c.Exclude) != before {
		t.Error("applied twice, excluded twice")
	}
	none := Config{}
	none.ApplyProfile()
	if none.Identity != nil || none.Exclude != nil {
		t.Errorf("no profile: %+v", none)
	}
	if openmrs := profiles["openmrs"]; openmrs.identity["users"][0] != "uuid" {
		t.Error("applying changed the profile itself")
	}
}
