package scenario

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"baraza/sim"
)

// Day and Year are the longer units of time that scenarios know.
const (
	Day  = 24 * time.Hour
	Year = 365 * Day
)

var longer = regexp.MustCompile(`^([0-9.]+)(y|w|d)(.*)$`)

// parseDuration reads Go's lengths of time, with y, w and d before them.
func parseDuration(s string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(strings.TrimSpace(s), "-")
	var sum float64
	exact := time.Duration(0)
	for m := longer.FindStringSubmatch(rest); m != nil; m = longer.FindStringSubmatch(rest) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a length of time", s)
		}
		sum += n * float64(map[string]time.Duration{"y": Year, "w": 7 * Day, "d": Day}[m[2]])
		rest = m[3]
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, fmt.Errorf("%q is not a length of time", s)
		}
		exact = d
	}
	if math.Abs(sum) > float64(250*Year) {
		return 0, fmt.Errorf("%q is more than 250 years", s)
	}
	d := time.Duration(sum) + exact
	if negative {
		d = -d
	}
	return d, nil
}

// parseLength is a length of time that is not negative.
func parseLength(s string) (time.Duration, error) {
	d, err := parseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is less than nothing", s)
	}
	return d, err
}

// parseRate reads "2/s", "30/min", "5/h", "10/day" into times per second.
func parseRate(s string) (float64, error) {
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	per, known := map[string]float64{"s": 1, "min": 60, "h": 3600, "day": 86400}[strings.TrimSpace(unit)]
	if err != nil || !known && (unit != "" || n != 0) || n < 0 || n > 1e6 {
		return 0, fmt.Errorf("%q is not a rate", s)
	}
	if !known {
		return 0, nil
	}
	return n / per, nil
}

// parsePart reads "1%" or "0.01".
func parsePart(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		n /= 100
	}
	if err != nil || n < 0 || n >= 1 {
		return 0, fmt.Errorf("%q is not a part of the whole", s)
	}
	return n, nil
}

// bytesUnits are per second; those of lines are powers of ten, those of memory
// not used here.
var bytesUnits = []struct {
	suffix string
	bytes  float64
}{{"Mbit/s", 125_000}, {"kbit/s", 125}, {"bit/s", 0.125}, {"MB/s", 1e6}, {"kB/s", 1e3}, {"B/s", 1}}

// parseBandwidth reads "64 kbit/s" or "8 kB/s" into bytes per second.
func parseBandwidth(s string) (int64, error) {
	for _, u := range bytesUnits {
		number, ok := strings.CutSuffix(strings.TrimSpace(s), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n*u.bytes < 1 || n*u.bytes > 1e12 {
			break
		}
		return int64(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is not a bandwidth", s)
}

// parsePPM reads "50 ppm", or a percentage, into parts in a million.
func parsePPM(s string) (int64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	number = strings.TrimSpace(strings.TrimSuffix(number, "ppm"))
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n *= 10_000
	}
	if err != nil || math.Abs(n) > 1e6 {
		return 0, fmt.Errorf("%q is not a drift", s)
	}
	return int64(n), nil
}

// parseWindow reads "08:00-09:30".
func parseWindow(s string) (sim.Window, error) {
	from, to, _ := strings.Cut(s, "-")
	a, err1 := parseClock(from)
	b, err2 := parseClock(to)
	if errors.Join(err1, err2) != nil || a == b {
		return sim.Window{}, fmt.Errorf("%q is not a part of a day", s)
	}
	return sim.Window{From: a, To: b}, nil
}

func parseClock(s string) (time.Duration, error) {
	hours, minutes, _ := strings.Cut(strings.TrimSpace(s), ":")
	h, err1 := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(minutes)
	if errors.Join(err1, err2) != nil || h < 0 || h > 24 || m < 0 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%q is not a time of day", s)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither yes nor no", s)
}

func parseText(s string) (string, error) { return strings.TrimSpace(s), nil }

func parseSeed(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }

// parseCount reads a number between two bounds.
func parseCount(least, most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		if err == nil && (n < least || n > most) {
			err = fmt.Errorf("%d is not between %d and %d", n, least, most)
		}
		return n, err
	}
}

func parseFloat(least, most float64) func(string) (float64, error) {
	return func(s string) (float64, error) {
		n, err := strconv.ParseFloat(s, 64)
		if err == nil && (n < least || n > most || math.IsNaN(n)) {
			err = fmt.Errorf("%v is not between %v and %v", n, least, most)
		}
		return n, err
	}
}
