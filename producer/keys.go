package producer

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/jsonfield"
	"github.com/kload/kload/internal/units"
)

// Keyer gives records their partition keys or explicit hash keys. The bytes it
// lends stay valid until the next call. It is used from one goroutine.
type Keyer interface {
	Assign(recs []kload.Record) error
}

// KeyerConfig makes the keyer it configures.
type KeyerConfig interface {
	Keyer(seed uint64) Keyer
	// ByKey says that the partition key alone decides the shard.
	ByKey() bool
	// Describe says in a few words which keys there are.
	Describe() string
}

// setKey lets key alone decide the shard, whatever hash key the source chose.
func setKey(r *kload.Record, key []byte) { r.Key, r.HasHash = key, false }

// ConstKeys gives every record the same partition key: a hot shard on purpose.
type ConstKeys struct {
	Value string `yaml:"value" default:"kload" help:"the partition key"`
}

// Keyer returns the keyer.
func (c *ConstKeys) Keyer(uint64) Keyer { return constKeyer(c.Value) }

// ByKey reports that the key decides the shard.
func (c *ConstKeys) ByKey() bool { return true }

// Describe names the key.
func (c *ConstKeys) Describe() string { return "one, " + c.Value }

// Validate checks the key's length.
func (c *ConstKeys) Validate() []conf.Issue { return validateKey("value", c.Value) }

type constKeyer []byte

func (k constKeyer) Assign(recs []kload.Record) error {
	for i := range recs {
		setKey(&recs[i], k)
	}
	return nil
}

// UniformKeys draws each partition key from n, all equally likely.
type UniformKeys struct {
	N units.Count `yaml:"n" default:"10k" help:"number of distinct keys"`
}

// Keyer returns the keyer.
func (c *UniformKeys) Keyer(seed uint64) Keyer {
	return &uniformKeyer{n: uint64(c.N), rand: rand.New(rand.NewPCG(seed, 0x6b657973))}
}

// ByKey reports that the key decides the shard.
func (c *UniformKeys) ByKey() bool { return true }

// Describe names their number.
func (c *UniformKeys) Describe() string { return "uniform over " + c.N.String() }

// Validate checks n.
func (c *UniformKeys) Validate() []conf.Issue { return validateN(c.N) }

func validateN(n units.Count) []conf.Issue {
	if n < 1 {
		return []conf.Issue{{Field: "n", Msg: "must be at least 1"}}
	}
	return nil
}

type uniformKeyer struct {
	n    uint64
	rand *rand.Rand
	numbered
}

func (k *uniformKeyer) Assign(recs []kload.Record) error {
	k.reset(len(recs))
	for i := range recs {
		k.setKey(&recs[i], k.rand.Uint64N(k.n))
	}
	return nil
}

// numbered lends keys made of "k" and a number.
type numbered struct{ arena []byte }

// maxKeyDigits is the length of the longest key: "k" and 20 digits.
const maxKeyDigits = 21

// reset makes room for n keys, which live until the next reset.
func (a *numbered) reset(n int) {
	if need := n * maxKeyDigits; cap(a.arena) < need {
		a.arena = make([]byte, 0, need)
	}
	a.arena = a.arena[:0]
}

func (a *numbered) setKey(r *kload.Record, n uint64) {
	from := len(a.arena)
	a.arena = strconv.AppendUint(append(a.arena, 'k'), n, 10)
	setKey(r, a.arena[from:len(a.arena):len(a.arena)])
}

// FieldKeys takes the partition key from a top-level attribute of a JSON record.
type FieldKeys struct {
	Name    string `yaml:"name" required:"true" help:"attribute whose value is the partition key"`
	Missing string `yaml:"missing" default:"error" enum:"error|random|const" help:"what a record without it gets: a failed load, a random key, or the key \"missing\""`
}

// Keyer returns the keyer.
func (c *FieldKeys) Keyer(seed uint64) Keyer {
	k := &fieldKeyer{name: c.Name, find: jsonfield.NewFinder(c.Name)}
	switch c.Missing {
	case "random":
		k.missing = (&UniformKeys{N: 1 << 32}).Keyer(seed)
	case "const":
		k.missing = constKeyer("missing")
	}
	return k
}

// ByKey reports that the key decides the shard.
func (c *FieldKeys) ByKey() bool { return true }

// Describe names the attribute.
func (c *FieldKeys) Describe() string { return "from field " + c.Name }

// CounterNames lists what the keyer counts.
func (c *FieldKeys) CounterNames() []string { return []string{"key_missing"} }

type fieldKeyer struct {
	name    string
	find    jsonfield.Finder
	missing Keyer // nil: an error
	absent  uint64
}

func (k *fieldKeyer) Assign(recs []kload.Record) error {
	if k.missing != nil {
		if err := k.missing.Assign(recs); err != nil {
			return err
		}
	}
	for i := range recs {
		value, ok := k.find.Find(recs[i].Data)
		switch {
		case ok && usableKey(value):
			setKey(&recs[i], value)
		case k.missing == nil:
			return kload.WithHint(fmt.Errorf("%w: no usable attribute %q in %.80q", kload.ErrInvalid, k.name, recs[i].Data),
				"check the name, or set keys: {field: {name: "+k.name+", missing: random}}")
		default:
			k.absent++
		}
	}
	return nil
}

// Counters returns how many records lacked the attribute.
func (k *fieldKeyer) Counters() map[string]uint64 { return map[string]uint64{"key_missing": k.absent} }

// RandomHashKeys spreads records evenly over the shards with random explicit
// hash keys; the partition key stays constant, as in the KPL's sample producer.
type RandomHashKeys struct{}

// Keyer returns the keyer.
func (c *RandomHashKeys) Keyer(seed uint64) Keyer {
	return &randomHashKeyer{rand: rand.New(rand.NewPCG(seed, 0x68617368)), key: []byte("kload")}
}

// ByKey reports that the explicit hash key decides the shard.
func (c *RandomHashKeys) ByKey() bool { return false }

// Describe says what decides instead of keys.
func (c *RandomHashKeys) Describe() string { return "random explicit hash keys" }

type randomHashKeyer struct {
	rand *rand.Rand
	key  []byte
}

func (k *randomHashKeyer) Assign(recs []kload.Record) error {
	for i := range recs {
		recs[i].Key = k.key
		recs[i].Hash = kload.HashKey{Hi: k.rand.Uint64(), Lo: k.rand.Uint64()}
		recs[i].HasHash = true
	}
	return nil
}

// maxKeyLen is the longest partition key in characters.
const maxKeyLen = 256

func validateKey(field, key string) []conf.Issue {
	if n := len([]rune(key)); n < 1 || n > maxKeyLen {
		return []conf.Issue{{Field: field, Msg: fmt.Sprintf("a partition key has 1 to %d characters, this one %d", maxKeyLen, n)}}
	}
	return nil
}
