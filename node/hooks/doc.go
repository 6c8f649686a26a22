// Package hooks tells the application which rows were written beneath it, so
// that it can bring its search index and its caches up to date: by a request
// or a command, some time after the rows were committed, for many transactions
// at once. See docs/hooks.md.
//
// A hook never delays replication: what it has to tell is noted in memory, in
// bounded space, and told by a goroutine of its own. A hook that fails is tried
// again for ever with back-off, and keeps what it has not told. What was not told
// when the process ended is told as "everything" after the next start; the store
// remembers that there was something.
package hooks
