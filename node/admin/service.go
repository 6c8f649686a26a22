package admin

import (
	"context"
	"io"
	"time"
)

// Service is what can be asked of a running site. Implementations are safe for
// concurrent use.
type Service interface {
	// Status tells how the site is.
	Status(ctx context.Context) (*Status, error)
	// Invite makes an invitation token.
	Invite(ctx context.Context, req InviteRequest) (*Invitation, error)
	// Peers lists the other members, sorted by name.
	Peers(ctx context.Context) (*PeerList, error)
	// Forget removes a member. No when there is none of that name or id.
	Forget(ctx context.Context, req ForgetRequest) error
	// Tables lists the replicated tables, and those that the patterns take and
	// that cannot be replicated, sorted by name.
	Tables(ctx context.Context) (*TableList, error)
	// AddTables adds patterns. No when a table cannot be replicated.
	AddTables(ctx context.Context, req TablesRequest) (*TableList, error)
	// RemoveTables removes patterns or excludes tables. No when there is none.
	RemoveTables(ctx context.Context, req TablesRequest) (*TableList, error)
	// SetTable sets for all sites how a table is merged. No when it cannot be so.
	SetTable(ctx context.Context, req SetTableRequest) (*TableList, error)
	// Conflicts lists conflicts, newest first.
	Conflicts(ctx context.Context, req ConflictsRequest) (*ConflictList, error)
	// Conflict returns one. No when there is none of that id.
	Conflict(ctx context.Context, req ConflictRequest) (*Conflict, error)
	// UndoConflict writes what lost a conflict anew, as an application would. No
	// when one write cannot, or when the value was written since.
	UndoConflict(ctx context.Context, req UndoRequest) (*Undone, error)
	// Export writes a bundle for a peer. No when the site is no peer, or when the
	// log does not hold what the peer lacks; then nothing is written.
	Export(ctx context.Context, req ExportRequest, w io.Writer) (*Exported, error)
	// Import reads a bundle and stores what is in it. No when it is not one that
	// this site may take.
	Import(ctx context.Context, r io.Reader) (*Imported, error)
	// Verify begins to compare this site's tables with the sites that are
	// connected, in the background. No while another comparison runs, or when
	// there is no such table.
	Verify(ctx context.Context, req VerifyRequest) (*Verification, error)
	// Verification tells how far the last comparison is.
	Verification(ctx context.Context) (*Verification, error)
	// Stop asks the site to stop cleanly; it returns at once.
	Stop(ctx context.Context) error
}

// Status is what `status --json` prints. Fields are added, never renamed.
type Status struct {
	Site    string `json:"site"`
	ID      string `json:"id"`
	Version string `json:"version"`
	// StartedAt is when the process started.
	StartedAt time.Time `json:"started_at"`
	Peers     []Peer    `json:"peers"`
	// Vector is how far the site has each origin's log, by site id.
	Vector map[string]uint64 `json:"vector"`
	// PendingCapture counts local changes not taken yet; PendingApply counts
	// log entries not applied yet.
	PendingCapture uint64 `json:"pending_capture"`
	PendingApply   uint64 `json:"pending_apply"`
	Waiting        int    `json:"waiting"`
	Held           int    `json:"held"`
	SetAside       int    `json:"set_aside"`
	Conflicts      int    `json:"conflicts"`
	// ClockOffsetMS is the median of the peers' clocks less this site's.
	ClockOffsetMS int64  `json:"clock_offset_ms"`
	Capture       string `json:"capture"`
	Database      string `json:"database"`
	Tables        int    `json:"tables"`
	Log           Log    `json:"log"`
	// Hooks are those of the settings, in their order.
	Hooks []Hook `json:"hooks"`
	// Alarms are what an administrator should act on, one line each.
	Alarms []string `json:"alarms"`
}

// Hook is how telling the application of changed rows goes.
type Hook struct {
	Name string `json:"name"`
	// Off: the settings do not say where the application is.
	Off bool `json:"off"`
	// PendingRows wait to be told of; PendingAll: and more than can be counted.
	PendingRows int  `json:"pending_rows"`
	PendingAll  bool `json:"pending_all"`
	// ToldAt is when it last succeeded; null for never since the start.
	ToldAt *time.Time `json:"told_at"`
	// Failures counts those since then, Error is the last one's.
	Failures int    `json:"failures"`
	Error    string `json:"error,omitempty"`
}

// Log is what a site keeps until every member has it.
type Log struct {
	// Entries are in the log; Unstable of what this site has applied has not
	// been applied by every member, as far as known.
	Entries  uint64 `json:"entries"`
	Unstable uint64 `json:"unstable"`
	// Tombstones are deleted rows that were remembered when they were last
	// counted.
	Tombstones int `json:"tombstones"`
	// StoreBytes is what the store takes on the disk.
	StoreBytes int64 `json:"store_bytes"`
	// HeldBy are the sites for which something is kept, the one that has said
	// nothing for longest first.
	HeldBy []Holder `json:"held_by"`
}

// Holder is a site for which something is kept.
type Holder struct {
	Site string `json:"site"`
	ID   string `json:"id"`
	// Behind counts the log entries that it has not said it has applied.
	Behind uint64 `json:"behind"`
	// Since is when it last said what it has applied; null for never.
	Since *time.Time `json:"since"`
	// Forgotten: it was removed, and not all members have confirmed that yet.
	Forgotten bool `json:"forgotten,omitempty"`
}

// States of a peer.
const (
	PeerConnected = "connected"
	PeerAway      = "away"
)

// Peer is another member.
type Peer struct {
	Site string `json:"site"`
	ID   string `json:"id"`
	// State is PeerConnected or PeerAway.
	State string `json:"state"`
	// BehindBatches counts log entries that this site has and the peer lacks,
	// as far as known.
	BehindBatches uint64 `json:"behind_batches"`
	// LastSeen is when the peer was last heard of; null for never.
	LastSeen  *time.Time `json:"last_seen"`
	Addresses []string   `json:"addresses"`
	// AdmittedBy is the name of the member that let it in.
	AdmittedBy string `json:"admitted_by"`
}

// PeerList is the other members.
type PeerList struct {
	Peers []Peer `json:"peers"`
}

// InviteRequest asks for an invitation.
type InviteRequest struct {
	TTLSeconds int64 `json:"ttl_seconds"`
}

// Invitation is a token; it is a secret until it is used.
type Invitation struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// ForgetRequest names a site by its name or id.
type ForgetRequest struct {
	Site string `json:"site"`
}

// ExportRequest says what bundle to write.
type ExportRequest struct {
	// Site is the reader's name or id.
	Site string `json:"site"`
	// All: everything that the log holds, whatever the reader is known to have.
	All bool `json:"all,omitempty"`
	// Bare: no changes, only the word on what this site has.
	Bare bool `json:"bare,omitempty"`
	// MaxBytes bounds the bundle; 0 for no bound.
	MaxBytes int64 `json:"max_bytes,omitempty"`
}

// Exported is what was written.
type Exported struct {
	// From and Site are the names of the writer and the reader.
	From string `json:"from"`
	Site string `json:"site"`
	// Entries are in the bundle; Left had no room in it.
	Entries uint64 `json:"entries"`
	Left    uint64 `json:"left,omitempty"`
	// Warnings are what the administrator should know, one line each.
	Warnings []string `json:"warnings,omitempty"`
}

// Imported is what was read.
type Imported struct {
	// From is the name of the writer, and FromID its id.
	From   string `json:"from"`
	FromID string `json:"from_id"`
	// Entries were in the bundle; New of them were not here before.
	Entries uint64 `json:"entries"`
	New     uint64 `json:"new"`
	// Reply: a bundle back to the writer would tell it something.
	Reply bool `json:"reply"`
	// Missing says what could not be taken, one line each.
	Missing []string `json:"missing,omitempty"`
}

// Table is one table.
type Table struct {
	Name string `json:"name"`
	// Identity is the columns that name a row everywhere, and where they come
	// from.
	Identity string `json:"identity"`
	// Unique is what rows show whose unique value another row has: "null", "mark"
	// or "hold".
	Unique string `json:"unique,omitempty"`
	// Counters are the columns that add up what everyone adds.
	Counters []string `json:"counters,omitempty"`
	// Refused says why the table is not replicated; "" when it is.
	Refused string `json:"refused,omitempty"`
	// Warnings are what its administrator should know.
	Warnings []string `json:"warnings,omitempty"`
}

// TableList is the tables, and the patterns that chose them.
type TableList struct {
	Patterns []string `json:"patterns"`
	Exclude  []string `json:"exclude"`
	Tables   []Table  `json:"tables"`
}

// TablesRequest names tables or patterns.
type TablesRequest struct {
	Patterns []string `json:"patterns"`
}

// SetTableRequest says how a table is merged; what it leaves out stays.
type SetTableRequest struct {
	Table  string `json:"table"`
	Unique string `json:"unique,omitempty"`
	// Counters are columns to make counters. A counter stays one.
	Counters []string `json:"counters,omitempty"`
}

// ConflictsRequest chooses conflicts. Zero fields choose all.
type ConflictsRequest struct {
	Table string `json:"table,omitempty"`
	// Limit bounds the list; 0 means DefaultConflictLimit.
	Limit int `json:"limit,omitempty"`
}

// DefaultConflictLimit is how many conflicts a list holds if nothing is said.
const DefaultConflictLimit = 100

// ConflictList is some conflicts, and how many there are in all.
type ConflictList struct {
	Conflicts []Conflict `json:"conflicts"`
	Total     int        `json:"total"`
}

// ConflictRequest names a conflict.
type ConflictRequest struct {
	ID string `json:"id"`
}

// UndoRequest names a conflict to undo.
type UndoRequest struct {
	ID string `json:"id"`
	// Force writes over what someone wrote since.
	Force bool `json:"force,omitempty"`
}

// Undone is a conflict that was undone, and what was written.
type Undone struct {
	Conflict Conflict `json:"conflict"`
	Did      string   `json:"did"`
}

// Conflict is two writes that had not seen each other.
type Conflict struct {
	ID    string `json:"id"`
	Table string `json:"table"`
	Key   string `json:"key"`
	// Column is "" where the whole row is meant.
	Column string `json:"column"`
	// Rule is which merge rule decided, as in "R1".
	Rule string `json:"rule"`
	// Won is what is visible; Lost is what it beat.
	Won  Write `json:"won"`
	Lost Write `json:"lost"`
}

// Write is one side of a conflict.
type Write struct {
	Site   string    `json:"site"`
	SiteID string    `json:"site_id"`
	Time   time.Time `json:"time"`
	// Value is as a person would read it; Delete says that the row was deleted.
	Value  string `json:"value"`
	Delete bool   `json:"delete,omitempty"`
}
