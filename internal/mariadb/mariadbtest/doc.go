// Package mariadbtest gives tests databases on private MariaDB servers.
//
// A package whose tests call New has
//
//	func TestMain(m *testing.M) { mariadbtest.Main(m) }
//
// All its tests share one server, so they share the schema baraza too: New
// removes that at the end of the test, and tests that use it are not parallel.
package mariadbtest
