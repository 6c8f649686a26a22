// Package kvtest is what every kv.Store must do, as tests. An implementation
// runs all of them in its own test with
//
//	kvtest.Run(t, func(t *testing.T) kv.Store { return open(t) })
//
// What survives a crash is not here: it needs the implementation's own disk.
package kvtest
