package sqlrow

import (
	"context"
	"fmt"
	"slices"

	"baraza/crdt"
)

// cacheMax bounds the references that Refs remembers per table.
const cacheMax = 200_000

// Refs translates references between local values and portable keys. It
// remembers what it looked up, so it lives no longer than one snapshot or one
// transaction. It is used by one goroutine.
type Refs struct {
	// Missing, when set, is asked for the keys of rows that are no longer in
	// the table: those whose target column held the values. It may be of no
	// help for some.
	Missing func(ctx context.Context, t *Table, target string, values []crdt.Value) (map[crdt.Value]crdt.Key, error)

	cache   map[cacheID]map[crdt.Value]crdt.Value
	tellers map[tellerID]map[crdt.Value]crdt.Value
}

// cacheID is a column that references point to.
type cacheID struct {
	table  *Table
	target int
}

// NewRefs returns a translator that knows nothing yet.
func NewRefs() *Refs {
	return &Refs{cache: make(map[cacheID]map[crdt.Value]crdt.Value), tellers: make(map[tellerID]map[crdt.Value]crdt.Value)}
}

// Portable turns the references in rows that were just read into keys, and
// names the rows. A reference to a row that is not there becomes NULL.
func (r *Refs) Portable(ctx context.Context, q Queryer, t *Table, rows []Row) error {
	for id, known := range r.cache {
		if len(known) > cacheMax {
			delete(r.cache, id)
		}
	}
	if err := r.link(ctx, q, t, rows); err != nil { // while what tells is a local value
		return err
	}
	for i := range t.Columns {
		ref := t.refs[i]
		if ref == nil {
			continue
		}
		next := 0
		err := r.fill(ctx, q, ref, func() (crdt.Value, bool) {
			next++
			if next > len(rows) {
				return "", false
			}
			return rows[next-1].Values[i], true
		})
		if err != nil {
			return fmt.Errorf("table %s, column %s: %w", t.Def.Name, t.Columns[i], err)
		}
		for j := range rows {
			rows[j].Values[i] = r.ref(ref, rows[j].Values[i])
		}
	}
	for j := range rows {
		rows[j].Key = t.Key(rows[j].Values)
	}
	return nil
}

// ref returns the reference value for a local value, NULL when it points to
// nothing. What it needs was looked up by fill.
func (r *Refs) ref(ref *reference, v crdt.Value) crdt.Value {
	if v.IsNull() {
		return v
	}
	if !ref.direct {
		return r.cache[cacheID{ref.to, ref.target}][v]
	}
	inner := ref.to.refs[ref.target]
	if inner == nil {
		return crdt.Ref(crdt.MakeKey(ref.to.cols[ref.target].Canonical(v)))
	}
	known := r.known(ref)
	if value, ok := known[v]; ok {
		return value
	}
	value := r.ref(inner, v)
	if !value.IsNull() {
		value = crdt.Ref(crdt.MakeKey(value))
	}
	known[v] = value
	return value
}

func (r *Refs) known(ref *reference) map[crdt.Value]crdt.Value {
	id := cacheID{ref.to, ref.target}
	known := r.cache[id]
	if known == nil {
		known = make(map[crdt.Value]crdt.Value)
		r.cache[id] = known
	}
	return known
}

// fill looks up those of the values that next returns that are not known yet.
func (r *Refs) fill(ctx context.Context, q Queryer, ref *reference, next func() (crdt.Value, bool)) error {
	if ref.direct {
		if inner := ref.to.refs[ref.target]; inner != nil {
			return r.fill(ctx, q, inner, next)
		}
		return nil
	}
	known := r.known(ref)
	var ask []crdt.Value
	for v, ok := next(); ok; v, ok = next() {
		if v.IsNull() {
			continue
		}
		if _, asked := known[v]; !asked {
			known[v] = crdt.Null
			ask = append(ask, v)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	for chunk := range slices.Chunk(ask, Batch) {
		if err := r.lookup(ctx, q, ref, chunk, known); err != nil {
			for _, v := range ask { // not known to be missing, only not asked
				delete(known, v)
			}
			return err
		}
	}
	return r.askMissing(ctx, ref, ask, known)
}

// lookup reads the identities of the rows whose target column holds the values.
func (r *Refs) lookup(ctx context.Context, q Queryer, ref *reference, values []crdt.Value, known map[crdt.Value]crdt.Value) error {
	to := ref.to
	columns := append([]Column{to.cols[ref.target]}, to.pick(to.identity)...)
	tuples := make([][]crdt.Value, len(values))
	for i := range values {
		tuples[i] = values[i : i+1]
	}
	where, err := AppendMatch(nil, columns[:1], tuples)
	if err != nil {
		return err
	}
	var found [][]crdt.Value
	query := "SELECT " + SelectList(columns) + " FROM " + QuoteName(to.Def.Name) + " WHERE " + string(where)
	if err := Each(ctx, q, query, columns, func(v []crdt.Value) { found = append(found, v) }); err != nil {
		return fmt.Errorf("look up %s: %w", to.Def.Name, err)
	}
	if err := r.portableIdentity(ctx, q, to, found); err != nil {
		return err
	}
	byCanonical := r.canonicalTargets(ref, values)
	for _, f := range found {
		if key := to.keyOfIdentity(f[1:]); key != "" {
			value := crdt.Ref(key)
			known[f[0]] = value
			for _, v := range byCanonical[columns[0].Canonical(f[0])] {
				known[v] = value
			}
		}
	}
	return nil
}

// canonicalTargets groups text values that the server takes for equal to one
// target; nil for columns where equal values are the same.
func (r *Refs) canonicalTargets(ref *reference, values []crdt.Value) map[crdt.Value][]crdt.Value {
	column := &ref.to.cols[ref.target]
	if column.kind != kindText {
		return nil
	}
	groups := make(map[crdt.Value][]crdt.Value, len(values))
	for _, v := range values {
		c := column.Canonical(v)
		groups[c] = append(groups[c], v)
	}
	return groups
}

// portableIdentity translates the references among identity values, which
// follow the first field of each row.
func (r *Refs) portableIdentity(ctx context.Context, q Queryer, t *Table, rows [][]crdt.Value) error {
	for j, i := range t.identity {
		ref := t.refs[i]
		if ref == nil {
			continue
		}
		next := 0
		err := r.fill(ctx, q, ref, func() (crdt.Value, bool) {
			next++
			if next > len(rows) {
				return "", false
			}
			return rows[next-1][j+1], true
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			row[j+1] = r.ref(ref, row[j+1])
		}
	}
	return nil
}

// keyOfIdentity makes the key of portable identity values.
func (t *Table) keyOfIdentity(values []crdt.Value) crdt.Key {
	parts := make([]crdt.Value, len(values))
	for j, v := range values {
		if v.IsNull() {
			return ""
		}
		parts[j] = t.cols[t.identity[j]].Canonical(v)
	}
	return crdt.MakeKey(parts...)
}

func (r *Refs) askMissing(ctx context.Context, ref *reference, asked []crdt.Value, known map[crdt.Value]crdt.Value) error {
	if r.Missing == nil {
		return nil
	}
	missing := slices.DeleteFunc(asked, func(v crdt.Value) bool { return !known[v].IsNull() })
	if len(missing) == 0 {
		return nil
	}
	keys, err := r.Missing(ctx, ref.to, ref.to.cols[ref.target].Name, missing)
	if err != nil {
		return err
	}
	for v, key := range keys {
		known[v] = crdt.Ref(key)
	}
	return nil
}
