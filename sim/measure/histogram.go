package measure

import (
	"math"
	"time"
)

// Histogram counts lengths of time in classes that are each 2 % wider than the
// one before, from a microsecond on.
type Histogram struct {
	classes []uint64
	count   uint64
	most    time.Duration
}

// width is the ratio of one class's bound to the one's before.
const width = 1.02

func class(d time.Duration) int {
	return int(math.Log(max(float64(d)/float64(time.Microsecond), 1)) / math.Log(width))
}

// middle is what a class counts as. The first one has what takes no time.
func middle(class int) time.Duration {
	if class == 0 {
		return 0
	}
	return time.Duration(math.Pow(width, float64(class)+0.5) * float64(time.Microsecond))
}

// Add counts one.
func (h *Histogram) Add(d time.Duration) {
	c := class(d)
	for len(h.classes) <= c {
		h.classes = append(h.classes, 0)
	}
	h.classes[c]++
	h.count++
	h.most = max(h.most, d)
}

// Count is how many were counted.
func (h *Histogram) Count() uint64 { return h.count }

// Max is the greatest, exactly.
func (h *Histogram) Max() time.Duration { return h.most }

// Quantile is the least length that a part of all do not exceed, to 1 %; 0 of
// none.
func (h *Histogram) Quantile(part float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	want := uint64(math.Ceil(part * float64(h.count)))
	var sum uint64
	for c, n := range h.classes {
		if sum += n; sum >= max(want, 1) {
			return min(middle(c), h.most)
		}
	}
	return h.most
}

// Curve calls each for every class that counts something, with the part of all
// that is not greater.
func (h *Histogram) Curve(each func(d time.Duration, part float64)) {
	var sum uint64
	for c, n := range h.classes {
		if n > 0 {
			sum += n
			each(min(middle(c), h.most), float64(sum)/float64(h.count))
		}
	}
}
