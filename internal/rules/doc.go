// Package rules says what a site has to show, worked out of the changes alone:
// a second, slow and plain statement of the rules R1, R2, R4 and R5, against
// which tests and the simulator hold the core. It has nothing in common with
// package merge but the names of things.
//
// Two ideas:
//
//   - What is shown is a function of a set of changes. R1 and R2 are kept up
//     change by change (Row.Apply); R4 and R5 are worked out anew from all rows
//     (Show), by rules that only ever add, until nothing changes.
//   - The conflicts that R4 and R5 make follow from the same view (conflicts.go).
package rules
