// Package admin is how people and scripts talk to a running site: one Go
// interface, Service, and the same over HTTP with JSON on the unix socket
// DIR/baraza.sock, which only the site's own user may open.
//
// Each method of Service is one POST to /v1/ and the method's path, the request
// and the answer one JSON object each. A Client is a Service too, so a command
// does not know whether it speaks to the socket or to the node itself.
//
// An error is one line with a kind: No, when the answer is no, or Cannot, when
// the question could not be answered. The kind survives the socket and decides
// the exit code of the command.
package admin
