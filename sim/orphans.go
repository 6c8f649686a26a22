package sim

import (
	"context"
	"slices"
	"strings"

	"baraza/clock"
	"baraza/merge"
	"baraza/node/replica"
)

// orphan reports whether a member gave a row from which the site's join did not go on,
// and left for good before anybody had it from its log.
func (s *Site) orphan(id merge.RowID) bool {
	return !s.oracle.rows[id].begun(id) && slices.ContainsFunc(s.w.membership.gone, func(gone clock.SiteID) bool {
		return s.oracle.applied.Seq(gone) < s.offered.Seq(gone)
	})
}

// keepsOrphan reports whether a site may keep such a row for itself: nobody could tell of
// which insert one is that a number alone names (docs/limits.md), and where logs are not
// shortened nobody hears that others have nothing more of who left.
func (s *Site) keepsOrphan(id merge.RowID) bool {
	return s.orphan(id) && (id.Table == numbered || s.w.opts.Publish == 0)
}

// settleDoubts compares the tables that are in doubt with another member's and makes the
// rows known of which only this site has anything, as node does.
func (s *Site) settleDoubts(ctx context.Context) error {
	doubts, err := s.r.Doubts()
	if err != nil || len(doubts) == 0 {
		return err
	}
	at := slices.IndexFunc(s.w.Sites, func(o *Site) bool {
		return o != s && o.up && !o.away() && !o.joining() && !o.restored.behind
	})
	if at < 0 {
		return nil
	}
	for _, d := range doubts {
		var rows []replica.Affirmed
		for id := range tables(s.db) {
			if id.Table == d.Table && !s.w.Sites[at].db.Has(id.Table, id.Key) && s.orphan(id) {
				rows = append(rows, replica.Affirmed{Key: id.Key})
			}
		}
		slices.SortFunc(rows, func(a, b replica.Affirmed) int { return strings.Compare(string(a.Key), string(b.Key)) })
		n, err := s.r.Affirm(ctx, d.Table, rows)
		if err != nil {
			return err
		}
		if n > 0 {
			s.w.note("%s makes %d rows of %s known that only it has", s, n, d.Table)
			s.w.fail(s.check())
			s.advanced()
		}
		if err := s.r.EndDoubt(d.Table); err != nil {
			return err
		}
	}
	return nil
}
