package report

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"baraza/sim"
	"baraza/sim/measure"
	"baraza/sim/scenario"
)

// WriteMetrics writes the measurements, one a line.
func WriteMetrics(w io.Writer, r *measure.Recorder) error {
	out := csv.NewWriter(w)
	header := []string{"t_s", "sites_up", "divergent_cells", "stale_p50_s", "stale_p90_s", "stale_max_s", "transactions", "changes", "overwritten"}
	for _, name := range measure.ConflictNames {
		header = append(header, strings.ReplaceAll(name, " ", "_"))
	}
	for _, kind := range sim.MessageKinds {
		header = append(header, "messages_"+kind, "bytes_"+kind)
	}
	if err := out.Write(header); err != nil {
		return err
	}
	decimal := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	for i := range r.Samples {
		s := &r.Samples[i]
		row := []string{
			decimal(s.At.Seconds()), strconv.Itoa(s.Up), strconv.Itoa(s.Divergent),
			decimal(s.Stale50.Seconds()), decimal(s.Stale90.Seconds()), decimal(s.StaleMax.Seconds()),
			strconv.Itoa(s.Transactions), strconv.Itoa(s.Changes), strconv.Itoa(s.Overwritten),
		}
		for _, n := range s.Conflicts {
			row = append(row, strconv.Itoa(n))
		}
		for k := range sim.MessageKinds {
			row = append(row, strconv.FormatUint(s.Messages[k], 10), strconv.FormatUint(s.Bytes[k], 10))
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// Summary are the figures of a run.
type Summary struct {
	Name      string             `json:"name"`
	Seed      uint64             `json:"seed"`
	Result    string             `json:"result"`
	Hash      string             `json:"hash"`
	Steps     uint64             `json:"steps"`
	Simulated float64            `json:"simulated_s"`
	Figures   map[string]float64 `json:"figures"` // times in seconds
}

// WriteSummary writes the figures of a run as JSON.
func WriteSummary(w io.Writer, res *scenario.Result) error {
	s := Summary{res.Scenario.Name, res.Seed, Verdict(res), HashText(res.Hash), res.Steps, res.Simulated.Seconds(), map[string]float64{}}
	for _, m := range measure.Metrics {
		s.Figures[m.Name], _ = res.Measured.Value(m.Name)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}
