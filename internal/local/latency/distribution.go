package latency

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
)

// maxDelay bounds what a distribution may be given, longest what it may yield:
// the target's HTTP server gives up on an answer after five minutes.
const (
	maxDelay = time.Minute
	longest  = 4 * time.Minute
)

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// shape is a family of distributions.
type shape uint8

const (
	none shape = iota
	constant
	uniform
	lognormal
)

// Distribution is how long something takes. The zero value is no time at all.
// It is comparable.
type Distribution struct {
	shape shape
	a, b  time.Duration // the constant; lowest and highest; p50 and p99
}

// Constant returns the distribution of a fixed delay.
func Constant(d time.Duration) Distribution {
	if d <= 0 {
		return Distribution{}
	}
	return Distribution{constant, d, d}
}

// IsZero reports whether there is never a delay.
func (d Distribution) IsZero() bool { return d.shape == none }

// Equal reports whether both are the same.
func (d Distribution) Equal(o Distribution) bool { return d == o }

// Quantile returns the delay that a share u of all draws does not exceed. A
// uniformly random u in [0, 1) makes it a draw, of at most four minutes.
func (d Distribution) Quantile(u float64) time.Duration {
	switch d.shape {
	case constant:
		return d.a
	case uniform:
		return d.a + time.Duration(u*float64(d.b-d.a))
	case lognormal:
		sigma := math.Log(float64(d.b)/float64(d.a)) / z99
		ns := float64(d.a) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*u-1))
		return time.Duration(min(ns, float64(longest)))
	}
	return 0
}

// String returns the form that [ParseDistribution] reads, "off" for none.
func (d Distribution) String() string {
	a, b := units.ExactDuration(d.a), units.ExactDuration(d.b)
	switch d.shape {
	case constant:
		return a
	case uniform:
		return "uniform(" + a + "," + b + ")"
	case lognormal:
		return "lognormal(p50=" + a + ",p99=" + b + ")"
	}
	return Off
}

const forms = "write 3ms, uniform(1ms,5ms) or lognormal(p50=4ms,p99=25ms), each delay at most 1m"

// ParseDistribution parses "3ms", "constant(3ms)", "uniform(1ms,5ms)",
// "lognormal(p50=4ms,p99=25ms)" or "off".
func ParseDistribution(text string) (Distribution, error) {
	d, err := parseDistribution(text)
	if err != nil {
		return Distribution{}, kload.WithHint(fmt.Errorf("bad delay %q: %w", text, err), forms)
	}
	return d, nil
}

func parseDistribution(text string) (Distribution, error) {
	if text == Off {
		return Distribution{}, nil
	}
	name, rest, found := strings.Cut(text, "(")
	args, closed := strings.CutSuffix(rest, ")")
	switch {
	case !found:
		a, err := parseDelay(text)
		return Constant(a), err
	case !closed:
		return Distribution{}, fmt.Errorf("its bracket is not closed")
	}
	list := strings.Split(args, ",")
	switch name {
	case "constant":
		a, _, err := parsePair(append(list, "0s"), "", "")
		return Constant(a), err
	case "uniform":
		a, b, err := parsePair(list, "", "")
		if err == nil && a > b {
			err = fmt.Errorf("its lower end is above its upper one")
		}
		return orNone(Distribution{uniform, a, b}, err)
	case "lognormal":
		a, b, err := parsePair(list, "p50=", "p99=")
		if err == nil && (a <= 0 || a > b) {
			err = fmt.Errorf("its p50 has to be above 0 and not above its p99")
		}
		return orNone(Distribution{lognormal, a, b}, err)
	}
	return Distribution{}, fmt.Errorf("there is no distribution %q", name)
}

func orNone(d Distribution, err error) (Distribution, error) {
	if err != nil || d.b == 0 {
		return Distribution{}, err
	}
	return d, nil
}

// parsePair reads two delays, each behind its prefix.
func parsePair(list []string, first, second string) (a, b time.Duration, err error) {
	if len(list) != 2 {
		return 0, 0, fmt.Errorf("it has the wrong number of parameters")
	}
	one, ok1 := strings.CutPrefix(strings.TrimSpace(list[0]), first)
	two, ok2 := strings.CutPrefix(strings.TrimSpace(list[1]), second)
	if !ok1 || !ok2 {
		return 0, 0, fmt.Errorf("its parameters are %s and %s", first, second)
	}
	if a, err = parseDelay(one); err == nil {
		b, err = parseDelay(two)
	}
	return a, b, err
}

func parseDelay(text string) (time.Duration, error) {
	d, err := units.ParseDuration(text)
	if err == nil && d > maxDelay {
		err = fmt.Errorf("%s is longer than a minute", text)
	}
	return d, err
}

// MarshalText returns String's form.
func (d Distribution) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses as [ParseDistribution] does.
func (d *Distribution) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDistribution(string(text))
	return err
}

// Pattern returns a regular expression of the written form.
func (Distribution) Pattern() string {
	return `^(off|[0-9][0-9.a-zµμ]*|(constant|uniform|lognormal)\(.+\))$`
}
