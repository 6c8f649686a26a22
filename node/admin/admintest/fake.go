package admintest

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"baraza/node/admin"
)

// Fake is a Service with fixed answers.
type Fake struct {
	TheStatus    admin.Status
	Invitation   admin.Invitation
	ThePeers     admin.PeerList
	TheTables    admin.TableList
	TheConflicts admin.ConflictList
	// TheVerifications are given one after the other, the last one for ever.
	TheVerifications []admin.Verification
	TheExport        admin.Exported
	TheImport        admin.Imported
	// Bundle is what Export writes, and Late what it returns after it.
	Bundle string
	Late   error
	// Err is what every method returns, if set.
	Err error

	mu    sync.Mutex
	asked []any
}

var _ admin.Service = (*Fake)(nil)

// Asked returns the requests so far.
func (f *Fake) Asked() []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]any(nil), f.asked...)
}

func (f *Fake) note(q any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
}

// Status implements admin.Service.
func (f *Fake) Status(context.Context) (*admin.Status, error) {
	f.note("status")
	return &f.TheStatus, f.Err
}

// Invite implements admin.Service.
func (f *Fake) Invite(_ context.Context, q admin.InviteRequest) (*admin.Invitation, error) {
	f.note(q)
	return &f.Invitation, f.Err
}

// Peers implements admin.Service.
func (f *Fake) Peers(context.Context) (*admin.PeerList, error) {
	f.note("peers")
	return &f.ThePeers, f.Err
}

// Forget implements admin.Service.
func (f *Fake) Forget(_ context.Context, q admin.ForgetRequest) error {
	f.note(q)
	return f.Err
}

// Tables implements admin.Service.
func (f *Fake) Tables(context.Context) (*admin.TableList, error) {
	f.note("tables")
	return &f.TheTables, f.Err
}

// AddTables implements admin.Service.
func (f *Fake) AddTables(_ context.Context, q admin.TablesRequest) (*admin.TableList, error) {
	f.note(q)
	return &f.TheTables, f.Err
}

// RemoveTables implements admin.Service.
func (f *Fake) RemoveTables(_ context.Context, q admin.TablesRequest) (*admin.TableList, error) {
	f.note(q)
	return &f.TheTables, f.Err
}

// SetTable implements admin.Service.
func (f *Fake) SetTable(_ context.Context, q admin.SetTableRequest) (*admin.TableList, error) {
	f.note(q)
	return &f.TheTables, f.Err
}

// Conflicts implements admin.Service.
func (f *Fake) Conflicts(_ context.Context, q admin.ConflictsRequest) (*admin.ConflictList, error) {
	f.note(q)
	return &f.TheConflicts, f.Err
}

// Conflict implements admin.Service.
func (f *Fake) Conflict(_ context.Context, q admin.ConflictRequest) (*admin.Conflict, error) {
	f.note(q)
	for i := range f.TheConflicts.Conflicts {
		if f.TheConflicts.Conflicts[i].ID == q.ID {
			return &f.TheConflicts.Conflicts[i], f.Err
		}
	}
	return nil, admin.Nof("there is no conflict %s: see baraza conflicts list", q.ID)
}

// UndoConflict implements admin.Service.
func (f *Fake) UndoConflict(_ context.Context, q admin.UndoRequest) (*admin.Undone, error) {
	f.note(q)
	return &admin.Undone{Conflict: f.TheConflicts.Conflicts[0], Did: "wrote \"Atieno\" over \"Achieng\""}, f.Err
}

// Export implements admin.Service.
func (f *Fake) Export(_ context.Context, q admin.ExportRequest, w io.Writer) (*admin.Exported, error) {
	f.note(q)
	if f.Err != nil {
		return nil, f.Err
	}
	_, err := io.WriteString(w, f.Bundle)
	return &f.TheExport, errors.Join(err, f.Late)
}

// Import implements admin.Service.
func (f *Fake) Import(_ context.Context, r io.Reader) (*admin.Imported, error) {
	if f.Err != nil {
		return nil, f.Err
	}
	b, err := io.ReadAll(r)
	f.note("import " + string(b))
	return &f.TheImport, err
}

// Stop implements admin.Service.
func (f *Fake) Stop(context.Context) error {
	f.note("stop")
	return f.Err
}

// Example returns a Fake with something in every answer.
func Example() *Fake {
	seen := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	peers := []admin.Peer{
		{Site: "Nairobi", ID: "00112233445566778899aabbccddeeff", State: admin.PeerConnected, LastSeen: &seen, Addresses: []string{"10.0.0.2:7946"}, AdmittedBy: "Kisumu"},
		{Site: "Eldoret Referral Hospital, maternity wing", ID: "ffeeddccbbaa99887766554433221100", State: admin.PeerAway, BehindBatches: 1234},
	}
	won := admin.Write{Site: "Nairobi", SiteID: peers[0].ID, Time: seen, Value: `"Achieng"`}
	lost := admin.Write{Site: "Kisumu", SiteID: "0f", Time: seen, Value: `"Atieno"`}
	return &Fake{
		TheStatus: admin.Status{
			Site: "Kisumu", ID: "0102030405060708090a0b0c0d0e0f10", Version: "test", StartedAt: seen, Peers: peers,
			Vector:         map[string]uint64{"0102030405060708090a0b0c0d0e0f10": 7, peers[0].ID: 3},
			PendingCapture: 1, PendingApply: 2, Waiting: 3, Held: 4, SetAside: 5, Conflicts: 6,
			ClockOffsetMS: -12, Capture: "trigger", Database: "openmrs", Tables: 103, Alarms: []string{"the clock of Eldoret is 3h ahead"},
		},
		Invitation: admin.Invitation{Token: "baraza1.AAAA", Expires: seen},
		ThePeers:   admin.PeerList{Peers: peers},
		TheExport:  admin.Exported{From: "Kisumu", Site: "Nairobi", Entries: 12},
		TheImport:  admin.Imported{From: "Nairobi", FromID: peers[0].ID, Entries: 12, New: 7, Reply: true},
		Bundle:     "a bundle",
		TheTables: admin.TableList{Patterns: []string{"*"}, Tables: []admin.Table{
			{Name: "person", Identity: "uuid (uuid)"},
			{Name: "hl7_in_archive_of_everything_that_ever_came", Identity: "", Refused: "it has no primary key; add one, or exclude it"},
		}},
		TheConflicts: admin.ConflictList{Total: 2, Conflicts: []admin.Conflict{
			{ID: "c0ffee01", Table: "person_name", Key: "5a1b9e4c-0000-4000-8000-000000000001", Column: "family_name", Rule: "R1", Won: won, Lost: lost},
			{ID: "c0ffee02", Table: "person", Key: "5a1b9e4c-0000-4000-8000-000000000002", Rule: "R2", Won: won, Lost: admin.Write{Site: "Kisumu", Time: seen, Delete: true}},
		}},
	}
}

// Verify implements admin.Service.
func (f *Fake) Verify(_ context.Context, q admin.VerifyRequest) (*admin.Verification, error) {
	f.note(q)
	return f.nextVerification(), f.Err
}

// Verification implements admin.Service.
func (f *Fake) Verification(context.Context) (*admin.Verification, error) {
	return f.nextVerification(), f.Err
}

func (f *Fake) nextVerification() *admin.Verification {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.TheVerifications) == 0 {
		return &admin.Verification{}
	}
	v := f.TheVerifications[0]
	if len(f.TheVerifications) > 1 {
		f.TheVerifications = f.TheVerifications[1:]
	}
	return &v
}
