package admin

// VerifyRequest says what to compare.
type VerifyRequest struct {
	// Table is one table; "" for all.
	Table string `json:"table,omitempty"`
	// Repair makes ordinary changes of this site of rows that differ.
	Repair bool `json:"repair,omitempty"`
}

// Verification is how far a comparison is, and what came of it.
type Verification struct {
	// Number tells one comparison of a process from another.
	Number  int  `json:"number"`
	Running bool `json:"running"`
	// What is being done: with which site, on which table, and how many rows of it
	// were looked at; Tables of TablesTotal are done.
	Site        string `json:"site"`
	Table       string `json:"table"`
	Rows        int64  `json:"rows"`
	Tables      int    `json:"tables"`
	TablesTotal int    `json:"tables_total"`
	// Report is there when it is done.
	Report *VerifyReport `json:"report,omitempty"`
}

// The outcomes of a comparison.
const (
	VerifyEqual     = "equal"
	VerifyDifferent = "different"
	VerifyUnknown   = "unknown"
)

// DifferencesMax is how many differences a report names.
const DifferencesMax = 1000

// VerifyReport is what came of a comparison.
type VerifyReport struct {
	Outcome string `json:"outcome"`
	// Tables and sites that were compared.
	Tables []string `json:"tables"`
	Sites  []string `json:"sites"`
	// Notes say what could not be compared, one line each.
	Notes []string `json:"notes"`
	// Differences are at most DifferencesMax; More says that there are others.
	Differences []RowDifference `json:"differences"`
	More        bool            `json:"more"`
	// Repaired counts the rows that became ordinary changes.
	Repaired int `json:"repaired"`
}

// How a row differs.
const (
	// DiffersValues: both sites have it, with other values.
	DiffersValues = "values"
	// DiffersOnlyHere and DiffersOnlyThere: one of the two sites has it.
	DiffersOnlyHere  = "only here"
	DiffersOnlyThere = "only there"
	// DiffersGone and DiffersBack: this site's table lacks a row that nobody
	// deleted, or has one that was deleted.
	DiffersGone = "gone here"
	DiffersBack = "back here"
)

// RowDifference is a row that differs.
type RowDifference struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	// Site is the other one; "" where this site's table and its own store differ.
	Site    string             `json:"site"`
	How     string             `json:"how"`
	Columns []ColumnDifference `json:"columns,omitempty"`
}

// ColumnDifference is a value at both sites.
type ColumnDifference struct {
	Column string `json:"column"`
	Here   string `json:"here"`
	There  string `json:"there"`
}
