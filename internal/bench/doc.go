// Package bench measures baraza on whole sites and real servers, beside what it
// is compared with: the same server without it, and MariaDB's own replication.
//
// Machines differ, so only what was measured side by side in one run counts,
// and what is reported first are ratios. Three ideas keep the comparison fair:
//
//   - repetitions are interleaved (A B C, B C A, …), so that a machine that
//     slows down slows all of them;
//   - what is compared runs behind one interface (pair): the same rows are
//     written by the same clients and looked for by the same reader;
//   - a site is used as an administrator uses it, through its command line.
//
// Everything runs on private servers on the loopback and is removed afterwards.
package bench
