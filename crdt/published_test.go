package crdt

import (
	"reflect"
	"testing"

	"baraza/clock"
)

// TestPublished: what beat a row that a site told later, with a stamp of the past, is the
// same in whatever order the changes come: who has seen the site's log up to a later time
// has not seen that row. So is what beat a value that one deleted who had not seen it,
// though he knew of its site's log.
//
// Seen to fail when Saw goes by the context alone, and when loseTo does not ask what the
// delete says of the column.
func TestPublished(t *testing.T) {
	one, two, three := clock.SiteID{1}, clock.SiteID{2}, clock.SiteID{3}
	write := func(at clock.Timestamp, v Value, prior Stamps) *Change {
		return &Change{Table: "t", Key: "k", Time: at, Whole: true, Columns: []string{"c"}, Values: []Value{v}, Prior: prior}
	}
	type told struct {
		ch     *Change
		origin clock.SiteID
		seen   clock.VersionVector
	}
	knows := func(site clock.SiteID, through clock.Timestamp) clock.VersionVector {
		return clock.VersionVector{{Site: site, Seq: 1, Through: through}}
	}
	first := told{write(clock.At(10, 0), Text("first"), Stamps{}), one, nil}
	late := told{write(PublishedAt(1), Text("late"), Stamps{}), two, nil}
	then := told{write(clock.At(30, 0), Text("then"), Stamps{Row: clock.Stamp{Time: clock.At(10, 0), Site: one}}), one, knows(two, clock.At(20, 0))}
	gone := told{&Change{Table: "t", Key: "k", Time: clock.At(40, 0), Delete: true}, three, nil}
	apart := told{&Change{
		Table: "t", Key: "k", Time: clock.At(50, 0), Delete: true, Prior: Stamps{Cells: []CellStamp{{Column: "c"}}},
	}, two, knows(one, clock.At(45, 0))}
	for _, orders := range [][2][]told{
		{{first, late, then}, {first, then, late}},
		{{first, gone, apart}, {first, apart, gone}},
	} {
		var lost [2][]Loss
		for i, order := range orders {
			r := &Row{}
			for _, x := range order {
				r.Apply(x.ch, x.origin, x.seen)
			}
			lost[i] = r.Lost
		}
		if len(lost[0]) != 1 || !reflect.DeepEqual(lost[0], lost[1]) {
			t.Errorf("in one order %+v is lost, in another %+v", lost[0], lost[1])
		}
	}
}
