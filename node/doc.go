// Package node is one running site: it wires the core (node/replica) to a real
// database, a real store, real connections and the administrator.
//
//   - Init, Join and Uninstall set a site up and take it away; Open and Run run
//     it.
//   - ports.go: what a site stands on; tests put their own in its place.
//   - engine.go: the one goroutine that works on the database.
//   - network.go: the listener, the sessions with peers, the membership, and
//     the peers that are dialled for ever.
//   - membership.go: admissions and expulsions, and contact.go: where sites are
//     reached, which spread as data.
//   - bundle.go: export and import, for sites without a line.
//   - bringup.go: how a joining site gets its first rows.
//   - service.go: what the command line and the console can ask.
//
// Sub-packages hold what can stand alone: trust, config, admin, session, store,
// doctor.
package node
