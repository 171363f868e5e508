package producer

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// ZipfKeys draws the partition key of rank k out of n with a probability
// proportional to 1/k^exponent: few keys are hot, most are rare. Key k0 is the
// hottest.
type ZipfKeys struct {
	N        units.Count `yaml:"n" default:"10k" help:"number of distinct keys"`
	Exponent float64     `yaml:"exponent" default:"0.99" help:"skew: 0.99 as in YCSB, 1 and above for more, near 0 for none"`
}

// Keyer returns the keyer.
func (c *ZipfKeys) Keyer(seed uint64) Keyer {
	return &zipfKeyer{zipf: newZipf(float64(c.N), c.Exponent), rand: rand.New(rand.NewPCG(seed, 0x7a697066))}
}

// ByKey reports that the key decides the shard.
func (c *ZipfKeys) ByKey() bool { return true }

// Describe names the skew.
func (c *ZipfKeys) Describe() string {
	return fmt.Sprintf("zipf over %s, exponent %g", c.N, c.Exponent)
}

// Validate checks n and exponent.
func (c *ZipfKeys) Validate() []conf.Issue {
	issues := validateN(c.N)
	if !(c.Exponent > 0 && c.Exponent <= 10) {
		issues = append(issues, conf.Issue{Field: "exponent", Msg: "must be above 0 and at most 10", Hint: "for no skew use keys: uniform"})
	}
	return issues
}

type zipfKeyer struct {
	zipf
	rand *rand.Rand
	numbered
}

func (k *zipfKeyer) Assign(recs []kload.Record) error {
	k.reset(len(recs))
	for i := range recs {
		k.setKey(&recs[i], k.draw(k.rand)-1)
	}
	return nil
}

// zipf draws ranks from 1 to n by rejection-inversion (Hörmann and Derflinger,
// "Rejection-inversion to generate variates from monotone discrete
// distributions", 1996): in constant time for any n, and for exponents at and
// below 1, where math/rand's own generator ends.
type zipf struct {
	n, s       float64
	low, high  float64 // the integral of the density over the ranks
	acceptance float64 // within which the rounded rank is always right
}

func newZipf(n, s float64) zipf {
	z := zipf{n: n, s: s}
	z.low, z.high = z.integral(1.5)-1, z.integral(n+0.5)
	z.acceptance = 2 - z.inverse(z.integral(2.5)-z.density(2))
	return z
}

func (z *zipf) density(x float64) float64 { return math.Exp(-z.s * math.Log(x)) }

// integral is ∫ x^-s dx, written so that it stays exact around s = 1.
func (z *zipf) integral(x float64) float64 {
	log := math.Log(x)
	t := (1 - z.s) * log
	if math.Abs(t) > 1e-8 {
		return math.Expm1(t) / t * log
	}
	return (1 + t/2) * log
}

// inverse undoes integral.
func (z *zipf) inverse(y float64) float64 {
	t := max(-1, y*(1-z.s))
	if math.Abs(t) > 1e-8 {
		return math.Exp(math.Log1p(t) / t * y)
	}
	return math.Exp((1 - t/2) * y)
}

func (z *zipf) draw(r *rand.Rand) uint64 {
	for {
		u := z.high + r.Float64()*(z.low-z.high)
		x := z.inverse(u)
		k := min(max(1, math.Floor(x+0.5)), z.n)
		if k-x <= z.acceptance || u >= z.integral(k+0.5)-z.density(k) {
			return uint64(k)
		}
	}
}

// HotspotKeys gives a set share of the records to a few hot keys, k0 and
// following, and spreads the rest evenly over the others.
type HotspotKeys struct {
	N   units.Count `yaml:"n" default:"10k" help:"number of distinct keys, the hot ones included"`
	Hot Hot         `yaml:"hot" help:"the hot keys"`
}

// Hot says how hot how many keys are.
type Hot struct {
	Share units.Percent `yaml:"share" default:"80%" help:"share of the records"`
	Keys  units.Count   `yaml:"keys" default:"1" help:"number of keys that have it, in equal parts"`
}

// Keyer returns the keyer.
func (c *HotspotKeys) Keyer(seed uint64) Keyer {
	return &hotspotKeyer{
		share: c.Hot.Share.Fraction(), hot: uint64(c.Hot.Keys), rest: uint64(c.N - c.Hot.Keys),
		rand: rand.New(rand.NewPCG(seed, 0x686f7473)),
	}
}

// ByKey reports that the key decides the shard.
func (c *HotspotKeys) ByKey() bool { return true }

// Describe names the share.
func (c *HotspotKeys) Describe() string {
	return fmt.Sprintf("%s of the records on %s of %s keys", c.Hot.Share, c.Hot.Keys, c.N)
}

// Validate checks that hot keys are some of the keys.
func (c *HotspotKeys) Validate() []conf.Issue {
	issues := validateN(c.N)
	if f := c.Hot.Share.Fraction(); !(f > 0 && f <= 1) {
		issues = append(issues, conf.Issue{Field: "hot.share", Msg: "must be above 0% and at most 100%"})
	}
	if c.Hot.Keys < 1 || c.Hot.Keys > c.N || c.Hot.Keys == c.N && c.Hot.Share.Fraction() < 1 {
		issues = append(issues, conf.Issue{Field: "hot.keys", Msg: fmt.Sprintf("must be at least 1 and fewer than the %s keys there are", c.N)})
	}
	return issues
}

type hotspotKeyer struct {
	share     float64
	hot, rest uint64
	rand      *rand.Rand
	numbered
}

func (k *hotspotKeyer) Assign(recs []kload.Record) error {
	k.reset(len(recs))
	for i := range recs {
		if k.rand.Float64() < k.share {
			k.setKey(&recs[i], k.rand.Uint64N(k.hot))
		} else {
			k.setKey(&recs[i], k.hot+k.rand.Uint64N(k.rest))
		}
	}
	return nil
}

// SequentialKeys takes the keys k0 to k(n-1) in turn, again and again.
type SequentialKeys struct {
	N units.Count `yaml:"n" default:"10k" help:"number of distinct keys"`
}

// Keyer returns the keyer.
func (c *SequentialKeys) Keyer(uint64) Keyer { return &sequentialKeyer{n: uint64(c.N)} }

// ByKey reports that the key decides the shard.
func (c *SequentialKeys) ByKey() bool { return true }

// Describe names their number.
func (c *SequentialKeys) Describe() string { return c.N.String() + " in turn" }

// Validate checks n.
func (c *SequentialKeys) Validate() []conf.Issue { return validateN(c.N) }

type sequentialKeyer struct {
	n, next uint64
	numbered
}

func (k *sequentialKeyer) Assign(recs []kload.Record) error {
	k.reset(len(recs))
	for i := range recs {
		k.setKey(&recs[i], k.next)
		if k.next++; k.next == k.n {
			k.next = 0
		}
	}
	return nil
}
