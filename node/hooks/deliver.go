package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"baraza/crdt"
	"baraza/node/config"
)

const (
	// rowCallsMax is how many rows of a table are posted one by one, in rows;
	// for more the table's body is posted.
	rowCallsMax = 100
	// answerMax is how much of an answer is read, in bytes, and answerShown how
	// much of it an error repeats.
	answerMax   = 64 << 10
	answerShown = 200
	// pipeWait is how long a command that was stopped may keep its output open.
	pipeWait = 2 * time.Second
)

// message is what a hook without bodies gets.
type message struct {
	Site string `json:"site"`
	// Everything: the site does not know which rows, of any table.
	Everything bool           `json:"everything"`
	Tables     []tableMessage `json:"tables"`
}

// tableMessage names rows by the values of their identity, as text.
type tableMessage struct {
	Table   string     `json:"table"`
	Written [][]string `json:"written,omitempty"`
	Deleted [][]string `json:"deleted,omitempty"`
	// All: more rows than can be listed.
	All bool `json:"all,omitempty"`
}

func (h *hook) deliver(ctx context.Context, c *Changes) error {
	if len(h.cfg.Bodies) > 0 {
		return h.postBodies(ctx, c)
	}
	body, err := json.Marshal(h.message(c))
	if err != nil {
		return err
	}
	if len(h.cfg.Command) > 0 {
		return h.runCommand(ctx, body)
	}
	return h.post(ctx, string(body))
}

func (h *hook) message(c *Changes) message {
	m := message{Site: h.o.Site, Everything: c.everything, Tables: []tableMessage{}}
	for _, name := range c.names() {
		t := c.tables[name]
		tm := tableMessage{Table: name, All: t.whole}
		for _, k := range t.rows() {
			if t.keys[k] {
				tm.Deleted = append(tm.Deleted, texts(k))
			} else {
				tm.Written = append(tm.Written, texts(k))
			}
		}
		m.Tables = append(m.Tables, tm)
	}
	return m
}

// texts returns the values of a key; in the place of a reference those of the
// row that it names.
func texts(k crdt.Key) []string {
	var parts []string
	for _, v := range k.Values() {
		if to, ok := v.Key(); ok {
			parts = append(parts, texts(to)...)
			continue
		}
		text := v.String()
		if v.Tag() == crdt.TagText {
			text = v.Payload()
		}
		parts = append(parts, text)
	}
	return parts
}

// postBodies posts the bodies of the settings: rows one by one where the
// application is told of rows, and the tables' bodies once each, however many
// tables share one.
func (h *hook) postBodies(ctx context.Context, c *Changes) error {
	var whole []string
	add := func(b *config.Body) {
		if !slices.Contains(whole, b.Table) {
			whole = append(whole, b.Table)
		}
	}
	if c.everything {
		for i := range h.cfg.Bodies {
			add(&h.cfg.Bodies[i])
		}
	}
	for _, name := range c.names() {
		b, _ := h.cfg.BodyOf(name)
		t := c.tables[name]
		switch rows, ok := t.oneByOne(b); {
		case slices.Contains(whole, b.Table):
		case !ok:
			add(b)
		default:
			refused, err := h.postRows(ctx, b, rows)
			if err != nil {
				return err
			}
			if refused {
				add(b)
			}
		}
	}
	for _, body := range whole {
		if err := h.post(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

// oneByOne returns the rows to post one by one, if that is how to tell of them.
func (t *table) oneByOne(b *config.Body) ([]crdt.Key, bool) {
	if b.Row == "" || t.whole || len(t.keys) > rowCallsMax {
		return nil, false
	}
	rows := t.rows()
	return rows, !slices.ContainsFunc(rows, func(k crdt.Key) bool { return t.keys[k] })
}

// postRows posts rows one by one. The application may refuse one, as when it was
// deleted meanwhile; that stops no other.
func (h *hook) postRows(ctx context.Context, b *config.Body, rows []crdt.Key) (refused bool, err error) {
	for _, k := range rows {
		err := h.post(ctx, strings.ReplaceAll(b.Row, "{key}", quoted(k)))
		var answer *answerError
		switch {
		case errors.As(err, &answer):
			refused = true
		case err != nil:
			return false, err
		}
	}
	return refused, nil
}

// quoted is a key as it stands within the quotes of a JSON text.
func quoted(k crdt.Key) string {
	b, err := json.Marshal(strings.Join(texts(k), ","))
	if err != nil {
		return ""
	}
	return string(b[1 : len(b)-1])
}

// answerError is an answer that is not a success.
type answerError struct{ status, text string }

func (e *answerError) Error() string {
	return fmt.Sprintf("it answered %s%s", e.status, e.text)
}

// post sends a request and takes any 2xx for success.
func (h *hook) post(ctx context.Context, body string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(h.cfg.Timeout))
	defer cancel()
	address, _ := h.cfg.Address(h.o.App)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.o.App.User != "" && strings.HasPrefix(h.cfg.URL, "/") {
		req.SetBasicAuth(h.o.App.User, h.o.App.Password.Reveal())
	}
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", address, err)
	}
	if res.StatusCode/100 != 2 {
		return &answerError{res.Status, shown(text)}
	}
	return nil
}

// runCommand runs the command with the message on its standard input.
func (h *hook) runCommand(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(h.cfg.Timeout))
	defer cancel()
	var out head
	cmd := exec.CommandContext(ctx, h.cfg.Command[0], h.cfg.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(body), &out, &out, pipeWait
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("the command did not end within %v", h.cfg.Timeout)
	}
	return fmt.Errorf("%w%s", err, shown(out.b))
}

// head keeps the first bytes of an output and takes the rest.
type head struct{ b []byte }

// Write implements io.Writer.
func (t *head) Write(b []byte) (int, error) {
	t.b = append(t.b, b[:min(len(b), answerMax-len(t.b))]...)
	return len(b), nil
}

// shown is the beginning of an answer on one line.
func shown(text []byte) string {
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "")), " ")
	if s == "" {
		return ""
	}
	if len(s) > answerShown {
		s = strings.ToValidUTF8(s[:answerShown], "") + " …"
	}
	return ": " + s
}
