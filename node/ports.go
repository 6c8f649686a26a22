package node

import (
	"context"
	"io"
	"net"

	"github.com/cockroachdb/pebble/v2/vfs"

	"baraza/node/admin"
	"baraza/node/config"
)

// Ports are what a site stands on. What is nil is the machine's own, as it is
// at every site; tests put many sites with real engines, real membership and
// real stores into one process on virtual time.
type Ports struct {
	// Net is how this site reaches others and they reach it; nil: sockets.
	Net Net
	// Disk holds the store; nil: the data directory's. The settings and the key
	// are in the data directory always.
	Disk vfs.FS
	// Database opens the site's database; nil: the server that the DSN names.
	Database func(ctx context.Context, dsn config.DSN) (Database, error)
	// Admin offers the site's Service until it is closed; nil: on the socket
	// DIR/baraza.sock.
	Admin func(dir string, s admin.Service) (io.Closer, error)
}

// Net opens what a site talks over. Addresses are HOST:PORT. Deadlines of
// connections work; a Dial ends when its context does. It is used by several
// goroutines.
type Net interface {
	Listen(address string) (net.Listener, error)
	ListenPacket(address string) (net.PacketConn, error)
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// fill puts the machine's own in place of what is nil.
func (p *Ports) fill() {
	if p.Net == nil {
		p.Net = sockets{}
	}
	if p.Database == nil {
		p.Database = openServer
	}
	if p.Admin == nil {
		p.Admin = func(dir string, s admin.Service) (io.Closer, error) { return admin.Serve(dir, s) }
	}
}

// sockets is the machine's network.
type sockets struct{}

func (sockets) Listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }

func (sockets) ListenPacket(address string) (net.PacketConn, error) {
	return net.ListenPacket("udp", address)
}

func (sockets) Dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}
