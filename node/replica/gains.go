package replica

import (
	"slices"

	"baraza/clock"
)

// gain is what a step brings of one origin, besides its place in the vector.
type gain struct {
	site clock.SiteID
	// context is that of its last batch, if hasContext; own: nobody else has it.
	context    clock.VersionVector
	hasContext bool
	own        bool
	// said is what it says of itself; nil for nothing new.
	said *published
	// content is its last entry with more than baraza's own rows; 0 for nothing
	// new.
	content uint64
}

// gains are sorted by site.
type gains []gain

func (g gains) find(site clock.SiteID) (int, bool) {
	return slices.BinarySearchFunc(g, site, func(x gain, id clock.SiteID) int { return x.site.Compare(id) })
}

// of returns the gain of an origin, new if need be. It is valid until the next
// call.
func (g *gains) of(site clock.SiteID) *gain {
	i, ok := g.find(site)
	if !ok {
		*g = slices.Insert(*g, i, gain{site: site})
	}
	return &(*g)[i]
}

// context returns the context of an origin's last batch, if the step brings one.
func (g gains) context(site clock.SiteID) (clock.VersionVector, bool) {
	if i, ok := g.find(site); ok && g[i].hasContext {
		return g[i].context, true
	}
	return nil, false
}

// said returns what an origin says of itself; nil when nothing new.
func (g gains) said(site clock.SiteID) *published {
	if i, ok := g.find(site); ok {
		return g[i].said
	}
	return nil
}

// content returns an origin's last entry with content; 0 when the step brings
// none.
func (g gains) content(site clock.SiteID) uint64 {
	if i, ok := g.find(site); ok {
		return g[i].content
	}
	return 0
}

// gained makes a step's gains the replica's, after the store has them.
func (r *Replica) gained(g gains) {
	for i := range g {
		x := &g[i]
		if x.hasContext {
			if before := r.contexts[x.site]; before.own {
				r.spareContext = before.vector
			}
			r.contexts[x.site] = knownContext{vector: x.context, own: x.own}
		}
		if x.said != nil {
			r.published[x.site] = x.said
		}
		if x.content > 0 {
			r.content[x.site] = x.content
		}
	}
}

// knownContext is the context of an origin's last applied batch. own: nobody else
// has it, so that its memory can be used again when the next one takes its place.
type knownContext struct {
	vector clock.VersionVector
	own    bool
}

// lendContexts returns all contexts, to be kept.
func (r *Replica) lendContexts() map[clock.SiteID]clock.VersionVector {
	all := make(map[clock.SiteID]clock.VersionVector, len(r.contexts))
	for site, c := range r.contexts {
		all[site] = c.vector
		r.contexts[site] = knownContext{vector: c.vector}
	}
	return all
}
