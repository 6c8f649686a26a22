// Package e2e tests whole sites end to end: the real program, real MariaDB
// servers, real connections on loopback, driven only through the command line
// and SQL. Each promise of the design that the product makes so far has a test
// here that says which deliberate break it was seen to catch.
package e2e
