package producer

import (
	"fmt"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/shard"
)

// PinnedKeys sends records to chosen shards by explicit hash keys, in turn: the
// hash key space is cut into so many equal ranges, which are the shards of a
// stream that was created with them.
type PinnedKeys struct {
	Of     int   `yaml:"of" required:"true" help:"number of shards the stream was created with"`
	Shards []int `yaml:"shards" help:"which of them get records, counted from 0 in the order of their hash keys; all if absent"`
}

// Keyer returns the keyer.
func (c *PinnedKeys) Keyer(seed uint64) Keyer {
	k := &pinnedKeyer{rand: rand.New(rand.NewPCG(seed, 0x70696e73)), key: []byte("kload")}
	all := shard.Split(c.Of)
	if len(c.Shards) == 0 {
		k.ranges = all
	}
	for _, i := range c.Shards {
		k.ranges = append(k.ranges, all[i])
	}
	return k
}

// ByKey reports that the explicit hash key decides the shard.
func (c *PinnedKeys) ByKey() bool { return false }

// Describe names the shards.
func (c *PinnedKeys) Describe() string {
	if len(c.Shards) == 0 {
		return fmt.Sprintf("explicit hash keys of %d shards in turn", c.Of)
	}
	return fmt.Sprintf("explicit hash keys of shards %v of %d in turn", c.Shards, c.Of)
}

// Validate checks that the shards are some of those there are.
func (c *PinnedKeys) Validate() []conf.Issue {
	if c.Of < 1 || c.Of > 10_000 {
		return []conf.Issue{{Field: "of", Msg: "must be between 1 and 10000"}}
	}
	for _, i := range c.Shards {
		if i < 0 || i >= c.Of {
			return []conf.Issue{{Field: "shards", Msg: fmt.Sprintf("there is no shard %d of %d: they count from 0", i, c.Of)}}
		}
	}
	return nil
}

type pinnedKeyer struct {
	ranges []shard.Range
	next   int
	rand   *rand.Rand
	key    []byte
}

func (k *pinnedKeyer) Assign(recs []kload.Record) error {
	for i := range recs {
		r, in := &recs[i], &k.ranges[k.next]
		r.Key, r.HasHash = k.key, true
		// The first and the last 2^64-th may be cut through by the range's ends.
		r.Hash = kload.HashKey{Hi: in.Start.Hi + 1 + k.rand.Uint64N(in.End.Hi-in.Start.Hi-1), Lo: k.rand.Uint64()}
		if k.next++; k.next == len(k.ranges) {
			k.next = 0
		}
	}
	return nil
}
