package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"baraza/merge"
	"baraza/node/admin"
	"baraza/node/bringup"
	"baraza/node/replica"
	"baraza/node/session/dialer"
)

// checks compares this site with others, one comparison at a time: what the
// administrator asks for, and tables in doubt by itself.
type checks struct {
	n        *Node
	requests chan admin.VerifyRequest
	doubts   atomicDoubts

	mu    sync.Mutex
	state admin.Verification
}

func newChecks(n *Node) *checks {
	return &checks{n: n, requests: make(chan admin.VerifyRequest, 1)}
}

// run works until the context ends.
func (c *checks) run(ctx context.Context) {
	timer := time.NewTimer(doubtInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case req := <-c.requests:
			c.verify(ctx, req)
		case <-timer.C:
			timer.Reset(c.settleDoubts(ctx))
		}
	}
}

// Verify implements admin.Service.
func (s service) Verify(_ context.Context, req admin.VerifyRequest) (*admin.Verification, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	if req.Table != "" && !slices.Contains(s.n.replicated(), req.Table) {
		return nil, admin.Nof("no table %q is replicated here: `baraza tables list` shows them", req.Table)
	}
	c := s.n.checks
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Running {
		return nil, admin.Nof("another comparison runs: wait until it is done")
	}
	c.state = admin.Verification{Number: c.state.Number + 1, Running: true}
	c.requests <- req // there is room: nobody else runs
	state := c.state
	return &state, nil
}

// Verification implements admin.Service.
func (s service) Verification(context.Context) (*admin.Verification, error) {
	c := s.n.checks
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state
	return &state, nil
}

func (c *checks) tell(f func(*admin.Verification)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.state)
}

// verify does what the administrator asked for.
func (c *checks) verify(ctx context.Context, req admin.VerifyRequest) {
	v := &verification{c: c, req: req, tables: c.n.replicated(), seen: map[merge.RowID]bool{}}
	if req.Table != "" {
		v.tables = []string{req.Table}
	}
	v.report = admin.VerifyReport{Tables: v.tables, Sites: []string{}, Notes: []string{}, Differences: []admin.RowDifference{}}
	c.tell(func(s *admin.Verification) { s.TablesTotal = len(v.tables) })
	v.run(ctx)
	c.n.log.Info("compared the tables", "outcome", v.report.Outcome, "with", strings.Join(v.report.Sites, ", "),
		"differences", len(v.report.Differences), "repaired", v.report.Repaired)
	c.tell(func(s *admin.Verification) { s.Running, s.Report = false, &v.report })
}

// verification is one run of verify.
type verification struct {
	c       *checks
	req     admin.VerifyRequest
	tables  []string
	report  admin.VerifyReport
	seen    map[merge.RowID]bool // rows in the report
	unknown bool
}

func (v *verification) run(ctx context.Context) {
	n := v.c.n
	peers, connected := n.net.book(), 0
	for _, p := range peers {
		hub := n.hub()
		if hub == nil || !hub.Connected(p.ID) {
			v.report.Notes = append(v.report.Notes, p.Name+" is away")
			continue
		}
		if err := v.with(ctx, p); err != nil {
			v.unknown = true
			v.note("%s could not be compared: %v", p.Name, err)
			continue
		}
		connected++
	}
	if len(peers) > 0 && connected == 0 {
		v.unknown = true
		v.note("no other site could be compared, so only what this site remembers of its own rows was")
	}
	if err := v.strays(ctx); err != nil {
		v.unknown = true
		v.note("%v", err)
	}
	switch {
	case len(v.report.Differences) > 0:
		v.report.Outcome = admin.VerifyDifferent
	case v.unknown:
		v.report.Outcome = admin.VerifyUnknown
	default:
		v.report.Outcome = admin.VerifyEqual
	}
}

func (v *verification) note(format string, args ...any) {
	v.report.Notes = append(v.report.Notes, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
}

// with compares with one site.
func (v *verification) with(ctx context.Context, p dialer.Peer) error {
	n := v.c.n
	v.c.tell(func(s *admin.Verification) { s.Site = p.Name })
	with := &comparison{
		n: n, peer: p, tables: v.tables,
		found: func(ctx context.Context, table string, found []bringup.Difference) (bool, error) {
			for i := range found {
				v.add(p.Name, &found[i])
			}
			if !v.req.Repair || len(found) == 0 {
				return v.req.Repair, nil
			}
			changes, err := n.affirm(ctx, table, found)
			v.report.Repaired += changes
			return true, err
		},
		progress: func(table string, rows int64, done int) {
			v.c.tell(func(s *admin.Verification) { s.Table, s.Rows, s.Tables = table, rows, done })
		},
	}
	if err := with.run(ctx); err != nil {
		return err
	}
	v.report.Sites = append(v.report.Sites, p.Name)
	v.report.More = v.report.More || with.more
	if len(with.notThere) > 0 {
		v.note("%s does not replicate %s", p.Name, strings.Join(with.notThere, ", "))
	}
	if with.moving > 0 {
		v.unknown = true
		v.note("%d rows were still on their way between this site and %s, or were written all the time: try again", with.moving, p.Name)
	}
	return nil
}

// add puts a difference into the report, a row that several sites have otherwise
// once for each.
func (v *verification) add(site string, d *bringup.Difference) {
	v.seen[merge.RowID{Table: d.Table, Key: d.Key}] = true
	if len(v.report.Differences) >= admin.DifferencesMax {
		v.report.More = true
		return
	}
	r := admin.RowDifference{Table: d.Table, Key: d.Key.String(), Site: site, How: admin.DiffersValues}
	switch {
	case !there(d.Theirs):
		r.How = admin.DiffersOnlyHere
	case !there(d.Mine):
		r.How = admin.DiffersOnlyThere
	default:
		for _, column := range d.Columns {
			r.Columns = append(r.Columns, admin.ColumnDifference{Column: column, Here: valueOf(d.Mine, column), There: valueOf(d.Theirs, column)})
		}
	}
	v.report.Differences = append(v.report.Differences, r)
}

func there(it *replica.Item) bool { return it != nil && !it.Dead() }

func valueOf(it *replica.Item, column string) string {
	if i := slices.Index(it.Columns, column); i >= 0 {
		return it.Values[i].String()
	}
	return "NULL"
}

// strays adds the rows that this site itself remembers otherwise.
func (v *verification) strays(ctx context.Context) error {
	v.c.tell(func(s *admin.Verification) { s.Site, s.Table = v.c.n.settings().Name, "" })
	strays, err := v.c.n.strays(ctx, v.tables)
	if err != nil {
		return err
	}
	byTable := map[string][]bringup.Difference{}
	for _, id := range sortedRows(strays) {
		if v.seen[id] {
			continue
		}
		how := admin.DiffersBack
		if strays[id] {
			how = admin.DiffersGone
		}
		byTable[id.Table] = append(byTable[id.Table], bringup.Difference{Table: id.Table, Key: id.Key})
		if len(v.report.Differences) >= admin.DifferencesMax {
			v.report.More = true
			continue
		}
		v.report.Differences = append(v.report.Differences, admin.RowDifference{Table: id.Table, Key: id.Key.String(), How: how})
	}
	for _, table := range v.tables {
		if found := byTable[table]; v.req.Repair && len(found) > 0 {
			changes, err := v.c.n.affirm(ctx, table, found)
			v.report.Repaired += changes
			if err != nil {
				return err
			}
		}
	}
	return nil
}
