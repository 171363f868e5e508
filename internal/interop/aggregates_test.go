//go:build interop

package interop_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

const kplAggregates = 400

// The lines the decoders read and writes; encoding/json makes []byte base64.
type (
	kplQuestion struct {
		Data []byte `json:"data"`
	}
	kplAnswer struct {
		Error string    `json:"error"`
		Users []kplUser `json:"users"`
	}
	kplUser struct {
		Key  string   `json:"partitionKey"`
		Hash *string  `json:"explicitHashKey"`
		Data []byte   `json:"data"`
		Tags []kplTag `json:"tags"`
	}
	kplTag struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
)

// decoders starts AWS's own decoders of aggregated records.
func decoders(t *testing.T, test func(*testing.T, *program)) {
	t.Run("aws-kinesis-agg for Node.js", func(t *testing.T) { test(t, node(t, "aggregates.js").start()) })
	t.Run("aws-kinesis-agg for Python", func(t *testing.T) { test(t, python(t, "aggregates.py").start()) })
}

func TestAggregatesAreRead(t *testing.T) {
	decoders(t, func(t *testing.T, decoder *program) {
		rng := rand.New(rand.NewPCG(1, 2))
		asOne := cmp.Comparer(bytes.Equal) // byte by byte, cmp takes a minute
		for i := range kplAggregates {
			data, users := randomAggregate(rng)
			if diff := cmp.Diff(kplAnswer{Users: users}, ask(decoder, data), asOne); diff != "" {
				t.Fatalf("aggregate %d, %x… (-sent +read):\n%s", i, data[:min(64, len(data))], diff)
			}
		}
	})
}

// What the one calls broken, so does the other.
func TestBrokenAggregatesAreRefused(t *testing.T) {
	decoders(t, func(t *testing.T, decoder *program) {
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range 50 {
			data, _ := randomAggregate(rng)
			data[4+rng.IntN(len(data)-4)] ^= 1 << rng.IntN(8)
			theirs, ours := ask(decoder, data), new(kpl.Decoder).Reset(data)
			if theirs.Error == "" || ours != kpl.BadAggregate {
				t.Errorf("aggregate %d with a flipped bit: they say %q, we say %v", i, theirs.Error, ours)
			}
		}
	})
}

// ask has one aggregate decoded.
func ask(decoder *program, data []byte) (a kplAnswer) {
	decoder.Helper()
	decoder.tell(kplQuestion{data})
	decoder.read(&a)
	return a
}

// randomAggregate returns an aggregate and what a decoder should find in it.
func randomAggregate(rng *rand.Rand) ([]byte, []kplUser) {
	users := make([]kplUser, 1+rng.IntN(1+rng.IntN(300)))
	keys := 1 + rng.IntN(len(users))
	var e kpl.Encoder
	e.Reset(nil)
	for i := range users {
		u := kplUser{Key: randomKey(rng, keys), Data: randomBytes(rng), Tags: []kplTag{}}
		var hash kload.HashKey
		var tag []byte
		if rng.IntN(2) == 0 {
			hash = kload.HashKey{Hi: rng.Uint64() >> rng.IntN(65), Lo: rng.Uint64N(3)}
			u.Hash = new(shard.FormatHash(hash))
		}
		if rng.IntN(2) == 0 {
			tag = fmt.Appendf([]byte{}, "%0*x", rng.IntN(200), rng.Uint32())
			u.Tags = append(u.Tags, kplTag{kpl.TagKey, string(tag)})
		}
		e.Add([]byte(u.Key), hash, u.Hash != nil, tag, u.Data)
		users[i] = u
	}
	return e.Seal(), users
}

func randomKey(rng *rand.Rand, keys int) string {
	key := rng.IntN(keys)
	switch key % 3 {
	case 0:
		return fmt.Sprintf("ключ-🔑-%d", key)
	case 1:
		return fmt.Sprintf("%0200d", key)
	}
	return fmt.Sprintf("key-%d", key)
}

func randomBytes(rng *rand.Rand) []byte {
	b := make([]byte, rng.IntN(1<<rng.IntN(12)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestProducerIsRead has the decoders unpack what our producer put into a stream.
func TestProducerIsRead(t *testing.T) {
	at := startTarget(t)
	client := at.newClient(t)
	createStream(t, client, "s", 2)
	rng := rand.New(rand.NewPCG(7, 8))
	recs := make([]kload.Record, 3000)
	want := map[string]string{} // key by payload
	for i := range recs {
		recs[i].Key = []byte(randomKey(rng, 500))
		recs[i].Data = append(fmt.Appendf(nil, "%d-", i), randomBytes(rng)...)
		want[string(recs[i].Data)] = string(recs[i].Key)
	}
	produce(t, client, "s", recs)
	stored := storedIn(t, client, "s")
	decoders(t, func(t *testing.T, decoder *program) {
		got := map[string]string{}
		for _, data := range stored {
			answer := ask(decoder, data)
			if answer.Error != "" {
				t.Fatalf("a stream record: %s", answer.Error)
			}
			for _, u := range answer.Users {
				if _, twice := got[string(u.Data)]; twice {
					t.Errorf("twice: %.40q", u.Data)
				}
				got[string(u.Data)] = u.Key
			}
		}
		if !maps.Equal(want, got) {
			t.Errorf("of %d user records %d were found, or with other keys", len(want), len(got))
		}
	})
}
