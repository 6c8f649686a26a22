// Package gossip moves numbered log entries between sites until every site has
// every origin's entries. It is a pure state machine: messages, connections and
// the time go in, messages and entries to store come out. What an entry holds
// is opaque to it.
//
// Three ideas:
//
//   - Version vectors say everything. Each origin numbers its entries 1, 2, 3,
//     … and a site takes them only in that order, so "up to 17" is exact: no
//     gaps to list, nothing to remember per message, resumable anywhere.
//   - The receiver subscribes. For each origin a site has one provider among
//     its peers: it says "everything of this origin after 17, and keep
//     pushing". The providers of one origin form a tree, so an entry enters a
//     site about once; all other peers only announce what they have. This is
//     the tree of Leitão et al., "Epidemic Broadcast Trees" (2007), made
//     pull-based: there is nothing to prune because nobody pushes unasked. When
//     a provider leaves, or lacks what another peer announced longer than
//     Config.Grace ago, the site subscribes elsewhere, from where it is.
//   - The caller pulls. Next says what a peer is to be sent, Outgoing gives the
//     control messages; both are derived from state when the connection can take
//     more, so nothing queues here and memory does not grow with the backlog.
//
// The caller's duties, per peer P (one connection per peer at most, ordered and
// reliable while it lasts):
//
//  1. Up(P) when the connection stands, Down(P) when it is gone.
//  2. When the connection can take more: send Outgoing(P) until it has nothing,
//     then what Next(P) names (which may wait a little for more to go with it): read it from the log, send it as Entries, and
//     call Sent. When the log no longer holds it, call Truncated instead.
//  3. Handle every message that arrives. When Handle returns entries, store
//     them; when they are durable, and when the local log grew, call Advanced
//     with the log's vector.
//     When storing failed, call StoreFailed for the origin.
//  4. Tick, and look at Outgoing again, at the time that Wake names.
//
// bundle.go says the same in a file, for peers that no connection leads to.
//
// Nothing here is safe for concurrent use; the caller owns the lock. Time is
// passed in as an Instant.
package gossip
