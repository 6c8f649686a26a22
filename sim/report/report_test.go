package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"baraza/sim/report"
	"baraza/sim/scenario"
)

func run(t *testing.T, text string, o scenario.Options) *scenario.Result {
	t.Helper()
	s, err := scenario.Read("test.yaml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Seed = s.Seed
	res, err := s.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const busy = `
name: "A <b>bad</b> name & more"
duration: 90s
sites: [hub, {name: "a-clinic-with-a-very-long-name-of-its-own", count: 2}, "R&D<b"]
workload: {rate: 1/s, rows: 6}
faults:
  - {at: 20s, for: 20s, fault: one, sites: [hub]}
  - {at: 50s, for: 5s, fault: crash, sites: [hub]}
  - {at: 60s, for: 5s, fault: clock bump, sites: [hub], by: 5s}
expect: [divergent_end == 0]
`

var svgs = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// TestPage: the page is whole for a busy run, for one in which nothing happens,
// and for one that ends before the sites are equal; every figure is well-formed
// and has numbers only.
func TestPage(t *testing.T) {
	for name, text := range map[string]string{
		"busy":    busy,
		"nothing": "duration: 10s\nsites: 2\nspacetime: 0s\n",
		"short":   "duration: 1ms\nsettle: no\nsites: 2\n",
		"many":    "duration: 5s\nsites: 20\ntopology: ring\nworkload: {rate: 1/s}\nline: {open: [00:00-12:00]}\n",
	} {
		var page bytes.Buffer
		if err := report.WritePage(&page, run(t, text, scenario.Options{}), "test"); err != nil {
			t.Fatal(err)
		}
		found := svgs.FindAllString(page.String(), -1)
		if len(found) < 16 {
			t.Errorf("%s: %d figures only", name, len(found))
		}
		for _, svg := range found {
			d := xml.NewDecoder(strings.NewReader(svg))
			for {
				_, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v in %.300s", name, err, svg)
				}
			}
		}
		for _, bad := range []string{"NaN", "Inf", "%!", "<b>bad", "ZgotmplZ"} {
			if strings.Contains(page.String(), bad) {
				t.Errorf("%s: the page has %q", name, bad)
			}
		}
	}
}

// TestShades: the legend says what was wrong, and nothing else; and so it is drawn.
func TestShades(t *testing.T) {
	const text = "duration: 3m\nsites: 3\nworkload: {rate: 1/s, rows: 6}\nfaults:\n  - {at: 40s, for: 20s, fault: %s, sites: [s1]}\n"
	all := map[string]string{"cut": "lines cut", "restored": "database restored", "lost": "disk lost"}
	for fault, want := range map[string]string{"one": "cut", "database restored": "restored", "disk lost": "lost", "disk and database lost": "lost"} {
		var b bytes.Buffer
		res := run(t, fmt.Sprintf(text, fault), scenario.Options{})
		if err := report.WritePage(&b, res, "test"); err != nil {
			t.Fatal(err)
		}
		// A site that joined again goes on with its log.
		if samples := res.Measured.Samples; samples[len(samples)-1].StaleMax > 0 {
			t.Errorf("%s: in the end a site lacks what is %v old", fault, samples[len(samples)-1].StaleMax)
		}
		page := b.String()
		drawn := regexp.MustCompile(`<rect x="[^"]*" y="[^"]*" width="[^"]*" height="[^"]*" class="band ` + want).MatchString(page)
		if !drawn {
			t.Errorf("%s: nothing is drawn as %q", fault, want)
		}
		for class, says := range all {
			if got := strings.Contains(page, "</svg>"+says); got != (class == want) {
				t.Errorf("%s: the legend has %q: %v", fault, says, got)
			}
		}
	}
}

// TestMetrics: every line has every column, counts never fall, and the last
// line is the end of the run.
func TestMetrics(t *testing.T) {
	res := run(t, busy, scenario.Options{})
	var b bytes.Buffer
	if err := report.WriteMetrics(&b, res.Measured); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) < 100 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	if at := rows[len(rows)-1][0]; at != fmt.Sprint(res.Simulated.Seconds()) {
		t.Errorf("the last line is at %s, the run ended at %v", at, res.Simulated)
	}
	cut := false
	for _, s := range res.Measured.Samples {
		// The hub is cut off: the others lack what it writes.
		cut = cut || s.At > 38*time.Second && s.At < 40*time.Second && s.StaleMax > 10*time.Second && s.Divergent > 0
	}
	if !cut {
		t.Error("a cut of 20 s cannot be seen in the measurements")
	}
	var sum bytes.Buffer
	var summary report.Summary
	if err := report.WriteSummary(&sum, res); err != nil || json.Unmarshal(sum.Bytes(), &summary) != nil {
		t.Fatal(err)
	}
	if summary.Figures["changes"] < 100 || summary.Figures["delay_max"] < 10 || summary.Result != "held" {
		t.Errorf("the summary is %+v", summary)
	}
}

// TestTrace: a trace is read as it was written.
func TestTrace(t *testing.T) {
	s, err := scenario.Read("test.yaml", busy, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	trace := report.NewTrace(&b, s, s.Seed, "v1")
	res, err := s.Run(context.Background(), scenario.Options{Seed: s.Seed, Event: trace.Event})
	if err != nil {
		t.Fatal(err)
	}
	if err := trace.Close(res); err != nil {
		t.Fatal(err)
	}
	h, f, err := report.ReadTrace("trace", bytes.NewReader(b.Bytes()))
	if err != nil || h.Text != busy || h.Seed != 1 || h.Program != "v1" || !f.End || f.Hash != report.HashText(res.Hash) || f.Steps != res.Steps {
		t.Fatalf("header %+v, end %+v: %v", h, f, err)
	}
	var sites, lines, others int
	last := uint64(0)
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n")[1:] {
		var e report.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Site != "":
			sites++
		case e.From != "" && e.To != "":
			lines++
		default:
			others++
		}
		if e.Step < last && e.What != "" {
			t.Fatalf("step %d after %d", e.Step, last)
		}
		last = max(last, e.Step)
	}
	if sites < 100 || lines < 100 || others > 20 {
		t.Errorf("%d events of sites, %d of lines, %d others", sites, lines, others)
	}
	for _, text := range []string{"", "x\n", `{"baraza_trace":99,"program":"v9"}` + "\n"} {
		if _, _, err := report.ReadTrace("trace", strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as a trace", text)
		}
	}
}
