package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// SocketFile is the name of the socket in a site's data directory.
const SocketFile = "baraza.sock"

const (
	requestBytesMax = 1 << 20
	socketPathMax   = 107 // what sockaddr_un holds
	stopWithin      = 5 * time.Second
	headerWithin    = 10 * time.Second
)

// none is the answer of a method that has none.
type none struct{}

// Handler serves a Service.
func Handler(s Service) http.Handler {
	mux := http.NewServeMux()
	route(mux, "status", func(ctx context.Context, _ none) (*Status, error) { return s.Status(ctx) })
	route(mux, "invite", s.Invite)
	route(mux, "peers", func(ctx context.Context, _ none) (*PeerList, error) { return s.Peers(ctx) })
	route(mux, "peers/forget", func(ctx context.Context, q ForgetRequest) (*none, error) { return &none{}, s.Forget(ctx, q) })
	route(mux, "tables", func(ctx context.Context, _ none) (*TableList, error) { return s.Tables(ctx) })
	route(mux, "tables/add", s.AddTables)
	route(mux, "tables/remove", s.RemoveTables)
	route(mux, "tables/set", s.SetTable)
	route(mux, "conflicts", s.Conflicts)
	route(mux, "conflicts/show", s.Conflict)
	route(mux, "conflicts/undo", s.UndoConflict)
	streams(mux, s)
	route(mux, "verify", s.Verify)
	route(mux, "verify/state", func(ctx context.Context, _ none) (*Verification, error) { return s.Verification(ctx) })
	route(mux, "stop", func(ctx context.Context, _ none) (*none, error) { return &none{}, s.Stop(ctx) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, Cannotf("the running site has no %s %s: use the same version of baraza for the command and the site", r.Method, r.URL.Path))
	})
	return mux
}

// route makes a method of Service one path.
func route[Req, Resp any](mux *http.ServeMux, path string, call func(context.Context, Req) (*Resp, error)) {
	mux.HandleFunc("POST /v1/"+path, func(w http.ResponseWriter, r *http.Request) {
		var q Req
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, requestBytesMax))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&q); err != nil && !errors.Is(err, io.EOF) {
			fail(w, Cannotf("the request for %s is not understood: %v", path, err))
			return
		}
		answer, err := call(r.Context(), q)
		if err != nil {
			fail(w, err)
			return
		}
		write(w, http.StatusOK, answer)
	})
}

// wireError is an Error as it travels.
type wireError struct {
	Error string `json:"error"`
	Kind  Kind   `json:"kind"`
}

func fail(w http.ResponseWriter, err error) {
	kind, status := KindOf(err), http.StatusInternalServerError
	if kind == No {
		status = http.StatusConflict
	}
	write(w, status, wireError{oneLine(err.Error()), kind})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the asker is gone: nobody to tell
}

// Server is the socket of a running site.
type Server struct {
	http *http.Server
	path string
	done chan struct{}
}

// Serve opens DIR/baraza.sock and serves until Close. The caller holds the
// lock of DIR, so a socket that is there is a dead process's.
func Serve(dir string, s Service) (*Server, error) {
	path := filepath.Join(dir, SocketFile)
	if len(path) > socketPathMax {
		return nil, fmt.Errorf("%s: the path is longer than %d bytes, more than a socket may have: use a shorter --data directory", path, socketPathMax)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing an old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the socket for commands: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("opening the socket for commands: %w", err)
	}
	srv := &Server{
		http: &http.Server{Handler: Handler(s), ReadHeaderTimeout: headerWithin},
		path: path, done: make(chan struct{}),
	}
	go func() {
		defer close(srv.done)
		_ = srv.http.Serve(l) // it ends by Close
	}()
	return srv, nil
}

// Close lets requests finish for a moment and closes the socket.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}
