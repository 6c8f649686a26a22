// Package doctor looks at a database server and tells what baraza can and
// cannot do there, each finding with its remedy. It changes nothing.
//
// report.go holds the findings and how they print; each other file is one
// group of checks. A check that itself fails is a finding too: the doctor goes
// on.
package doctor
