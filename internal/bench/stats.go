package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// median returns the middle value, the mean of the two middle ones for an even
// number. It does not change its argument.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// quantile returns the smallest value that at least the share q of the values
// do not exceed.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	i := int(math.Ceil(q*float64(len(s)))) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// ratios divides repetition by repetition: each was measured right beside its
// partner.
func ratios(values, against []float64) []float64 {
	out := make([]float64, 0, len(values))
	for i := range min(len(values), len(against)) {
		out = append(out, values[i]/against[i])
	}
	return out
}

// each formats the repetitions of a measurement.
func each(format string, values []float64) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = fmt.Sprintf(format, v)
	}
	return strings.Join(parts, " · ")
}

// grouped writes a number with a comma between thousands.
func grouped(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perSecond is a rate.
func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
