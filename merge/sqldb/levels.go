package sqldb

import (
	"slices"

	"baraza/crdt"
	"baraza/merge"
	"baraza/schema"
)

// selfReferences returns the columns of t that refer to rows of t.
func selfReferences(t *schema.Table) []string {
	var columns []string
	for _, ref := range t.References {
		if ref.Table == t.Name {
			columns = append(columns, ref.Column)
		}
	}
	return columns
}

// levels divides the rows of one call so that each level refers only to rows
// of the levels before it or to rows outside the call. ring are the rows that
// refer to each other in a circle, or to themselves, and those that depend on
// such rows. The numbers are indexes of rows.
func levels(rows []merge.Row, self []string) (byLevel [][]int, ring []int) {
	all := make([]int, len(rows))
	for i := range all {
		all[i] = i
	}
	if len(self) == 0 {
		return [][]int{all}, nil
	}
	needs, neededBy := dependencies(rows, self)
	var ready []int
	for i := range rows {
		if needs[i] == 0 {
			ready = append(ready, i)
		}
	}
	placed := 0
	for len(ready) > 0 {
		byLevel = append(byLevel, ready)
		placed += len(ready)
		var next []int
		for _, i := range ready {
			for _, j := range neededBy[i] {
				if needs[j]--; needs[j] == 0 {
					next = append(next, j)
				}
			}
		}
		ready = next
	}
	if placed < len(rows) {
		for i := range rows {
			if needs[i] > 0 {
				ring = append(ring, i)
			}
		}
	}
	return byLevel, ring
}

// dependencies counts, for each row, the references to rows of the call, and
// lists for each row those that refer to it.
func dependencies(rows []merge.Row, self []string) (needs []int, neededBy map[int][]int) {
	at := make(map[crdt.Key]int, len(rows))
	for i, r := range rows {
		at[r.Key] = i
	}
	needs, neededBy = make([]int, len(rows)), make(map[int][]int)
	for i, r := range rows {
		for c, name := range r.Columns {
			key, isRef := r.Values[c].Key()
			if !isRef || !slices.Contains(self, name) {
				continue
			}
			if parent, inCall := at[key]; inCall {
				needs[i]++
				neededBy[parent] = append(neededBy[parent], i)
			}
		}
	}
	return needs, neededBy
}
