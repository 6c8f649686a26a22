package node

import (
	"context"
	"fmt"
	"time"

	"baraza/capture"
	"baraza/clock"
	"baraza/crdt"
	"baraza/merge"
	"baraza/node/trust"
)

// Admissions, expulsions and contacts (contact.go) spread as data: rows of system
// tables, which every site's log carries like any other change. The book
// verifies them before they count.
const (
	membersTable    = merge.SystemPrefix + "members"
	expulsionsTable = merge.SystemPrefix + "expulsions"
	recordColumn    = "record"
)

func recordRow(table string, site clock.SiteID, record []byte, now time.Time) capture.Row {
	return capture.Row{
		Table: table, Key: crdt.MakeKey(crdt.Text(site.String())), At: now.UnixMicro(),
		Columns: []string{recordColumn}, Values: []crdt.Value{crdt.Bytes(string(record))},
	}
}

// publishAdmissions writes admissions into the log, for all sites.
func (n *Node) publishAdmissions(ctx context.Context, admissions ...trust.Admission) error {
	if len(admissions) == 0 {
		return nil
	}
	rows := admissionRows(admissions...)
	err := n.engine.do(ctx, func() error { return n.replica.WriteSystem(ctx, rows) })
	n.grown()
	return err
}

func admissionRows(admissions ...trust.Admission) []capture.Row {
	now := time.Now()
	var rows []capture.Row
	for i := range admissions {
		rows = append(rows, recordRow(membersTable, admissions[i].Site, admissions[i].Marshal(), now))
	}
	return rows
}

// publishExpulsion writes an expulsion into the log.
func (n *Node) publishExpulsion(ctx context.Context, e trust.Expulsion, renewed []trust.Admission) error {
	row := recordRow(expulsionsTable, e.Site, e.Marshal(), time.Now())
	err := n.engine.do(ctx, func() error {
		if err := n.replica.WriteSystem(ctx, []capture.Row{row}); err != nil {
			return err
		}
		return n.mirrorNumbers() // its numbers are free
	})
	if err != nil {
		return err
	}
	return n.publishAdmissions(ctx, renewed...)
}

// readMembership brings what the log says about members into the book. It
// runs on the engine's goroutine.
func (n *Node) readMembership() error {
	var admissions []trust.Admission
	err := n.systemRecords(membersTable, func(b []byte) error {
		a, err := trust.UnmarshalAdmission(b)
		if err == nil && !n.knows(a) {
			admissions = append(admissions, a)
		}
		return err
	})
	if err != nil {
		return err
	}
	n.addAdmissions(admissions)
	err = n.systemRecords(expulsionsTable, func(b []byte) error {
		e, err := trust.UnmarshalExpulsion(b)
		if err != nil {
			return err
		}
		news, err := n.book.AddExpulsion(e)
		if news {
			n.dropPeer(e.Site)
		}
		return err
	})
	n.tellMembers()
	if err != nil {
		return err
	}
	return n.readContacts()
}

func (n *Node) knows(a trust.Admission) bool {
	mine, ok := n.book.Admission(a.Site)
	return ok && mine.Time >= a.Time
}

// addAdmissions adds admissions in whatever order lets each be verified by a
// member that is known; the rest is left for later.
func (n *Node) addAdmissions(admissions []trust.Admission) {
	for progress := true; progress && len(admissions) > 0; {
		progress = false
		rest := admissions[:0]
		for _, a := range admissions {
			if added, err := n.book.Add(a); err == nil {
				progress = progress || len(added) > 0
				continue
			}
			rest = append(rest, a)
		}
		admissions = rest
	}
	n.unbelieved = nil
	for _, a := range admissions {
		if n.book.Expelled(a.Site) {
			continue
		}
		n.unbelieved = append(n.unbelieved, a.Site)
		n.log.Warn("an admission is not believed here yet", "site", a.Name, "id", a.Site.Short())
	}
}

// systemRecords calls each for the records of a system table. A record that
// cannot be used is logged and passed over: one bad row stops nothing.
func (n *Node) systemRecords(table string, each func([]byte) error) error {
	return n.replica.SystemRows(table, func(r merge.Row) error {
		for i, c := range r.Columns {
			if c != recordColumn {
				continue
			}
			if err := each([]byte(r.Values[i].Payload())); err != nil {
				n.log.Warn("a membership record cannot be used", "table", table, "key", r.Key.String(), "error", err)
			}
		}
		return nil
	})
}

// name returns the name of a site for people.
func (n *Node) name(id clock.SiteID) string {
	if a, ok := n.book.Admission(id); ok {
		return a.Name
	}
	if id.IsZero() {
		return "baseline"
	}
	return fmt.Sprintf("site %s", id.Short())
}
