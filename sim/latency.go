package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Latency is how long a message is under way, one way.
type Latency struct {
	Kind LatencyKind
	// Base is the constant, the least, or the median.
	Base time.Duration
	// Spread is the greatest addition of a uniform latency.
	Spread time.Duration
	// Sigma is the standard deviation of the logarithm.
	Sigma float64
}

// LatencyKind is a distribution.
type LatencyKind int

// The distributions.
const (
	Constant LatencyKind = iota
	Uniform
	LogNormal
	latencyKinds
)

func (l Latency) String() string {
	switch l.Kind {
	case Uniform:
		return fmt.Sprintf("uniform %v-%v", l.Base, l.Base+l.Spread)
	case LogNormal:
		return fmt.Sprintf("log-normal median %v sigma %.2f", l.Base, l.Sigma)
	default:
		return fmt.Sprintf("constant %v", l.Base)
	}
}

// latencyMax bounds what a log-normal latency may come to.
const latencyMax = 30 * time.Second

func (l Latency) draw(rnd *rand.Rand) time.Duration {
	switch {
	case l.Kind == Uniform && l.Spread > 0:
		return l.Base + time.Duration(rnd.Int64N(int64(l.Spread)))
	case l.Kind == LogNormal:
		d := time.Duration(float64(l.Base) * math.Exp(l.Sigma*rnd.NormFloat64()))
		return min(d, latencyMax)
	}
	return l.Base
}
