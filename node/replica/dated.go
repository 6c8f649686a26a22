package replica

import (
	"slices"
	"time"

	"baraza/clock"
	"baraza/crdt"
	"baraza/schema"
)

// The stamps of rows that were there before anybody looked: lower than any that
// a clock gives, higher than the baseline, where nothing tells when they were
// written; else the time that the row itself tells (schema.Table.Dates).
const ownTime clock.Timestamp = 1

// dating tells when rows were written that were there before anybody looked. The
// zero value knows of no dates.
type dating struct {
	model *schema.Model
	// latest bounds it: a date in the future is a mistake, and must not beat what
	// is written from now on.
	latest clock.Timestamp
}

// of returns when a row says that it was last written, by the greatest of its
// dates; ownTime when it does not say. zoneSeconds is how far its database's
// local time is ahead of UTC.
func (d *dating) of(table string, columns []string, values []crdt.Value, zoneSeconds int) clock.Timestamp {
	at := ownTime
	if d.model == nil || d.model.Tables[table] == nil {
		return at
	}
	t := d.model.Tables[table]
	for _, name := range t.Dates {
		i := slices.Index(columns, name)
		if i < 0 {
			continue
		}
		zone := zoneSeconds
		if c := t.Column(name); c != nil && c.Base == "timestamp" {
			zone = 0 // travels in UTC
		}
		at = max(at, min(dateOf(values[i], zone), d.latest))
	}
	return at
}

// dateOf reads a DATE, DATETIME or TIMESTAMP; zero where it is none.
func dateOf(v crdt.Value, zoneSeconds int) clock.Timestamp {
	if v.Tag() != crdt.TagTime {
		return 0
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02"} { // a fraction may follow the seconds
		if at, err := time.Parse(layout, v.Payload()); err == nil {
			return clock.At(at.Add(-time.Duration(zoneSeconds)*time.Second).UnixMilli(), 0)
		}
	}
	return 0
}
