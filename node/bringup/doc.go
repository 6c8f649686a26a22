// Package bringup carries the first rows to a new site: the conversation
// between a member, which serves a replica.View, and the joining site, which
// takes it over with a replica.BringUp.
//
// The joining site asks, table by table with parents first, and sends the
// digests of what it has; the member answers which ranges differ and streams
// their rows, and of all others the states. What is decided by it is in package
// replica; here are the frames, their limits, and the order of things.
//
// Both directions are one zstd stream each. A conversation that breaks is begun
// again from the start: what was taken over is then equal, and costs digests.
package bringup
