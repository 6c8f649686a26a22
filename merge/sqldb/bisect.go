package sqldb

import "baraza/merge"

// bisect does the rows lo to hi with one statement, and where the server
// refuses that for the sake of some row, halves them until each culprit stands
// alone. Culprits go to refuse, which may turn them into an error. Any other
// error ends it.
func bisect(lo, hi int, do func(lo, hi int) error, refuse func(i int, why merge.Refusal, err error) error) error {
	if lo == hi {
		return nil
	}
	err := do(lo, hi)
	if err == nil {
		return nil
	}
	why := refusalOf(err)
	if why == 0 {
		return err
	}
	if hi-lo == 1 {
		return refuse(lo, why, err)
	}
	mid := lo + (hi-lo)/2
	if err := bisect(lo, mid, do, refuse); err != nil {
		return err
	}
	return bisect(mid, hi, do, refuse)
}

// Limits of one statement. A statement is closed when either is reached. (To insert
// 500 rows with each costs the server a tenth more than 2,000.)
const (
	statementRowsMax  = 500
	insertRowsMax     = 2000
	statementBytesMax = 1 << 20
)

// chunks divides rows of the given sizes, in bytes, into statements of at most so
// many.
func chunks(n, most int, size func(i int) int, do func(lo, hi int) error) error {
	lo, bytes := 0, 0
	for i := range n {
		if i > lo && (i-lo == most || bytes+size(i) > statementBytesMax) {
			if err := do(lo, i); err != nil {
				return err
			}
			lo, bytes = i, 0
		}
		bytes += size(i)
	}
	if lo == n {
		return nil
	}
	return do(lo, n)
}
