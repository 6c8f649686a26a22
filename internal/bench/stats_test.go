package bench

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedianAndRatios(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
	got := ratios([]float64{2, 9, 7}, []float64{4, 3})
	if len(got) != 2 || got[0] != 0.5 || got[1] != 3 {
		t.Errorf("ratios = %v", got)
	}
}

func TestQuantile(t *testing.T) {
	var values []time.Duration
	for i := 100; i >= 1; i-- {
		values = append(values, time.Duration(i))
	}
	for q, want := range map[float64]time.Duration{0.5: 50, 0.99: 99, 1: 100, 0: 1} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v = %v, want %v", q, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}

func TestGrouped(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := grouped(v); got != want {
			t.Errorf("grouped(%v) = %q, want %q", v, got, want)
		}
	}
}

// What a bar says decides what is read: its edge must be right, and what could
// not be measured is not met.
func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		bar   bar
		value float64
		text  string
		met   bool
	}{
		{atLeast(0.75, "%.2f×"), 0.75, "≥ 0.75×", true},
		{atLeast(0.75, "%.2f×"), 0.7499, "≥ 0.75×", false},
		{atMost(250, "%.0f ms"), 250, "≤ 250 ms", true},
		{atMost(250, "%.0f ms"), 250.2, "≤ 250 ms", false},
		{atMost(250, "%.0f ms"), math.NaN(), "≤ 250 ms", false},
	} {
		if got := c.bar.verdict(c.value) == "met"; got != c.met || c.bar.String() != c.text {
			t.Errorf("%v against %v: met %v, want %v", c.value, c.bar, got, c.met)
		}
	}
	if (bar{}).verdict(1) != "" {
		t.Error("no bar, and a verdict")
	}
}

func TestReportCountsAndAppends(t *testing.T) {
	r := &Report{results: []*result{{
		title: "Some speed", method: "how", raw: []string{"rep 1 x"},
		lines: []line{
			{what: "good", bar: atLeast(1, "%.1f×"), value: 2},
			{what: "bad", bar: atLeast(1, "%.1f×"), value: 0.5},
			{what: "told", measured: "7"},
		},
	}}}
	text := r.Markdown("\n## Where the time goes\n")
	for _, want := range []string{
		"| good |  | ≥ 1.0× | 2.0× | met |\n", "| bad |  | ≥ 1.0× | 0.5× | **MISSED** |\n",
		"| told |  |  | 7 |  |\n", "rep 1 x", "\n## Where the time goes\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if r.Missed() != 1 || r.Failed() != 0 {
		t.Errorf("missed %d, failed %d", r.Missed(), r.Failed())
	}
}

func TestInterleaveRotates(t *testing.T) {
	var order []int
	_ = interleave(3, 3, func(rep, v int) error { order = append(order, 10*rep+v); return nil })
	want := []int{0, 1, 2, 11, 12, 10, 22, 20, 21}
	for i := range want {
		if order[i] != want[i] {
			t.Fatalf("order %v, want %v", order, want)
		}
	}
}
