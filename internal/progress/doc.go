// Package progress shows how far long work is: on a terminal as one line that
// is written over, elsewhere as a plain line every few seconds.
package progress
