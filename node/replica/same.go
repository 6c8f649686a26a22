package replica

import (
	"context"
	"fmt"
	"slices"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Servers that were installed apart have rows that mean the same, such as the
// administrator's account, under different identities. Where the model says by
// which columns they are known (schema.Table.Match), the row of a site that joins
// takes the identity that the network has, in its database, before anything is
// compared: references to it are local numbers and stay as they are. From then on
// it is one row, and what differs in it is merged as in any other.

// NamedRow is a row that may be known under another identity elsewhere: its key,
// its identity as it is written, and by what else it is known.
type NamedRow struct {
	Key      crdt.Key
	Identity crdt.Value
	Values   []crdt.Value
}

// namedRowsMax bounds how many rows of a table may be known so, in rows: it is
// for tables of metadata.
const namedRowsMax = 10_000

// Named returns the rows that a joining site may have under other identities.
func (v *View) Named(ctx context.Context) (map[string][]NamedRow, error) {
	all := map[string][]NamedRow{}
	for _, name := range v.header.Tables {
		t := v.table(name)
		if t == nil || t.Match == nil {
			continue
		}
		var rows []NamedRow
		err := v.rows(ctx, t, func(key crdt.Key, r *crdt.Row, _ *merge.State) error {
			if values := matched(t.Match, r.Columns, r.Values); values != nil && len(rows) < namedRowsMax {
				identity, _ := r.Value(t.Identity.Columns[0])
				rows = append(rows, NamedRow{key, identity, values})
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", name, err)
		}
		all[name] = rows
	}
	return all, nil
}

// matched returns the values by which a row is known; nil when it is not.
func matched(by *schema.Match, columns []string, values []crdt.Value) []crdt.Value {
	var known []crdt.Value
	for _, c := range by.Columns {
		i := slices.Index(columns, c)
		if i < 0 || values[i].IsNull() {
			return nil
		}
		known = append(known, values[i])
	}
	if len(by.Values) > 0 && !slices.Contains(by.Values, known[0].Payload()) {
		return nil
	}
	return known
}

// Renamed is a row that took the identity that the network has.
type Renamed struct {
	Table    string
	From, To crdt.Key
	By       []crdt.Value
	identity crdt.Value // of To, as it is written
}

// TakeIdentities gives rows of this site the identities that the network has.
func (b *BringUp) TakeIdentities(ctx context.Context, scan merge.Scan) ([]Renamed, error) {
	if b.again {
		return nil, nil
	}
	var done []Renamed
	for _, name := range b.Tables() {
		t := b.r.cfg.Model.Tables[name]
		theirs := b.header.Named[name]
		if t.Match == nil || len(theirs) == 0 {
			continue
		}
		var mine []NamedRow
		here := map[crdt.Key]bool{}
		err := scan.Rows(ctx, t, func(part []merge.Row) error {
			for i := range part {
				here[part[i].Key] = true
				if values := matched(t.Match, part[i].Columns, part[i].Values); values != nil {
					mine = append(mine, NamedRow{Key: part[i].Key, Values: values})
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", name, err)
		}
		for _, r := range pairs(name, mine, theirs, here) {
			renamed, err := b.rename(ctx, t, r)
			if err != nil {
				return nil, fmt.Errorf("table %s, row %s: take the identity of the network: %w", name, r.From, err)
			}
			if renamed {
				done = append(done, r)
			}
		}
	}
	return done, nil
}

// pairs finds the rows that are known by the same values at both sites, where
// exactly one is at each and none of the two is at the other by its key.
func pairs(table string, mine, theirs []NamedRow, here map[crdt.Key]bool) []Renamed {
	by := func(rows []NamedRow) map[crdt.Key][]NamedRow {
		known := map[crdt.Key][]NamedRow{}
		for _, r := range rows {
			name := crdt.MakeKey(r.Values...)
			known[name] = append(known[name], r)
		}
		return known
	}
	there := map[crdt.Key]bool{}
	for _, r := range theirs {
		there[r.Key] = true
	}
	ours, others := by(mine), by(theirs)
	var found []Renamed
	for _, r := range mine {
		name := crdt.MakeKey(r.Values...)
		if len(ours[name]) != 1 || len(others[name]) != 1 {
			continue
		}
		if to := others[name][0]; to.Key != r.Key && !here[to.Key] && !there[r.Key] {
			found = append(found, Renamed{table, r.Key, to.Key, r.Values, to.Identity})
		}
	}
	return found
}

// rename gives one row another identity. It reports false when the row is not
// there any more, or one with that identity is by now.
func (b *BringUp) rename(ctx context.Context, t *schema.Table, r Renamed) (bool, error) {
	tx, err := b.r.cfg.Database.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("begin a transaction: %w", err)
	}
	rows, err := tx.Lock(ctx, t, []crdt.Key{r.From, r.To})
	if err != nil || len(rows) != 1 || rows[0].Key != r.From {
		_ = tx.Rollback() // the first error is the one to report
		return false, err
	}
	refused, err := tx.Update(ctx, t, []merge.Row{{Key: r.From, Columns: t.Identity.Columns, Values: []crdt.Value{r.identity}}})
	if err == nil && len(refused) > 0 {
		err = refused[0]
	}
	st := b.r.newTxn()
	if err == nil {
		err = tx.SetMark(ctx, b.r.mark, b.r.mark.Next())
	}
	if err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return false, b.r.abandon(st, err)
	}
	return true, b.r.commitBoth(tx, st)
}
