// Package config is a site's settings: the file DIR/baraza.yaml, and the lock
// that keeps two processes from one DIR.
//
// Reading is strict. A key that nobody knows, a value of the wrong type or one
// out of range is an error of one line with the file, the line and the way
// out, never a setting that is quietly not there.
//
// The file holds the database password, so it is readable by its owner only,
// and a DSN prints without its password wherever it goes but into this file.
package config
