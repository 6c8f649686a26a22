// Package schema is the model of a table as replication sees it: its columns,
// the identity that names a row the same at every site, the references to
// other rows and the unique indexes. It is shared by capture, merge and node,
// so that none of them imports another for it.
//
// model.go holds the nouns, identity.go chooses a table's identity and refuses
// tables that have none, order.go sorts tables so that parents come before
// children, load.go reads the model from information_schema.
package schema
