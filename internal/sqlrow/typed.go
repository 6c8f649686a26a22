package sqlrow

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"baraza/crdt"
)

// typed is a column that holds, as a number or its text, the number of a row of
// one of several tables, or no reference at all: another value tells.
type typed struct {
	column, by int // in cols
	// teller is the table whose row by refers to, and tells its column that holds
	// what tells; nil where by itself does.
	teller *Table
	target int // in teller.cols
	tells  Column
	to     map[crdt.Value]*reference // by the canonical form of what tells
	spelt  map[crdt.Value]crdt.Value // what tells as it was declared, by the same
}

// tellerID is a column of a table that tells of others.
type tellerID struct {
	table  *Table
	column string
}

func (ts *Tables) linkTyped(t *Table) error {
	for _, def := range t.Def.Typed {
		x := &typed{column: t.position(def.Column), by: t.position(def.By), to: map[crdt.Value]*reference{}, spelt: map[crdt.Value]crdt.Value{}}
		if x.column < 0 || x.by < 0 {
			continue // of a table that is only referred to
		}
		tells := t.cols[x.by]
		if def.Type != "" {
			ref := t.Def.Reference(def.By)
			x.teller = ts.byName[ref.Table]
			var err error
			if tells, err = NewColumn(x.teller.Def.Column(def.Type)); err != nil {
				return err
			}
			x.target = x.teller.position(ref.Target)
		}
		x.tells = tells
		for value, name := range def.Tables {
			to := ts.byName[name]
			if to == nil || len(to.identity) == 0 {
				continue
			}
			target := to.pk[0]
			canonical := tells.Canonical(crdt.Text(value))
			x.spelt[canonical] = crdt.Text(value)
			x.to[canonical] = &reference{to: to, target: target, direct: len(to.identity) == 1 && to.identity[0] == target}
		}
		t.typed = append(t.typed, x)
	}
	return nil
}

// link puts what it names in the place of each number in a typed column of rows
// that were just read. A number that names no row, or one whose type is none of
// those declared, stays as it is.
func (r *Refs) link(ctx context.Context, q Queryer, t *Table, rows []Row) error {
	for _, x := range t.typed {
		told, err := r.told(ctx, q, x, rows)
		if err != nil {
			return fmt.Errorf("table %s, column %s: %w", t.Def.Name, t.cols[x.column].Name, err)
		}
		for _, value := range sortedTypes(x) {
			ref := x.to[value]
			next := 0
			var which []int
			var numbers []crdt.Value
			for i := range rows {
				if n, is := numberIn(rows[i].Values[x.column]); is && told[i] == value {
					which, numbers = append(which, i), append(numbers, n)
				}
			}
			err := r.fill(ctx, q, ref, func() (crdt.Value, bool) {
				if next++; next > len(numbers) {
					return "", false
				}
				return numbers[next-1], true
			})
			if err != nil {
				return fmt.Errorf("table %s, column %s: %w", t.Def.Name, t.cols[x.column].Name, err)
			}
			for i, at := range which {
				if key, found := r.ref(ref, numbers[i]).Key(); found {
					rows[at].Values[x.column] = crdt.Link(ref.to.Def.Name, key)
				}
			}
		}
	}
	return nil
}

func sortedTypes(x *typed) []crdt.Value {
	types := make([]crdt.Value, 0, len(x.to))
	for value := range x.to {
		types = append(types, value)
	}
	slices.Sort(types)
	return types
}

// told returns for each row what tells of it, in canonical form; NULL where
// nothing does.
func (r *Refs) told(ctx context.Context, q Queryer, x *typed, rows []Row) ([]crdt.Value, error) {
	told := make([]crdt.Value, len(rows))
	if x.teller == nil {
		for i := range rows {
			told[i] = x.tells.Canonical(rows[i].Values[x.by])
		}
		return told, nil
	}
	known := r.tellers[tellerID{x.teller, x.tells.Name}]
	if known == nil {
		known = map[crdt.Value]crdt.Value{}
		r.tellers[tellerID{x.teller, x.tells.Name}] = known
	}
	var ask [][]crdt.Value
	for i := range rows {
		v := rows[i].Values[x.by]
		if _, asked := known[v]; !asked && !v.IsNull() {
			known[v] = crdt.Null
			ask = append(ask, []crdt.Value{v})
		}
	}
	target := x.teller.cols[x.target]
	for chunk := range slices.Chunk(ask, Batch) {
		where, err := AppendMatch(nil, []Column{target}, chunk)
		if err != nil {
			return nil, err
		}
		columns := []Column{target, x.tells}
		query := "SELECT " + SelectList(columns) + " FROM " + QuoteName(x.teller.Def.Name) + " WHERE " + string(where)
		if err := Each(ctx, q, query, columns, func(v []crdt.Value) { known[v[0]] = x.tells.Canonical(v[1]) }); err != nil {
			clear(known) // not known to be missing, only not asked
			return nil, fmt.Errorf("look up %s: %w", x.teller.Def.Name, err)
		}
	}
	for i := range rows {
		told[i] = known[rows[i].Values[x.by]]
	}
	return told, nil
}

// numberIn returns the whole number that a value is, or that it is the text of
// as the application writes it.
func numberIn(v crdt.Value) (crdt.Value, bool) {
	if v.Tag() == crdt.TagInt {
		return v, true
	}
	n, err := strconv.ParseInt(v.Payload(), 10, 64)
	if v.Tag() != crdt.TagText || err != nil || strconv.FormatInt(n, 10) != v.Payload() {
		return crdt.Null, false
	}
	return crdt.Int(n), true
}

// Spelled returns a row's number as a typed column holds it.
func (c *Column) Spelled(number crdt.Value) crdt.Value {
	if n, is := number.AsInt(); is && c.kind == kindText {
		return crdt.Text(strconv.FormatInt(n, 10))
	}
	return number
}

// typedOnly is a condition that is true for the rows of t whose typed column
// refers to the table.
func (t *Table) typedOnly(column, table string) (string, error) {
	for _, x := range t.typed {
		if t.cols[x.column].Name != column {
			continue
		}
		var values []string
		for _, value := range sortedTypes(x) {
			if x.to[value].to.Def.Name == table {
				b, err := AppendLiteral(nil, x.spelt[value])
				if err != nil {
					return "", err
				}
				values = append(values, string(b))
			}
		}
		if len(values) == 0 {
			break
		}
		in := QuoteName(x.tells.Name) + " IN (" + strings.Join(values, ",") + ")"
		if x.teller == nil {
			return in, nil
		}
		return QuoteName(t.cols[x.by].Name) + " IN (SELECT " + QuoteName(x.teller.cols[x.target].Name) + " FROM " +
			QuoteName(x.teller.Def.Name) + " WHERE " + in + ")", nil
	}
	return "FALSE", nil
}
