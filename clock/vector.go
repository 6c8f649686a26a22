package clock

import (
	"fmt"
	"slices"
	"strings"
)

// Entry is one origin's place in a version vector: everything of Site up to
// the log entry Seq is in, which means every write of Site with a timestamp
// not greater than Through.
type Entry struct {
	Site    SiteID
	Seq     uint64
	Through Timestamp
}

// VersionVector says per origin how far a site has everything. It is sorted by
// site; the zero value has nothing and is ready for use. (Parker et al.,
// "Detection of Mutual Inconsistency in Distributed Systems", 1983.)
type VersionVector []Entry

func (v VersionVector) find(site SiteID) (int, bool) {
	lo, hi := 0, len(v)
	want, rest := site.halves()
	for lo < hi { // slices.BinarySearchFunc calls and copies; this is on every hot path
		mid := int(uint(lo+hi) >> 1)
		a, b := v[mid].Site.halves()
		switch {
		case a == want && b == rest:
			return mid, true
		case a < want || a == want && b < rest:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// Get returns the entry of a site; a site that v does not name has the zero
// Seq and Through.
func (v VersionVector) Get(site SiteID) Entry {
	if i, ok := v.find(site); ok {
		return v[i]
	}
	return Entry{Site: site}
}

// Seq returns how far v has the log of site.
func (v VersionVector) Seq(site SiteID) uint64 { return v.Get(site).Seq }

// SeqAt is Seq for a caller that guesses the place of the site in v: it knows it
// in a vector that mostly names the same sites. A guess that is one too far is as
// good.
func (v VersionVector) SeqAt(guess int, site SiteID) uint64 {
	if guess < len(v) && v[guess].Site == site {
		return v[guess].Seq
	}
	if 0 < guess && guess <= len(v) && v[guess-1].Site == site {
		return v[guess-1].Seq
	}
	return v.Seq(site)
}

// Place returns where v names a site, or would.
func (v VersionVector) Place(site SiteID) int {
	i, _ := v.find(site)
	return i
}

// Covers reports whether a site with vector v has seen the write stamped s.
// The baseline is seen by everyone.
func (v VersionVector) Covers(s Stamp) bool {
	return s.IsZero() || s.Time <= v.Get(s.Site).Through
}

// Set makes e the entry of its site.
func (v *VersionVector) Set(e Entry) {
	i, ok := v.find(e.Site)
	if ok {
		(*v)[i] = e
		return
	}
	*v = slices.Insert(*v, i, e)
}

// With returns a copy in which e is the entry of its site.
func (v VersionVector) With(e Entry) VersionVector {
	if i, ok := v.find(e.Site); ok {
		next := v.Clone()
		next[i] = e
		return next
	}
	next := append(make(VersionVector, 0, len(v)+1), v...)
	next.Set(e)
	return next
}

// seek returns the place of a site, which is at from or after it. Whoever goes
// through two vectors side by side finds most places at once: they mostly name
// the same sites.
func (v VersionVector) seek(from int, site SiteID) (int, bool) {
	if from < len(v) && v[from].Site == site {
		return from, true
	}
	i, ok := v[from:].find(site)
	return from + i, ok
}

// Merge raises v to the entry-wise maximum of v and other.
func (v *VersionVector) Merge(other VersionVector) {
	at, added := 0, 0
	for i := range other {
		e := &other[i]
		j, ok := v.seek(at, e.Site)
		at = j
		if !ok {
			if e.Seq > 0 || e.Through > 0 {
				added++
			}
			continue
		}
		mine := &(*v)[j]
		mine.Seq, mine.Through = max(e.Seq, mine.Seq), max(e.Through, mine.Through)
		at++
	}
	if added > 0 {
		v.add(other, added)
	}
}

// add takes in the n entries of other whose sites v does not name. It makes no
// more room than they need: most vectors stay as they are then, and each site keeps
// one for each origin.
func (v *VersionVector) add(other VersionVector, n int) {
	old, all := *v, *v
	if cap(all) < len(old)+n {
		all = make(VersionVector, len(old)+n)
	}
	all = all[:len(old)+n]
	i, to := len(old)-1, len(all)-1
	for j := len(other) - 1; n > 0; j-- { // from the end, so that nothing is overwritten
		e := &other[j]
		for ; i >= 0 && e.Site.Compare(old[i].Site) < 0; i, to = i-1, to-1 {
			all[to] = old[i]
		}
		named := i >= 0 && old[i].Site == e.Site
		if !named && (e.Seq > 0 || e.Through > 0) {
			all[to] = *e
			to, n = to-1, n-1
		}
	}
	copy(all, old[:i+1])
	*v = all
}

// Includes reports whether v has everything that other has, by log order.
func (v VersionVector) Includes(other VersionVector) bool {
	at := 0
	for i := range other {
		e := &other[i]
		j, ok := v.seek(at, e.Site)
		if at = j; ok {
			at++
		}
		if e.Seq > 0 && (!ok || v[j].Seq < e.Seq) {
			return false
		}
	}
	return true
}

// Behind returns how many log entries other has that v lacks.
func (v VersionVector) Behind(other VersionVector) uint64 {
	var n uint64
	at := 0
	for i := range other {
		e := &other[i]
		j, ok := v.seek(at, e.Site)
		mine := uint64(0)
		if at = j; ok {
			mine = v[j].Seq
			at++
		}
		if mine < e.Seq {
			n += e.Seq - mine
		}
	}
	return n
}

// Clone returns a copy that shares nothing with v.
func (v VersionVector) Clone() VersionVector { return slices.Clone(v) }

// String returns "site:seq" pairs with short site ids.
func (v VersionVector) String() string {
	parts := make([]string, len(v))
	for i, e := range v {
		parts[i] = fmt.Sprintf("%s:%d", e.Site.Short(), e.Seq)
	}
	return "{" + strings.Join(parts, " ") + "}"
}
