package merge

import (
	"context"
	"slices"

	"baraza/crdt"
	"baraza/schema"
)

// lockReferrers locks what may go, or change, with the rows that the piece may
// remove, however deep.
func (p *Piece) lockReferrers(ctx context.Context, tx Tx, states States) error {
	var front map[string][]crdt.Key
	var seen map[RowID]bool
	err := p.inOrder(func(tp *tablePiece) error {
		if !p.m.takes[tp.name] {
			return nil
		}
		for _, w := range tp.order {
			may, err := w.mayGo(states)
			if err != nil {
				return err
			}
			if may || p.adopting && w.inTable != nil { // what is to go may have no state
				if front == nil {
					front, seen = map[string][]crdt.Key{}, map[RowID]bool{}
				}
				seen[w.id] = true
				front[tp.name] = append(front[tp.name], w.id.Key)
			}
		}
		return nil
	})
	if len(front) == 0 {
		return err
	}
	up := newAscent(p, tx, states)
	for err == nil && len(front) > 0 {
		if front, err = p.lockNext(ctx, tx, front, seen, up); err == nil && len(front) == 0 {
			front, err = up.climb(ctx)
		}
	}
	return err
}

// mayGo reports whether a locked row may be removed by its changes, or since what it
// waits for was deleted.
func (w *work) mayGo(states States) (bool, error) {
	if w.inTable == nil {
		return false, nil
	}
	if slices.ContainsFunc(w.changes, func(c change) bool { return c.ch.Delete }) {
		return true, nil
	}
	s, err := states.State(w.id)
	return err == nil && s != nil && (s.Dead() || s.Place == Waiting), err
}

func (p *Piece) lockNext(ctx context.Context, tx Tx, front map[string][]crdt.Key, seen map[RowID]bool, up *ascent) (map[string][]crdt.Key, error) {
	next := map[string][]crdt.Key{}
	for _, name := range p.m.Order {
		if len(front[name]) == 0 {
			continue
		}
		for i := range p.m.referrers[name] {
			by := &p.m.referrers[name][i]
			if by.OnDelete == schema.Restrict {
				if err := up.keepers(ctx, name, by, front[name]); err != nil {
					return nil, err
				}
				continue
			}
			links, _, err := referrers(ctx, tx, p.m.Model.Tables[name], by, front[name])
			if err != nil {
				return nil, err
			}
			keys, err := p.lockChildren(ctx, tx, by.Child.Name, links)
			if err != nil {
				return nil, err
			}
			for _, key := range keys {
				id := RowID{by.Child.Name, key}
				if by.OnDelete == schema.Cascade && !seen[id] {
					seen[id] = true
					next[id.Table] = append(next[id.Table], key)
				}
			}
		}
	}
	return next, nil
}

// lockChildren locks the children that are not in the piece yet, and returns
// those that are there.
func (p *Piece) lockChildren(ctx context.Context, tx Tx, table string, links []Link) (there []crdt.Key, err error) {
	var fresh []crdt.Key
	for _, l := range links {
		id := RowID{table, l.Child}
		if l.Child == "" {
			continue
		}
		if p.find(id) == nil {
			p.work(id)
			fresh = append(fresh, l.Child)
		}
	}
	if len(fresh) > 0 {
		if err := p.lockRows(ctx, tx, p.table(table), fresh); err != nil {
			return nil, err
		}
	}
	for _, l := range links {
		if w := p.find(RowID{table, l.Child}); w != nil && w.inTable != nil {
			there = append(there, l.Child)
		}
	}
	return there, nil
}
