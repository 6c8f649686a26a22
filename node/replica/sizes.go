package replica

// Sizes are how much a replica keeps in memory between two steps. None grows
// with the backlog.
type Sizes struct {
	Contexts int // of origins
	Scans    int // origins whose log was searched for the end of a batch
	Wake     int // rows to be placed once more
	Taken    int // ranges of captured rows that the source may still have
	Names    int // sites and columns, interned
}

// Sizes counts what is kept.
func (r *Replica) Sizes() Sizes {
	return Sizes{
		Contexts: len(r.contexts), Scans: len(r.scans), Wake: len(r.wake),
		Taken: len(r.taken.ids), Names: len(r.names.name),
	}
}
