// Package crdt holds the nouns of replication and the rules of merging. It is
// pure: no time, no I/O, no randomness.
//
// A Change says what one source transaction did to one row; a Batch is the
// changes of whole source transactions and travels as log entries (Entry). A
// Row is one row with the stamps of its columns; Row.Apply merges a change
// into it:
//
//   - R1: each column is a last-writer-wins register; the greatest stamp wins.
//   - R2: a row exists iff its greatest write stamp is greater than its delete
//     stamp; a write newer than a delete brings the whole row back.
//   - R7: a value that was overwritten by a writer who had not seen it is kept
//     as a Loss.
//
// The result is a function of the set of changes, never of their order, as
// long as changes are delivered causally: a change is applied only after all
// that its writer had seen (Batch.Context). The rules that need more than one
// row (R3 to R5: keys, references, unique indexes) are in package merge.
//
// Whether a writer had seen a value is decided exactly. A change carries the
// stamps of the values that it replaced (Change.Prior). A value is knowingly
// overwritten when some later change names it as its prior; a value that is
// not visible and was not knowingly overwritten is lost, and has a Loss.
//
// Who works through many changes, one step after the other, gives a Memory for what
// they become, and reads and writes entries with a Decoder and an Encoder: all use
// what the step before needed again.
package crdt
