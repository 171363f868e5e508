// Package sizes draws payload sizes from a distribution: fixed, uniform, lognormal
// or measured.
package sizes

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sort"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// Largest is the largest size: that of a record that a stream can be set to take.
// Lognormal ones are at most Clamp, which leaves room for key and trace in a
// record that streams take unless they are set otherwise.
const (
	Largest = 10 << 20
	Clamp   = 1_000_000
)

// Config is a distribution of sizes, in exactly one of its forms. A plain size
// stands for fixed.
type Config struct {
	Fixed     units.Bytes `yaml:"fixed" help:"every payload has this size"`
	Uniform   *Uniform    `yaml:"uniform" help:"all sizes between two are equally likely"`
	Lognormal *Lognormal  `yaml:"lognormal" help:"many small ones and a long tail, as most message sizes are"`
	Empirical *Empirical  `yaml:"empirical" help:"sizes that were measured, or listed with weights"`
}

// Uniform draws from Min to Max, both included.
type Uniform struct {
	Min units.Bytes `yaml:"min" required:"true" help:"smallest size"`
	Max units.Bytes `yaml:"max" required:"true" help:"largest size"`
}

// Lognormal is given by two of its quantiles. Sizes below 1 B and above 1 MB are
// clamped and counted.
type Lognormal struct {
	P50 units.Bytes `yaml:"p50" required:"true" help:"half the payloads are smaller"`
	P99 units.Bytes `yaml:"p99" required:"true" help:"99 of 100 payloads are smaller"`
}

// Empirical draws from a list.
type Empirical struct {
	File  string   `yaml:"file" help:"one size in bytes per line; each is equally likely"`
	Sizes []Weight `yaml:"sizes" help:"sizes with their weights"`
}

// Weight is one size of a list.
type Weight struct {
	Size   units.Bytes `yaml:"size" required:"true" help:"payload size"`
	Weight float64     `yaml:"weight" default:"1" help:"how often, relative to the others"`
}

// UnmarshalScalar accepts a fixed size.
func (c *Config) UnmarshalScalar(text string) (err error) {
	c.Fixed, err = units.ParseBytes(text)
	return err
}

// Pattern is the short form for the schema.
func (Config) Pattern() string { return units.Bytes(0).Pattern() }

// Validate checks the form and its bounds.
func (c *Config) Validate() []conf.Issue {
	forms := 0
	for _, given := range []bool{c.Fixed != 0, c.Uniform != nil, c.Lognormal != nil, c.Empirical != nil} {
		if given {
			forms++
		}
	}
	bad := func(field, msg string) []conf.Issue {
		return []conf.Issue{{Field: field, Msg: msg, Hint: "write a size such as 250B, or {lognormal: {p50: 200B, p99: 2KiB}}"}}
	}
	switch {
	case forms != 1:
		return bad("", "choose exactly one of fixed, uniform, lognormal and empirical")
	case c.Fixed != 0 && (c.Fixed < 1 || c.Fixed > Largest):
		return bad("", "must be between 1B and 10MiB")
	case c.Uniform != nil && (c.Uniform.Min < 1 || c.Uniform.Max < c.Uniform.Min || c.Uniform.Max > Largest):
		return bad("uniform", "must run from at least 1B to at most 10MiB")
	case c.Lognormal != nil && (c.Lognormal.P50 < 1 || c.Lognormal.P99 <= c.Lognormal.P50 || c.Lognormal.P99 > Clamp):
		return bad("lognormal", "p50 must be at least 1B, and p99 larger and at most 1MB")
	case c.Empirical != nil:
		if _, err := c.Empirical.table(); err != nil {
			return []conf.Issue{{Field: "empirical", Msg: err.Error(), Hint: "list sizes: [{size: 200B, weight: 3}], or name a file with one size per line"}}
		}
	}
	return nil
}

// z99 is the 99 % quantile of the standard normal distribution.
const z99 = 2.3263478740408408

func (l *Lognormal) sigma() float64 { return math.Log(float64(l.P99)/float64(l.P50)) / z99 }

// Mean returns the average size. It is 0 for a list that cannot be read.
func (c *Config) Mean() int {
	switch {
	case c.Uniform != nil:
		return int(c.Uniform.Min+c.Uniform.Max) / 2
	case c.Lognormal != nil:
		s := c.Lognormal.sigma()
		return int(math.Min(Clamp, float64(c.Lognormal.P50)*math.Exp(s*s/2)))
	case c.Empirical != nil:
		t, _ := c.Empirical.table()
		return int(t.mean())
	}
	return int(c.Fixed)
}

// Max returns the largest size.
func (c *Config) Max() int {
	switch {
	case c.Uniform != nil:
		return int(c.Uniform.Max)
	case c.Lognormal != nil:
		return Clamp
	case c.Empirical != nil:
		t, _ := c.Empirical.table()
		largest := 0
		for _, s := range t.sizes {
			largest = max(largest, s)
		}
		return largest
	}
	return int(c.Fixed)
}

// Sampler draws sizes. It belongs to one goroutine.
type Sampler struct {
	cfg     *Config
	rand    *rand.Rand
	table   table
	mu, dev float64
	clamped uint64
}

// Sampler returns a sampler; the seed decides what it draws.
func (c *Config) Sampler(seed uint64) (*Sampler, error) {
	s := &Sampler{cfg: c, rand: rand.New(rand.NewPCG(seed, 0x73697a65))}
	var err error
	switch {
	case c.Empirical != nil:
		s.table, err = c.Empirical.table()
	case c.Lognormal != nil:
		s.mu, s.dev = math.Log(float64(c.Lognormal.P50)), c.Lognormal.sigma()
	}
	return s, err
}

// Next returns the next size.
func (s *Sampler) Next() int {
	switch {
	case s.cfg.Uniform != nil:
		return int(s.cfg.Uniform.Min) + s.rand.IntN(int(s.cfg.Uniform.Max-s.cfg.Uniform.Min)+1)
	case s.cfg.Lognormal != nil:
		x := math.Exp(s.mu + s.dev*s.rand.NormFloat64())
		if x < 1 || x > Clamp {
			s.clamped++
			return int(min(max(x, 1), Clamp))
		}
		return int(x)
	case s.cfg.Empirical != nil:
		return s.table.at(s.rand.Float64())
	}
	return int(s.cfg.Fixed)
}

// Clamped returns how many sizes were cut to the allowed range.
func (s *Sampler) Clamped() uint64 { return s.clamped }

// table is a list of sizes with their cumulated shares.
type table struct {
	sizes []int
	upTo  []float64
}

func (t *table) at(u float64) int {
	return t.sizes[min(sort.SearchFloat64s(t.upTo, u), len(t.sizes)-1)]
}

func (t *table) mean() float64 {
	mean, last := 0.0, 0.0
	for i, size := range t.sizes {
		mean += float64(size) * (t.upTo[i] - last)
		last = t.upTo[i]
	}
	return mean
}

// table reads the list.
func (e *Empirical) table() (table, error) {
	weights := e.Sizes
	switch {
	case (e.File == "") == (len(e.Sizes) == 0):
		return table{}, fmt.Errorf("%w: either file or sizes is needed", kload.ErrInvalid)
	case e.File != "":
		var err error
		if weights, err = readSizes(e.File); err != nil {
			return table{}, err
		}
	}
	var t table
	sum := 0.0
	for _, w := range weights {
		if w.Size < 1 || w.Size > Largest || !(w.Weight > 0 && w.Weight < 1e12) {
			return table{}, fmt.Errorf("%w: size %s with weight %g: sizes run from 1B to 10MiB and weights are above 0", kload.ErrInvalid, w.Size, w.Weight)
		}
		sum += w.Weight
		t.sizes, t.upTo = append(t.sizes, int(w.Size)), append(t.upTo, sum)
	}
	for i := range t.upTo {
		t.upTo[i] /= sum
	}
	return t, nil
}

// maxSizes bounds the memory of a file of sizes.
const maxSizes = 1_000_000

func readSizes(name string) ([]Weight, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading sizes: %w", err)
	}
	defer f.Close()
	var list []Weight
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if strings.Trim(text, "0123456789") == "" {
			text += "B"
		}
		size, err := units.ParseBytes(text)
		if err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", n, name, err)
		}
		if list = append(list, Weight{Size: size, Weight: 1}); len(list) > maxSizes {
			return nil, fmt.Errorf("%w: %s has more than %d sizes", kload.ErrInvalid, name, maxSizes)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s has no size", kload.ErrInvalid, name)
	}
	return list, nil
}
