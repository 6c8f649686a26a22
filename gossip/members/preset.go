package members

import (
	"time"

	"github.com/hashicorp/memberlist"
)

// preset is memberlist's configuration for lines that are slow, long (a
// satellite's round trip is 0.6 to 1.5 s) and lose packets. An idle site with n
// peers sends about one probe of 100 bytes every probeInterval, whatever n is.
func preset() *memberlist.Config {
	c := memberlist.DefaultWANConfig()
	// A probe may take two satellite round trips; then three others are asked
	// to try, and a stream is opened: with packets blocked by a firewall, a site
	// is seen as up nevertheless.
	c.ProbeInterval = 5 * time.Second
	c.ProbeTimeout = 3 * time.Second
	c.IndirectChecks = 3
	// A suspect has at least 6 probe intervals (30 s) to deny it: 20 % loss
	// makes nobody dead.
	c.SuspicionMult = 6
	c.SuspicionMaxTimeoutMult = 4
	c.TCPTimeout = 30 * time.Second
	// Whole states are exchanged every 2 min: a few hundred bytes a member, so
	// rarely. Changes travel in gossip, which sends nothing when there is none.
	c.PushPullInterval = 2 * time.Minute
	c.GossipInterval = time.Second
	c.GossipNodes = 3
	c.RetransmitMult = 4
	// Short cuts heal without a Join.
	c.GossipToTheDeadTime = 10 * time.Minute
	// A site that comes back with another address (DHCP) is believed once it
	// has been dead this long.
	c.DeadNodeReclaimTime = 30 * time.Second
	// Fits into tunnels and PPPoE without fragments.
	c.UDPBufferSize = 1200
	return c
}
