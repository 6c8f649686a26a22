package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
)

const answerBytesMax = 64 << 20

// Client asks the site that runs on a data directory.
type Client struct {
	dir  string
	http *http.Client
}

var _ Service = (*Client)(nil)

// NewClient returns a client. It connects at the first question.
func NewClient(dir string) *Client {
	path := filepath.Join(dir, SocketFile)
	return &Client{dir: dir, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ask posts a request and reads the answer.
func ask[Resp any](ctx context.Context, c *Client, path string, request any) (*Resp, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, Cannotf("asking the running site: %v", err)
	}
	r, err := c.post(ctx, path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return answerOf[Resp](r.Body)
}

// post sends a request. An answer that is an error is returned as one.
func (c *Client) post(ctx context.Context, path string, body io.Reader) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://baraza/v1/"+path, body)
	if err != nil {
		return nil, Cannotf("asking the running site: %v", err)
	}
	r, err := c.http.Do(q)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if r.StatusCode == http.StatusOK {
		return r, nil
	}
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, answerBytesMax))
	if err != nil {
		return nil, Cannotf("reading the running site's answer: %v", err)
	}
	var e wireError
	if json.Unmarshal(text, &e) != nil || e.Error == "" {
		return nil, Cannotf("the running site answered %s: read its log", r.Status)
	}
	return nil, &Error{e.Kind, oneLine(e.Error)}
}

// answerOf reads an answer.
func answerOf[Resp any](r io.Reader) (*Resp, error) {
	text, err := io.ReadAll(io.LimitReader(r, answerBytesMax))
	if err != nil {
		return nil, Cannotf("reading the running site's answer: %v", err)
	}
	answer := new(Resp)
	if err := json.Unmarshal(text, answer); err != nil {
		return nil, Cannotf("the running site's answer is not understood: %v: use the same version of baraza for the command and the site", err)
	}
	return answer, nil
}

// unreachable says why nobody answers on the socket.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Cannotf("the site on %s gave no answer in time: read its log", c.dir)
	case errors.Is(err, os.ErrPermission):
		return Cannotf("%s: this user may not ask the site: run the command as the user that runs baraza", filepath.Join(c.dir, SocketFile))
	case errors.Is(err, os.ErrNotExist):
		if _, statErr := os.Stat(c.dir); statErr != nil {
			return Cannotf("%s: there is no such directory: give the site's --data directory", c.dir)
		}
		return c.notRunning()
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.notRunning()
	}
	return Cannotf("asking the site on %s: %v", c.dir, err)
}

func (c *Client) notRunning() error {
	return Cannotf("no site is running on %s: start it with baraza run --data %s", c.dir, c.dir)
}

// Status implements Service.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return ask[Status](ctx, c, "status", none{})
}

// Invite implements Service.
func (c *Client) Invite(ctx context.Context, req InviteRequest) (*Invitation, error) {
	return ask[Invitation](ctx, c, "invite", req)
}

// Peers implements Service.
func (c *Client) Peers(ctx context.Context) (*PeerList, error) {
	return ask[PeerList](ctx, c, "peers", none{})
}

// Forget implements Service.
func (c *Client) Forget(ctx context.Context, req ForgetRequest) error {
	_, err := ask[none](ctx, c, "peers/forget", req)
	return err
}

// Tables implements Service.
func (c *Client) Tables(ctx context.Context) (*TableList, error) {
	return ask[TableList](ctx, c, "tables", none{})
}

// AddTables implements Service.
func (c *Client) AddTables(ctx context.Context, req TablesRequest) (*TableList, error) {
	return ask[TableList](ctx, c, "tables/add", req)
}

// RemoveTables implements Service.
func (c *Client) RemoveTables(ctx context.Context, req TablesRequest) (*TableList, error) {
	return ask[TableList](ctx, c, "tables/remove", req)
}

// SetTable implements Service.
func (c *Client) SetTable(ctx context.Context, req SetTableRequest) (*TableList, error) {
	return ask[TableList](ctx, c, "tables/set", req)
}

// Conflicts implements Service.
func (c *Client) Conflicts(ctx context.Context, req ConflictsRequest) (*ConflictList, error) {
	return ask[ConflictList](ctx, c, "conflicts", req)
}

// UndoConflict implements Service.
func (c *Client) UndoConflict(ctx context.Context, req UndoRequest) (*Undone, error) {
	return ask[Undone](ctx, c, "conflicts/undo", req)
}

// Conflict implements Service.
func (c *Client) Conflict(ctx context.Context, req ConflictRequest) (*Conflict, error) {
	return ask[Conflict](ctx, c, "conflicts/show", req)
}

// Verify implements Service.
func (c *Client) Verify(ctx context.Context, req VerifyRequest) (*Verification, error) {
	return ask[Verification](ctx, c, "verify", req)
}

// Verification implements Service.
func (c *Client) Verification(ctx context.Context) (*Verification, error) {
	return ask[Verification](ctx, c, "verify/state", none{})
}

// Stop implements Service.
func (c *Client) Stop(ctx context.Context) error {
	_, err := ask[none](ctx, c, "stop", none{})
	return err
}
