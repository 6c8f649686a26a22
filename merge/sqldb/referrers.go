package sqldb

import (
	"context"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// Referrers implements merge.Tx.
func (x *tx) Referrers(ctx context.Context, parent *schema.Table, by *schema.Referrer, keys []crdt.Key, limit int) ([]merge.Link, error) {
	to, err := x.table(parent)
	if err != nil {
		return nil, err
	}
	from, err := x.table(by.Child)
	if err != nil {
		return nil, err
	}
	found, err := x.refs.Referrers(ctx, x.sql, to, from, by.Columns, by.Targets, by.Typed != nil, keys, limit)
	if err != nil {
		return nil, wrap(err, "look for rows of "+by.Child.Name+" that refer to "+parent.Name)
	}
	if len(found) > limit {
		return nil, merge.ErrTooMany
	}
	links := make([]merge.Link, len(found))
	for i, l := range found {
		links[i] = merge.Link(l)
	}
	return links, nil
}
