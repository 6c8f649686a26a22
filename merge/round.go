package merge

import "baraza/crdt"

// rounds is what the rounds of one place know together.
type rounds struct {
	rounds []*Piece // up to the one at hand
	first  [1]*Piece
	// seen counts how often a row was tried again in this transaction, but for
	// what arrived: a row that waits for several is woken by each of them.
	seen map[RowID]int
	// revived are the rows that were to come back in some round.
	revived map[RowID]bool
	// back are rows that came back, and lowered those below which a row came, since it
	// was last quiet; looked counts how often a row was looked at then.
	back, lowered []RowID
	looked        map[RowID]int
	settling      settling
	// kept are the dead rows that stayed, or came back, in some round, and those that would
	// have gone with one; unsure tells that some row stayed since one that refers to it is
	// not locked.
	kept   []RowID
	unsure bool
}

// placing is one round of place.
type placing struct {
	*Piece
	*rounds
	tx     Tx
	states States
	// patches are references written as NULL until their row is in.
	patches []patch
	// clashes are rows that were refused since another has a unique value of
	// theirs (R5).
	clashes []*work
	// arrived are rows that were inserted; freed tables, by their place in the
	// order, are those in which a unique value may have become free.
	arrived []RowID
	freed   []int
	// asked is memory for ask.
	asked []crdt.Key
	// departed are rows that are removed from now on, revive those that are to
	// come back, released those that a row no longer refers to.
	departed, revive, released []RowID
	// waiting are rows that could not go in and may be of a ring, rings those that
	// are (ring.go).
	waiting, rings []RowID
}

// begin makes it a new round, with the room that lists have.
func (pl *placing) begin(round *Piece, all *rounds, tx Tx, states States) {
	*pl = placing{
		Piece: round, rounds: all, tx: tx, states: states,
		arrived: pl.arrived[:0], freed: pl.freed[:0], departed: pl.departed[:0], released: pl.released[:0],
		asked: pl.asked[:0],
	}
}

// clear gives up what is only needed while the round lasts.
func (pl *placing) clear() {
	for _, list := range [][]RowID{pl.arrived, pl.departed, pl.released} {
		clear(list)
	}
	pl.begin(nil, nil, nil, nil)
}
