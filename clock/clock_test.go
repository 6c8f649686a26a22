package clock_test

import (
	"math"
	"strings"
	"testing"

	"baraza/clock"
)

func TestClockSetBack(t *testing.T) {
	c := clock.NewClock(0)
	first := c.Give(1000)
	for range 70_000 { // more than the counter's 16 bits
		if next := c.Give(10); next <= first {
			t.Fatalf("%v was given after %v", next, first)
		}
	}
	if got := c.Last().Millis(); got != 1001 {
		t.Errorf("a full counter goes on at millisecond %d, want 1001", got)
	}
	if got := c.Give(5000); got != clock.At(5000, 0) {
		t.Errorf("once the system clock is ahead again it is followed: got %v", got)
	}
}

func TestTimesAreClamped(t *testing.T) {
	for _, test := range []struct{ millis, want int64 }{
		{-1, 0}, {math.MinInt64, 0}, {0, 0}, {1<<48 - 1, 1<<48 - 1}, {1 << 48, 1<<48 - 1}, {math.MaxInt64, 1<<48 - 1},
	} {
		if got := clock.At(test.millis, 7); got.Millis() != test.want || got.Counter() != 7 {
			t.Errorf("At(%d, 7) is millisecond %d, counter %d", test.millis, got.Millis(), got.Counter())
		}
	}
}

func TestForPeople(t *testing.T) {
	at := clock.At(1795339800125, 0)
	site := clock.SiteID{0xab, 0xcd, 0xef, 0x01, 0x23}
	for got, want := range map[string]string{
		at.String():            "2026-11-22T09:30:00.125Z",
		(at + 3).String():      "2026-11-22T09:30:00.125Z+3",
		site.Short():           "abcdef01",
		site.String():          "abcdef0123" + strings.Repeat("0", 22),
		clock.Stamp{}.String(): "baseline",
		clock.Stamp{Time: at, Site: site}.String():                     "2026-11-22T09:30:00.125Z@abcdef01",
		clock.VersionVector{{Site: site, Seq: 4, Through: 9}}.String(): "{abcdef01:4}",
		clock.VersionVector(nil).String():                              "{}",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestParseSiteIDRefuses(t *testing.T) {
	for _, bad := range []string{"", "ab", strings.Repeat("g", 32), strings.Repeat("0", 31), strings.Repeat("0", 34)} {
		if _, err := clock.ParseSiteID(bad); err == nil || !strings.Contains(err.Error(), "32 hexadecimal digits") {
			t.Errorf("ParseSiteID(%q): error %v", bad, err)
		}
	}
	if !(clock.SiteID{}).IsZero() || (clock.SiteID{15: 1}).IsZero() {
		t.Error("IsZero tells the zero id wrongly")
	}
}
