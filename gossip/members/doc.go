// Package members tells who is up, with hashicorp/memberlist (SWIM).
//
// What it says is a hint: where sites can be reached, and who seems to be up.
// Nothing is ever forgotten on its word. Known about memberlist: halves that
// were cut apart for longer than GossipToTheDeadTime never find each other again
// by themselves. So the node calls Join with peers of its durable book whenever
// a session to a site comes up that is not among the members, and now and then
// for the rest.
//
// Everything runs over one port: packets over UDP, streams through the site's
// TLS listener, which hands connections of this protocol to Transport.Accept.
// Both are encrypted with the network's ring key besides. Any other
// memberlist.Transport serves as well, such as one in memory.
package members
