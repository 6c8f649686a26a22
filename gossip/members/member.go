package members

import (
	"fmt"
	"net"
	"strconv"

	"github.com/hashicorp/memberlist"
	"github.com/vmihailenco/msgpack/v5"

	"baraza/clock"
)

// Member is a site as the membership knows it.
type Member struct {
	Site clock.SiteID
	Name string
	// Session is where the site takes sessions, host:port; "" when it only
	// dials.
	Session string
	// Address is where its packets come from. It is not told but seen.
	Address string
}

// metaVersion is the version of what a member tells of itself.
const metaVersion = 1

type metadata struct {
	_msgpack struct{} `msgpack:",as_array"` //nolint:unused // read by msgpack
	Version  int
	Name     string
	Session  string
}

// meta encodes what a member tells of itself. The site id is the node's name.
func (m Member) meta(limit int) ([]byte, error) {
	b, err := msgpack.Marshal(&metadata{Version: metaVersion, Name: m.Name, Session: m.Session})
	if err == nil && len(b) > limit {
		err = fmt.Errorf("members: name %q and address %q take %d bytes, the limit is %d: shorten the name", m.Name, m.Session, len(b), limit)
	}
	return b, err
}

// memberOf reads a node.
func memberOf(n *memberlist.Node) (Member, error) {
	id, err := clock.ParseSiteID(n.Name)
	if err != nil {
		return Member{}, err
	}
	var d metadata
	if err := msgpack.Unmarshal(n.Meta, &d); err != nil {
		return Member{}, fmt.Errorf("members: what site %s tells of itself: %w", id.Short(), err)
	}
	return Member{
		Site: id, Name: d.Name, Session: d.Session,
		Address: net.JoinHostPort(n.Addr.String(), strconv.Itoa(int(n.Port))),
	}, nil
}
