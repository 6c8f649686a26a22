package config

import (
	"encoding/json"
	"fmt"

	"baraza/schema"
)

// Shared is the part of the settings that all sites have in common. A joining
// site gets it from its inviter.
type Shared struct {
	Profile     string                    `json:"profile,omitempty"`
	Tables      []string                  `json:"tables,omitempty"`
	Exclude     []string                  `json:"exclude,omitempty"`
	Keyless     []string                  `json:"keyless,omitempty"`
	Identity    map[string][]string       `json:"identity,omitempty"`
	References  map[string]string         `json:"references,omitempty"`
	Typed       map[string]schema.TypedBy `json:"typed_references,omitempty"`
	SameRows    map[string]schema.Match   `json:"same_rows,omitempty"`
	FirstStamps []string                  `json:"first_stamps,omitempty"`
	Unique      map[string]string         `json:"unique,omitempty"`
	Counters    map[string][]string       `json:"counters,omitempty"`
	// Numbers are those that the members give out, by name.
	Numbers map[string]Numbers `json:"numbers,omitempty"`
	// Hooks are those that call the application below its address, which each
	// site sets itself. Others are one site's own.
	Hooks []Hook `json:"hooks,omitempty"`
}

// Shared returns the common part of the settings.
func (c *Config) Shared() Shared {
	var hooks []Hook
	for i := range c.Hooks {
		if c.Hooks[i].ofApp() {
			hooks = append(hooks, c.Hooks[i])
		}
	}
	return Shared{c.Profile, c.Tables, c.Exclude, c.Keyless, c.Identity, c.References, c.Typed, c.SameRows, c.FirstStamps, c.Unique, c.Counters, c.Members(), hooks}
}

// Adopt takes the common part over. Of hooks only those are taken that Shared
// gives: no site makes another run a command or call a stranger.
func (c *Config) Adopt(s Shared) {
	c.Profile, c.Tables, c.Exclude, c.Keyless = s.Profile, s.Tables, s.Exclude, s.Keyless
	c.Identity, c.References, c.Typed, c.SameRows, c.FirstStamps = s.Identity, s.References, s.Typed, s.SameRows, s.FirstStamps
	c.Unique, c.Counters = s.Unique, s.Counters
	c.AutoIncrement = nil
	if len(s.Numbers) > 0 {
		c.AutoIncrement = &AutoIncrement{Others: s.Numbers}
	}
	for i := range s.Hooks {
		if s.Hooks[i].ofApp() {
			c.Hooks = append(c.Hooks, s.Hooks[i])
		}
	}
}

// Schema returns what the settings say of the tables.
func (c *Config) Schema() schema.Options {
	return schema.Options{
		Tables: c.Tables, Exclude: c.Exclude, Keyless: c.Keyless, Identity: c.Identity,
		References: c.References, Typed: c.Typed, Match: c.SameRows, FirstStamps: c.FirstStamps,
		Numbered: c.AutoIncrement != nil && c.AutoIncrement.Apart(),
	}
}

// Marshal returns the form that travels.
func (s Shared) Marshal() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("config: texts did not encode: " + err.Error())
	}
	return b
}

// UnmarshalShared reads what Marshal wrote. What a newer version added is
// left out.
func UnmarshalShared(b []byte) (Shared, error) {
	var s Shared
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("reading the settings of the inviter: %w: use the same version of baraza at both ends", err)
	}
	return s, nil
}
