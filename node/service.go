package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/admin"
	"baraza/node/config"
	"baraza/node/replica"
	"baraza/node/trust"
	"baraza/schema"
)

// statusPatience is how long status waits for the engine, which may be busy
// with a large transaction, before it shows the last figures it has.
const statusPatience = 2 * time.Second

// service answers the command line and the console.
type service struct{ n *Node }

var _ admin.Service = service{}

// ready refuses what needs a running engine while there is none.
func (s service) ready() error {
	if phase := s.n.phase(); phase != "" {
		return admin.Cannotf("the site is not ready yet: %s", phase)
	}
	return nil
}

// Status implements admin.Service.
func (s service) Status(ctx context.Context) (*admin.Status, error) {
	n := s.n
	st := &admin.Status{
		Site: n.settings().Name, ID: n.key.ID().String(), Version: Version, StartedAt: n.started.UTC(),
		Vector: map[string]uint64{}, Capture: "trigger", Database: n.databaseName(), Alarms: []string{},
		Peers: s.peers(), Hooks: []admin.Hook{},
	}
	if phase := n.phase(); phase != "" {
		st.Alarms = append(st.Alarms, phase)
		return st, nil
	}
	f, fresh := n.figures(ctx)
	for _, e := range f.vector { // of the moment of the figures, so that all fits together
		if e.Seq > 0 {
			st.Vector[e.Site.String()] = e.Seq
		}
	}
	st.PendingCapture, st.PendingApply = f.pendingCapture, f.PendingApply
	st.Waiting, st.Held, st.SetAside, st.Conflicts = f.Waiting, f.Held, f.Aside, f.Conflicts
	st.Tables = f.tables
	n.stability(&f, st, time.Now())
	st.ClockOffsetMS = n.clockOffset().Milliseconds()
	if !fresh {
		st.Alarms = append(st.Alarms, "the figures are some seconds old: the site is busy with a large transaction, or its database does not answer")
	}
	st.Alarms = append(st.Alarms, n.checks.doubts.alarms()...)
	if text := n.recoveryText(); text != "" {
		st.Alarms = append(st.Alarms, text)
	}
	if !n.engine.databaseUp.Load() {
		st.Alarms = append(st.Alarms, fmt.Sprint("the database cannot be worked on: ", n.engine.lastError.Load()))
	}
	if d := n.clockOffset(); d.Abs() > time.Duration(n.settings().MaxDrift) {
		st.Alarms = append(st.Alarms, fmt.Sprintf("this site's clock is %s off the clocks of its peers, more than max_drift (%s): set the clock right", d.Round(time.Second), n.settings().MaxDrift))
	}
	if hub := n.hub(); hub != nil {
		for _, s := range hub.Stranded() {
			st.Alarms = append(st.Alarms, fmt.Sprintf("%s has no log entries for what this site lacks of %s, up to entry %d: it dropped them, or got rows in their place when it joined or was restored. If no other member that this site can reach has them, join again with a new --data directory", n.name(s.Peer), n.name(s.Origin), s.First-1))
		}
	}
	n.hookStates(st)
	st.Alarms = append(st.Alarms, f.uncountable...)
	if f.numbers != "" {
		st.Alarms = append(st.Alarms, f.numbers)
	}
	if f.Aside > 0 {
		st.Alarms = append(st.Alarms, fmt.Sprintf("%d rows are set aside because this database cannot take them, the first: %s", f.Aside, f.firstAside))
	}
	return st, nil
}

// hookStates fills in how the hooks are. One that failed twice in a row is an
// alarm; one failure is no more than the application's restart.
func (n *Node) hookStates(st *admin.Status) {
	for _, h := range n.hooks.States() {
		shown := admin.Hook{Name: h.Name, Off: h.Off, PendingRows: h.Rows, PendingAll: h.All, Failures: h.Failures, Error: h.Error}
		if !h.Told.IsZero() {
			at := h.Told.UTC()
			shown.ToldAt = &at
		}
		st.Hooks = append(st.Hooks, shown)
		if h.Failures > 1 {
			st.Alarms = append(st.Alarms, fmt.Sprintf("the hook %s has failed %d times and is tried again, so the application does not know of rows that were written: %s", h.Name, h.Failures, h.Error))
		}
	}
}

// figures are what only the engine can count.
type figures struct {
	replica.Counts
	vector         clock.VersionVector // of the log
	pendingCapture uint64
	stability      replica.Stability
	uncountable    []string
	numbers        string // what is wrong with the numbers that the server gives out
	tables         int
	firstAside     string
}

// figures asks the engine for fresh figures; where it is too busy, the last
// ones are returned.
func (n *Node) figures(ctx context.Context) (f figures, fresh bool) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	done := make(chan figures, 1) // the engine may come to it after we left
	err := n.engine.do(ctx, func() error {
		f, err := n.count(ctx)
		if err == nil {
			n.lastFigures.Store(&f)
			done <- f
		}
		return err
	})
	if err == nil {
		return <-done, true
	}
	if last := n.lastFigures.Load(); last != nil {
		return *last, false
	}
	return figures{}, false
}

// count runs on the engine's goroutine.
func (n *Node) count(ctx context.Context) (f figures, err error) {
	f.vector = n.replica.Log().Vector() // first: what comes in after it does not count as applied
	if f.Counts, err = n.replica.Counts(); err != nil {
		return f, err
	}
	if f.stability, err = n.replica.Stability(); err != nil {
		return f, err
	}
	if rows, err := n.replica.AsideRows(1); err == nil && len(rows) > 0 {
		f.firstAside = fmt.Sprintf("table %s, key %s: %s", rows[0].ID.Table, rows[0].ID.Key, rows[0].Reason)
	}
	for _, t := range n.tables().Tables {
		if t.Replicated {
			f.tables++
		}
	}
	f.uncountable = n.uncountable()
	f.numbers = n.wrongNumbers()
	f.pendingCapture, err = n.db.Pending(ctx)
	return f, err
}

// Invite implements admin.Service.
func (s service) Invite(_ context.Context, req admin.InviteRequest) (*admin.Invitation, error) {
	n := s.n
	at := n.addresses()
	if len(at) == 0 {
		return nil, admin.Nof("this site has no address that others can dial: set `advertise` in baraza.yaml, or invite from another member")
	}
	ttl := time.Duration(req.TTLSeconds) * time.Second
	token, err := n.invites.New(n.key.ID(), at, ttl, time.Now())
	if err != nil {
		return nil, err
	}
	return &admin.Invitation{Token: token.Text(), Expires: token.Expires.UTC()}, nil
}

// Peers implements admin.Service.
func (s service) Peers(context.Context) (*admin.PeerList, error) {
	return &admin.PeerList{Peers: s.peers()}, nil
}

func (s service) peers() []admin.Peer {
	n := s.n
	peers := []admin.Peer{}
	for _, a := range n.book.Members() {
		if a.Site != n.key.ID() {
			peers = append(peers, n.peer(&a))
		}
	}
	slices.SortFunc(peers, func(a, b admin.Peer) int { return strings.Compare(a.Site, b.Site) })
	return peers
}

func (n *Node) peer(a *trust.Admission) admin.Peer {
	p := admin.Peer{
		Site: a.Name, ID: a.Site.String(), State: admin.PeerAway,
		Addresses: n.book.Addresses(a.Site), AdmittedBy: n.name(a.By),
	}
	n.describePeer(a.Site, &p)
	return p
}

// member finds a member by name or id.
func (n *Node) member(name string) (clock.SiteID, error) {
	for _, a := range n.book.Members() {
		if a.Name == name || a.Site.String() == name {
			return a.Site, nil
		}
	}
	return clock.SiteID{}, admin.Nof("there is no member %q: `baraza peers list` shows them", name)
}

// Forget implements admin.Service.
func (s service) Forget(ctx context.Context, req admin.ForgetRequest) error {
	if err := s.ready(); err != nil {
		return err
	}
	site, err := s.n.member(req.Site)
	if err != nil {
		return err
	}
	if site == s.n.key.ID() {
		return admin.Nof("a site cannot forget itself: run this at another member")
	}
	e, renewed, err := s.n.book.Expel(s.n.key, site, time.Now())
	if err != nil {
		return err
	}
	s.n.dropPeer(site)
	return s.n.publishExpulsion(ctx, e, renewed)
}

// Tables implements admin.Service.
func (s service) Tables(ctx context.Context) (*admin.TableList, error) {
	n := s.n
	c := n.settings()
	m, err := n.db.Load(ctx, c.Schema())
	if err != nil {
		return nil, err
	}
	refused, warned := map[string]string{}, map[string][]string{}
	for _, p := range schema.Check(m) {
		if !p.Refused {
			warned[p.Table] = append(warned[p.Table], p.Text)
		} else {
			refused[p.Table] = p.Text
		}
	}
	list := &admin.TableList{Patterns: c.Tables, Exclude: c.Exclude, Tables: []admin.Table{}}
	for name, t := range m.Tables {
		if t.Replicated || refused[name] != "" {
			list.Tables = append(list.Tables, admin.Table{
				Name: name, Refused: refused[name], Warnings: warned[name],
				Identity: fmt.Sprintf("%s (%s)", strings.Join(t.Identity.Columns, ", "), t.Identity.Source),
			})
		}
	}
	if err := s.rules(ctx, m, list); err != nil {
		return nil, err
	}
	slices.SortFunc(list.Tables, func(a, b admin.Table) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// AddTables implements admin.Service.
func (s service) AddTables(ctx context.Context, req admin.TablesRequest) (*admin.TableList, error) {
	return s.changeTables(ctx, func(c *config.Config) error { return addPatterns(c, req.Patterns) })
}

// RemoveTables implements admin.Service.
func (s service) RemoveTables(ctx context.Context, req admin.TablesRequest) (*admin.TableList, error) {
	return s.changeTables(ctx, func(c *config.Config) error { return s.n.removePatterns(c, req.Patterns) })
}

func (s service) changeTables(ctx context.Context, change func(*config.Config) error) (*admin.TableList, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	if err := s.n.changeTables(ctx, change); err != nil {
		return nil, err
	}
	return s.Tables(ctx)
}

// Conflicts implements admin.Service.
func (s service) Conflicts(ctx context.Context, req admin.ConflictsRequest) (*admin.ConflictList, error) {
	if req.Limit <= 0 {
		req.Limit = admin.DefaultConflictLimit
	}
	list := &admin.ConflictList{Conflicts: []admin.Conflict{}}
	err := s.eachConflict(ctx, func(c replica.Conflict) bool {
		if req.Table != "" && c.ID.Table != req.Table {
			return true
		}
		list.Total++
		list.Conflicts = append(list.Conflicts, s.n.conflict(&c))
		if len(list.Conflicts) >= 2*req.Limit {
			list.Conflicts = newest(list.Conflicts, req.Limit)
		}
		return true
	})
	list.Conflicts = newest(list.Conflicts, req.Limit)
	return list, err
}

func newest(cs []admin.Conflict, limit int) []admin.Conflict {
	slices.SortStableFunc(cs, func(a, b admin.Conflict) int { return b.Won.Time.Compare(a.Won.Time) })
	return cs[:min(len(cs), limit)]
}

// Conflict implements admin.Service.
func (s service) Conflict(ctx context.Context, req admin.ConflictRequest) (*admin.Conflict, error) {
	var found *admin.Conflict
	err := s.eachConflict(ctx, func(c replica.Conflict) bool {
		if conflictID(&c) == req.ID {
			one := s.n.conflict(&c)
			found = &one
		}
		return found == nil
	})
	if err == nil && found == nil {
		err = admin.Nof("there is no conflict %s: `baraza conflicts list` shows them", req.ID)
	}
	return found, err
}

func (s service) eachConflict(ctx context.Context, each func(replica.Conflict) bool) error {
	if err := s.ready(); err != nil {
		return err
	}
	return s.n.engine.do(ctx, func() error { return s.n.replica.Conflicts(each) })
}

// conflictID names a conflict the same at every site.
func conflictID(c *replica.Conflict) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %d ", c.ID.Table, string(c.ID.Key), c.Column, c.Stamp.Time)
	h.Write(c.Stamp.Site[:])
	return hex.EncodeToString(h.Sum(nil)[:5])
}

func (n *Node) conflict(c *replica.Conflict) admin.Conflict {
	one := n.describe(c)
	if column, site, ok := crdt.PartOf(c.Column); ok {
		one.Column, one.Rule = column, "R6"
		one.Lost.Value = fmt.Sprintf("%s, all that %s had added", one.Lost.Value, n.name(site))
	}
	return one
}

func (n *Node) describe(c *replica.Conflict) admin.Conflict {
	rule := "R1"
	if c.Column == "" || c.WinnerDelete {
		rule = "R2"
	}
	side := func(s clock.Stamp, value string, del bool) admin.Write {
		if del {
			value = ""
		}
		return admin.Write{Site: n.name(s.Site), SiteID: s.Site.String(), Time: s.Time.Time(), Value: value, Delete: del}
	}
	won := c.WinnerValue.String()
	if c.Column == "" {
		won = "(row written)"
	}
	if c.Apart && !c.WinnerDelete {
		return admin.Conflict{
			ID: conflictID(c), Table: c.ID.Table, Key: c.ID.Key.String(), Column: c.Column, Rule: "R3",
			Won: side(c.Winner, "(another row was inserted under this number first)", false), Lost: side(c.Stamp, c.Value.String(), false),
		}
	}
	if c.WinnerGone() && c.Place == merge.InDatabase {
		return admin.Conflict{
			ID: conflictID(c), Table: c.ID.Table, Key: c.ID.Key.String(), Column: c.Column, Rule: rule,
			Won: admin.Write{Time: c.Stamp.Time.Time(), Value: "(a write that was lost with its site)"}, Lost: side(c.Stamp, c.Value.String(), false),
		}
	}
	switch c.Place {
	case merge.Kept:
		return admin.Conflict{
			ID: conflictID(c), Table: c.ID.Table, Key: c.ID.Key.String(), Rule: "R4",
			Won: admin.Write{Time: c.Stamp.Time.Time(), Value: "(kept: rows refer to it)"}, Lost: side(c.Stamp, "", true),
		}
	case merge.Held:
		return admin.Conflict{
			ID: conflictID(c), Table: c.ID.Table, Key: c.ID.Key.String(), Column: c.Column, Rule: "R5",
			Won: admin.Write{Time: c.Stamp.Time.Time(), Value: "(another row has the value)"}, Lost: side(c.Stamp, c.Value.String(), false),
		}
	case merge.Gone, merge.Nulled:
		value := c.Value.String()
		if c.Place == merge.Gone {
			value = "(row written)"
		}
		return admin.Conflict{
			ID: conflictID(c), Table: c.ID.Table, Key: c.ID.Key.String(), Column: c.Column, Rule: "R4",
			Won: side(c.Winner, "", true), Lost: side(c.Stamp, value, false),
		}
	default:
		return admin.Conflict{
			ID: conflictID(c), Table: c.ID.Table, Key: c.ID.Key.String(), Column: c.Column, Rule: rule,
			Won:  side(c.Winner, won, c.WinnerDelete),
			Lost: side(c.Stamp, c.Value.String(), c.Column == ""),
		}
	}
}

// Stop implements admin.Service.
func (s service) Stop(context.Context) error {
	s.n.stop()
	return nil
}
