package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Two methods carry a file besides their JSON. Export answers with the file; what
// became of it follows in a trailer, since it is known only then. Import takes
// the file as the body of the request.
const (
	pathExport    = "export"
	pathImport    = "import"
	resultTrailer = "Baraza-Result"
)

// streams adds the methods that carry files.
func streams(mux *http.ServeMux, s Service) {
	mux.HandleFunc("POST /v1/"+pathExport, func(w http.ResponseWriter, r *http.Request) { export(w, r, s) })
	mux.HandleFunc("POST /v1/"+pathImport, func(w http.ResponseWriter, r *http.Request) {
		answer, err := s.Import(r.Context(), r.Body)
		if err != nil {
			// Who is still sending hears the answer only after it.
			_, _ = io.Copy(io.Discard, r.Body)
			fail(w, err)
			return
		}
		write(w, http.StatusOK, answer)
	})
}

// result is how an export ended.
type result struct {
	wireError
	Answer *Exported `json:"answer,omitempty"`
}

func export(w http.ResponseWriter, r *http.Request, s Service) {
	var q ExportRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, requestBytesMax))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		fail(w, Cannotf("the request for %s is not understood: %v", pathExport, err))
		return
	}
	out := &begun{w: w}
	answer, err := s.Export(r.Context(), q, out)
	if err != nil && !out.yes {
		fail(w, err)
		return
	}
	end := result{Answer: answer}
	if err != nil {
		end = result{wireError: wireError{oneLine(err.Error()), KindOf(err)}}
	}
	text, err := json.Marshal(end)
	if err != nil {
		text = nil // the asker misses the trailer, and says so
	}
	out.begin()
	w.Header().Set(resultTrailer, string(text))
}

// begun is an answer whose header goes out with its first byte.
type begun struct {
	w   http.ResponseWriter
	yes bool
}

func (b *begun) begin() {
	if !b.yes {
		b.yes = true
		b.w.Header().Set("Content-Type", "application/octet-stream")
		b.w.Header().Set("Trailer", resultTrailer)
		b.w.WriteHeader(http.StatusOK)
	}
}

func (b *begun) Write(p []byte) (int, error) {
	b.begin()
	return b.w.Write(p)
}

// Export implements Service.
func (c *Client) Export(ctx context.Context, req ExportRequest, w io.Writer) (*Exported, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, Cannotf("asking the running site: %v", err)
	}
	r, err := c.post(ctx, pathExport, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if _, err := io.Copy(w, r.Body); err != nil {
		return nil, Cannotf("writing the bundle: %v", err)
	}
	var end result
	switch err := json.Unmarshal([]byte(r.Trailer.Get(resultTrailer)), &end); {
	case err != nil, end.Answer == nil && end.Error == "":
		return nil, Cannotf("the running site ended before the bundle was whole: read its log, and export again")
	case end.Error != "":
		return nil, &Error{end.Kind, oneLine(end.Error)}
	}
	return end.Answer, nil
}

// Import implements Service.
func (c *Client) Import(ctx context.Context, file io.Reader) (*Imported, error) {
	source := &sourceError{Reader: file}
	r, err := c.post(ctx, pathImport, source)
	if why := source.err.Load(); why != nil {
		return nil, Cannotf("reading the bundle: %v", *why)
	}
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return answerOf[Imported](r.Body)
}

// sourceError keeps an error of the file, so that it is not taken for one of the
// site.
type sourceError struct {
	io.Reader
	err atomic.Pointer[error] // the sender may still be reading when it is looked at
}

func (s *sourceError) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err.Store(&err)
	}
	return n, err
}
