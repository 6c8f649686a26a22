package sim

import (
	"strings"
	"testing"
)

// TestFound runs plans that once failed. In 9008306 a database is put back to a backup,
// and then to a later one. In 9012198 a member begins to give its rows
// while its database is set back, unnoticed. In the others the checkers were wrong: a
// deleted row that R4 keeps for one that is held (9012476); rows of a member whose
// connection broke, when another, that lacks them, completes the join (9006814,
// 9012548); rows that a joining site sends a batch before those that they refer to
// (9004961); what only sites had that left, of one that lost its data directory
// (9005329, 9007253, 9007138, 9010809, 9100549); and what a database that was put back
// twice, to a later backup after an earlier one, has of the time between (9016436). In
// 9003840, 9006033 and 9006308 a site needs the administrator.
func TestFound(t *testing.T) {
	for _, seed := range []uint64{9003840, 9004961, 9005329, 9006033, 9006308, 9006814, 9007138, 9007253, 9008306, 9010809, 9012198, 9012476, 9012548, 9016436, 9100549, 9306698} {
		p := checkPlan(seed, 2, 6)
		if res := p.Run(); res.Err != nil {
			t.Errorf("%v\n  %s\nreplay: baraza sim check --runs 1 --sites 2-6 --seed %d", res.Err, strings.Join(res.Tail, "\n  "), seed)
		}
	}
}

// TestFoundMoving is the same where sites come and go and logs are shortened. In 300406 a
// batch waits for what went with two sites, in 301024, 302189, 304017 and 311348 a join is
// broken off and a delete settles meanwhile, in 300477 a site that joins answers one. In
// 303257 a row comes back with one that refers to it and gives its unique value up.
func TestFoundMoving(t *testing.T) {
	for _, seed := range []uint64{300113, 300406, 300477, 301024, 302189, 302770, 303257, 303862, 304017, 311348, 312425, 313502} {
		p := checkPlan(seed, 2, 6)
		if res := p.Run(); res.Err != nil {
			t.Errorf("%v\n  %s\nreplay: baraza sim check --runs 1 --sites 2-6 --seed %d", res.Err, strings.Join(res.Tail, "\n  "), seed)
		}
	}
}

// TestFoundOfMany is the same for plans of up to eight sites. In 9302984 a site needs
// the administrator; in 9303158 the checkers were wrong about what a site writes while
// it has forgotten its last group, as its database has, and in 9401900 about rows of
// which a site that joined has had another version, in 9600113 about a value that a
// kept row showed (R4). In 689 rows of two tables that were deleted since a backup
// refer to each other in a circle, in 8981 so that a row which others remember as
// deleted stands between, in 60118 so that a row went with it, in 101736 so that one
// stays with it, in 910228 so that one which waits for another still refers to it. In 3436 rows that refer to each other are to bring back a row to
// which they refer. In 2409 such a row comes back at a site that joins, and its
// applications have deleted it. In 100916 such a row is to give up its unique value.
// In 5358 an application inserts a row anew between two attempts of a join. In 9130
// the checkers were wrong about a value that two sites took along to one new key, in
// 5144 about counters of a database that was put back twice, to a later backup after
// an earlier one, and in 7528 and 9777 about what a site that lost its data directory
// has of another's and its member has not. In 12660 a row is inserted in pieces in a
// restored database. In 202056 a join goes on from a member that lacks a numbered row. In
// 5529 and 5593 a restored database brings back what its site knows to be settled, and
// others do not; in 3834 one gives a deleted row's number to another. In 7660 a settled
// row comes back to tables for another while a site joins that brings it too. In 8048,
// 9402 and 9805 the checkers were wrong about sites that join, in 19784 about a
// numbered row that the first member of a cut join gave, in 11901 about a numbered
// row that was inserted anew over its delete and ended, in 13828 about a conflict of a row
// that a lost data directory brings back. In 8445 what is inserted in a restored database
// beats what lost before the row was deleted. In 13753 the member who was told that a site
// is gone for good is gone itself. In 17780 the checkers were wrong about a row that is to
// refer to one which comes a batch later, in 24170 about one whose row was written to before
// its insert has come. In 26070 a row with a counter is inserted at a site that joins
// over a delete that was undone, and is deleted again meanwhile. In 101174 applications of
// a site that joins delete a row of its own that others have deleted and forgotten. In
// 102156 a deleted numbered row that comes back refers to one that was deleted meanwhile.
// In 123605 a site's own old row and one of the network's meet where sites join at a time, in
// 124436 a numbered row gave way in a database that is put back once more, in 130616 at a
// site from which another recovers; in 142617 one comes back and is deleted again.
func TestFoundOfMany(t *testing.T) {
	for _, seed := range []uint64{
		689, 2409, 3436, 3834, 5144, 5358, 5529, 5593, 7528, 7660, 8048, 8445, 8981, 9130, 9402, 9777, 9805,
		11901, 12660, 13753, 13828, 17780, 19784, 24170, 26070, 60118, 100916, 101174, 101736, 102156, 122996, 123605, 124436, 130616, 142617, 201041, 202056, 208702, 210564, 510186, 910228,
		9300814, 9301370, 9302984, 9303158, 9304773, 9401900, 9600113, 9602230,
	} {
		p := checkPlan(seed, 2, 8)
		if res := p.Run(); res.Err != nil {
			t.Errorf("%v\n  %s\nreplay: baraza sim check --runs 1 --sites 2-8 --seed %d", res.Err, strings.Join(res.Tail, "\n  "), seed)
		}
	}
}
