// Package memdb is a database in memory that behaves as MySQL does where
// replication can tell: local numbers, unique indexes, foreign keys with their
// actions, transactions, and a log of what applications changed.
//
// It is the model behind merge.Database and capture.Source in tests and in the
// partition simulator. Rows are kept as a real server keeps them: references
// are the local values of the referenced column, and portable keys are worked
// out on the way in and out, so that two sites which gave the same number to
// two different people are a case that it has.
//
// It is deterministic: the same calls give the same answers, in the same
// order. Time comes from Config.Now, faults from Config.Fault. There is one
// writer: while a merge.Tx is open, applications are refused. A DB is not safe
// for concurrent use.
//
// What it leaves out: changes of a key that rows refer to by another column,
// accents in collations (only letter case and trailing blanks are folded), foreign
// keys of several columns, and generated columns (they read NULL). An application
// may write and delete a row that refers to itself in one step.
package memdb
