package crdt_test

import (
	"fmt"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/crdt"
)

// The oracle says what a row is, from the set of changes alone, by the words
// of the rules and without a thought for speed.
type oracle struct {
	baseline bool
	facts    []fact
}

// fact is one change with what its writer had seen.
type fact struct {
	crdt.Change
	at   clock.Stamp
	seen clock.VersionVector
}

func (o *oracle) add(d *delivery) {
	for _, ch := range d.changes {
		o.facts = append(o.facts, fact{ch, clock.Stamp{Time: ch.Time, Site: d.origin}, d.context})
	}
}

// value returns what the fact wrote to the column.
func (f *fact) value(column string) (crdt.Value, bool) {
	i := slices.Index(f.Columns, column)
	if i < 0 || f.Delete {
		return crdt.Null, false
	}
	return f.Values[i], true
}

// top returns the greatest fact that passes; nil when none does.
func (o *oracle) top(pass func(f *fact) bool) *fact {
	var top *fact
	for i := range o.facts {
		if f := &o.facts[i]; pass(f) && (top == nil || top.at.Less(f.at)) {
			top = f
		}
	}
	return top
}

func isDelete(f *fact) bool { return f.Delete }
func isWrite(f *fact) bool  { return !f.Delete }

func writes(column string) func(*fact) bool {
	return func(f *fact) bool { _, ok := f.value(column); return ok }
}

// exists is R2.
func (o *oracle) exists() bool {
	deleted, written := o.top(isDelete), o.top(isWrite)
	switch {
	case deleted == nil:
		return o.baseline || written != nil
	case written == nil:
		return false
	}
	return deleted.at.Less(written.at)
}

// knownValue reports whether some change names the value as one it replaced.
func (o *oracle) knownValue(column string, at clock.Stamp) bool {
	for i := range o.facts {
		f := &o.facts[i]
		if _, wrote := f.value(column); (wrote || f.Delete) && f.Prior.Deleted.IsZero() && f.Prior.Of(column) == at {
			return true
		}
	}
	return false
}

func (o *oracle) knownDelete(at clock.Stamp) bool {
	return slices.ContainsFunc(o.facts, func(f fact) bool { return f.Prior.Deleted == at })
}

// losses is R7.
func (o *oracle) losses() []crdt.Loss {
	var losses []crdt.Loss
	exists := o.exists()
	for _, column := range lawColumns {
		top := o.top(writes(column))
		for i := range o.facts {
			f := &o.facts[i]
			value, wrote := f.value(column)
			if !wrote || exists && f.at == top.at || o.knownValue(column, f.at) {
				continue
			}
			loss := crdt.Loss{Column: column, Value: value, Stamp: f.at}
			unseen := func(g *fact) bool { return f.at.Less(g.at) && !g.seen.Covers(f.at) }
			if w := o.top(func(g *fact) bool { return writes(column)(g) && unseen(g) }); w != nil {
				loss.Winner = w.at
				loss.WinnerValue, _ = w.value(column)
			} else if d := o.top(func(g *fact) bool { return g.Delete && unseen(g) }); d != nil {
				loss.Winner, loss.WinnerDelete = d.at, true
			}
			losses = append(losses, loss)
		}
	}
	if d := o.top(isDelete); d != nil && exists && !o.knownDelete(d.at) {
		loss := crdt.Loss{Stamp: d.at}
		if w := o.top(func(g *fact) bool { return !g.Delete && d.at.Less(g.at) && !g.seen.Covers(d.at) }); w != nil {
			loss.Winner = w.at
		}
		losses = append(losses, loss)
	}
	crdt.SortLosses(losses)
	return losses
}

// String says what the row is in the words of describe.
func (o *oracle) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "exists %v", o.exists())
	if d := o.top(isDelete); d != nil {
		fmt.Fprintf(&b, " deleted %s", showStamp(d.at))
	}
	for _, column := range lawColumns {
		if w := o.top(writes(column)); w != nil {
			value, _ := w.value(column)
			fmt.Fprintf(&b, " %s=%s at %s", column, value, showStamp(w.at))
		}
	}
	describeLosses(&b, o.losses())
	return b.String()
}

// describe says what a row is, as far as someone wrote it.
func (o *oracle) describe(r *crdt.Row) string {
	var b strings.Builder
	b.WriteString(o.describeVisible(r))
	describeLosses(&b, r.Lost)
	return b.String()
}

// describeVisible is describe without the conflict records.
func (o *oracle) describeVisible(r *crdt.Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "exists %v", r.Exists)
	if !r.Deleted.IsZero() {
		fmt.Fprintf(&b, " deleted %s", showStamp(r.Deleted))
	}
	for _, column := range lawColumns {
		if o.top(writes(column)) != nil {
			value, _ := r.Value(column)
			fmt.Fprintf(&b, " %s=%s at %s", column, value, showStamp(r.Of(column)))
		}
	}
	return b.String()
}

func describeLosses(b *strings.Builder, losses []crdt.Loss) {
	for _, l := range losses {
		if !l.Visible {
			fmt.Fprintf(b, "\n    lost %q %s of %s to %s delete=%v %s", l.Column, l.Value, showStamp(l.Stamp), showStamp(l.Winner), l.WinnerDelete, l.WinnerValue)
		}
	}
}
