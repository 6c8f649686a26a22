package sim

import (
	"fmt"

	"baraza/crdt"
	"baraza/merge"
)

// What of a database that was set back is news: rows that applications wrote since,
// or that they had written when the backup was taken and that no capture has taken.
// Such rows, and those that they refer to, come back where others deleted them since
// the backup. All else that was deleted since stays deleted.

// noteNews notes which rows of a backup are news, where it has been put in the place
// of a database. What was news of a backup before it may have been taken by then.
func (s *Site) noteNews() {
	if !s.restored.behind || s.news == nil {
		s.news = map[merge.RowID]bool{}
	}
	for _, id := range s.db.Written() {
		r, _ := s.db.Row(id.Table, id.Key)
		s.isNews(id, r)
	}
}

// noteWritten notes which rows an application changed in a database that is set
// back; before are those rows as they were.
func (s *Site) noteWritten(before map[merge.RowID]merge.Row) {
	if !s.restored.behind || s.news == nil {
		return
	}
	for id, old := range before {
		s.isNews(id, old)
		now, _ := s.db.Row(id.Table, id.Key)
		s.isNews(id, now)
	}
}

// isNews notes a row, and the rows that it refers to, by way of others too.
func (s *Site) isNews(id merge.RowID, r merge.Row) {
	s.news[id] = true
	if len(r.Values) == 0 {
		return
	}
	s.watch.each(id, r, func(target merge.RowID) {
		if !s.news[target] {
			parent, _ := s.db.Row(target.Table, target.Key)
			s.isNews(target, parent)
		}
	}, func(uniqueValue) {})
}

// mayComeBack checks a row that a site writes anew once its database has been brought
// up again.
func (s *Site) mayComeBack(ch *crdt.Change) error {
	if id := (merge.RowID{Table: ch.Table, Key: ch.Key}); !s.news[id] {
		return fmt.Errorf("%s %s is back: it was deleted since the backup, and nobody has written to it since", id.Table, shortKey(id.Key))
	}
	return nil
}
