package measure_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"baraza/sim/measure"
)

// TestQuantiles: the histogram answers as the sorted list does, to 1 %.
func TestQuantiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var h measure.Histogram
	var list []time.Duration
	for range 5000 {
		d := time.Microsecond + time.Duration(rnd.ExpFloat64()*float64(time.Duration(1)<<(10+rnd.IntN(30))))
		list = append(list, d)
		h.Add(d)
	}
	slices.Sort(list)
	for _, part := range []float64{0.01, 0.25, 0.5, 0.9, 0.99, 0.999} {
		got, want := h.Quantile(part), list[int(part*float64(len(list)))-1]
		if d := float64(got-want) / float64(want+2*time.Microsecond); d < -0.011 || d > 0.011 {
			t.Errorf("quantile %v is %v, not %v", part, got, want)
		}
	}
	if h.Quantile(1) != list[len(list)-1] || h.Max() != list[len(list)-1] {
		t.Errorf("the greatest is %v, not %v", h.Quantile(1), list[len(list)-1])
	}
	var none measure.Histogram
	if none.Quantile(0.5) != 0 || none.Max() != 0 {
		t.Error("none has a quantile")
	}
}

// TestFiguresDocumented: docs/scenarios.md has every figure, as it is.
func TestFiguresDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range measure.Metrics {
		if row := fmt.Sprintf("| `%s` | %s |\n", m.Name, m.About); !strings.Contains(string(text), row) {
			t.Errorf("docs/scenarios.md has no line\n%s", row)
		}
	}
}
