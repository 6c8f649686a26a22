package gossip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"baraza/clock"
)

// TestScenarios runs the files of testdata: a network, what happens to it, and
// the messages that follow. go test -rewrite takes the present behaviour as the
// right one; read the difference before committing it. Commands:
//
//	sites a b …            the sites
//	connect a b [ms=N]     a link with this latency (10)
//	cut a b · heal a b     its connection goes, comes back
//	write a [n=N]          a adds entries of its own
//	truncate a of=b keep=N a's log drops all but the last N entries of b
//	reset a of=b at=N      a's store is set back to entry N of b, a restarts
//	run ms=N [quiet]       time passes; prints the messages sent
//	state                  what each has, <from whom
//	stranded a             what a can get as state only
//	own-ahead a            entries of a that only others have
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &scenario{t: t, w: newNetwork(1), nodes: map[string]*node{}}
		datadriven.RunTest(t, path, s.do)
	})
}

type scenario struct {
	t     *testing.T
	w     *network
	nodes map[string]*node
	out   strings.Builder
}

func (s *scenario) do(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	number := func(key string, def int) int { d.MaybeScanArgs(t, key, &def); return def }
	site := func(i int) *node { return s.nodes[d.CmdArgs[i].Key] }
	link := func() *link {
		for _, l := range s.w.links {
			if a, b := site(0), site(1); l.a == a && l.b == b || l.a == b && l.b == a {
				return l
			}
		}
		t.Fatalf("%s: no such link", d.Pos)
		return nil
	}
	s.w.trace = func(f string, a ...any) { fmt.Fprintf(&s.out, f+"\n", a...) }
	switch d.Cmd {
	case "sites":
		for _, a := range d.CmdArgs {
			s.nodes[a.Key] = s.w.addNode(a.Key, Config{})
		}
	case "connect":
		s.w.connect(site(0), site(1), time.Duration(number("ms", 10))*time.Millisecond)
	case "cut":
		s.w.cut(link())
	case "heal":
		s.w.heal(link())
	case "write":
		site(0).write(number("n", 1))
	case "truncate":
		var of string
		d.ScanArgs(t, "of", &of)
		id := s.nodes[of].id
		site(0).first[id] = uint64(len(site(0).log[id])-number("keep", 0)) + 1
	case "reset":
		var of string
		d.ScanArgs(t, "of", &of)
		s.reset(site(0), s.nodes[of].id, number("at", 0))
	case "run":
		if d.HasArg("quiet") {
			s.w.trace = func(string, ...any) {}
		}
		s.w.run(time.Duration(number("ms", 1000))*time.Millisecond, nil)
	case "state":
		s.out.WriteString(s.w.state())
	case "stranded":
		for _, x := range site(0).p.Stranded() {
			fmt.Fprintf(&s.out, "%s holds %s from %d\n", s.w.name(x.Peer), s.w.name(x.Origin), x.First)
		}
	case "own-ahead":
		fmt.Fprintf(&s.out, "%d\n", site(0).p.OwnAhead())
	default:
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	}
	if s.w.err != nil {
		fmt.Fprintf(&s.out, "error: %v\n", s.w.err)
	}
	return s.names(s.out.String())
}

// reset restarts a site with a log that lost entries.
func (s *scenario) reset(n *node, of clock.SiteID, at int) {
	for _, l := range n.links {
		s.w.cut(l)
	}
	n.log[of] = n.log[of][:at]
	n.p = New(Config{Site: n.id}, n.vector())
	for _, l := range n.links {
		s.w.heal(l)
	}
}

// names puts names where messages have site ids.
func (s *scenario) names(text string) string {
	for name, n := range s.nodes {
		text = strings.ReplaceAll(text, n.id.Short(), name)
	}
	return text
}
