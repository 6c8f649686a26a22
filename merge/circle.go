package merge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"baraza/crdt"
	"baraza/schema"
)

// A dead row stays as long as a row refers to it that would not go (R4). Whether that
// one would go may depend on further dead rows that stay: where it refers to one of
// them by CASCADE, and rows that go with the first keep the second, each stays because
// of the other, and all can go. So dead rows above what keeps a row are decided about
// together with it: all rows go that can, whichever was deleted first.

// ascent is a walk from rows that keep others up the references with CASCADE to the
// dead rows that stay.
type ascent struct {
	p      *Piece
	tx     Tx
	states States
	any    map[string]bool       // by table: it, or one above it, may have kept rows
	seen   map[RowID]bool        // rows that were looked at
	next   map[string][]crdt.Key // rows to look at
}

func newAscent(p *Piece, tx Tx, states States) *ascent {
	return &ascent{p: p, tx: tx, states: states, any: map[string]bool{}, seen: map[RowID]bool{}, next: map[string][]crdt.Key{}}
}

// mayGo reports whether a row of a table may be a dead one that stays, or refer to
// such by CASCADE, through others or not.
func (up *ascent) mayGo(table string) (bool, error) {
	may, asked := up.any[table]
	if asked {
		return may, nil
	}
	for _, name := range append([]string{table}, up.p.m.above[table]...) {
		kept, err := up.states.NotPlaced(name, 1)
		if err != nil {
			return false, err
		}
		may = may || len(kept) > 0
	}
	up.any[table] = may
	return may, nil
}

// keepers notes the rows that refer to some rows by RESTRICT.
func (up *ascent) keepers(ctx context.Context, table string, by *schema.Referrer, keys []crdt.Key) error {
	may, err := up.mayGo(by.Child.Name)
	if err != nil || !may {
		return err
	}
	links, _, err := referrers(ctx, up.tx, up.p.m.Model.Tables[table], by, keys)
	for _, l := range links {
		if l.Child != "" {
			up.look(RowID{by.Child.Name, l.Child})
		}
	}
	return err
}

// look notes a row to look at, once.
func (up *ascent) look(id RowID) {
	if !up.seen[id] {
		up.seen[id] = true
		up.next[id.Table] = append(up.next[id.Table], id.Key)
	}
}

// climb locks the kept rows among those that were noted and above them, as rows of
// the piece, and returns them.
func (up *ascent) climb(ctx context.Context) (front map[string][]crdt.Key, err error) {
	front = map[string][]crdt.Key{}
	for looked := 0; len(up.next) > 0 && looked < releaseMax; {
		level := up.next
		up.next = map[string][]crdt.Key{}
		for _, name := range up.p.m.Order {
			if len(level[name]) == 0 {
				continue
			}
			looked += len(level[name])
			kept, err := up.level(ctx, name, level[name])
			if err != nil {
				return nil, err
			}
			if len(kept) > 0 {
				front[name] = append(front[name], kept...)
			}
		}
	}
	return front, nil
}

// level looks at rows of a table: it locks the kept ones that the piece does not have
// yet, and notes what the others refer to by CASCADE.
func (up *ascent) level(ctx context.Context, table string, keys []crdt.Key) (kept []crdt.Key, err error) {
	var others []crdt.Key
	for _, key := range keys {
		id := RowID{table, key}
		s, err := up.states.State(id)
		switch {
		case err != nil:
			return nil, err
		case s == nil || s.Place != Kept:
			others = append(others, key)
		case up.p.find(id) == nil:
			up.p.work(id)
			kept = append(kept, key)
		}
	}
	if len(kept) > 0 {
		if err := up.p.lockRows(ctx, up.tx, up.p.table(table), kept); err != nil {
			return nil, err
		}
	}
	if len(others) == 0 {
		return kept, nil
	}
	t := up.p.m.Model.Tables[table]
	rows, err := up.tx.Lock(ctx, t, others)
	if err != nil {
		return nil, fmt.Errorf("lock rows of table %s that keep others: %w", table, err)
	}
	slices.SortFunc(rows, func(x, y Row) int { return strings.Compare(string(x.Key), string(y.Key)) }) // Lock has no order
	for i := range rows {
		for _, id := range cascadesOf(t, &rows[i]) {
			up.look(id)
		}
	}
	return kept, nil
}
