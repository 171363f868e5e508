//go:build interop

package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

const kplAggregates = 400

// The lines decode.js reads and writes; encoding/json makes []byte base64.
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

func TestNodeReadsOurAggregates(t *testing.T) {
	needNode(t, "kpl")
	rng := rand.New(rand.NewPCG(1, 2))
	sent := make([][]byte, kplAggregates)
	want := make([]kplAnswer, kplAggregates)
	for i := range sent {
		sent[i], want[i].Users = randomAggregate(rng)
	}
	got := askNode(t, sent)
	asOne := cmp.Comparer(bytes.Equal) // byte by byte, cmp takes a minute
	for i := range want {
		if diff := cmp.Diff(want[i], got[i], asOne); diff != "" {
			t.Fatalf("aggregate %d, %x… (-sent +node):\n%s", i, sent[i][:min(64, len(sent[i]))], diff)
		}
	}
}

// What the one calls broken, so does the other.
func TestNodeRefusesWhatWeRefuse(t *testing.T) {
	needNode(t, "kpl")
	rng := rand.New(rand.NewPCG(3, 4))
	var sent [][]byte
	for range 50 {
		data, _ := randomAggregate(rng)
		data[4+rng.IntN(len(data)-4)] ^= 1 << rng.IntN(8)
		sent = append(sent, data)
	}
	for i, a := range askNode(t, sent) {
		kind := new(kpl.Decoder).Reset(sent[i])
		if a.Error == "" || kind != kpl.BadAggregate {
			t.Errorf("aggregate %d with a flipped bit: node says %q, we say %v", i, a.Error, kind)
		}
	}
}

func askNode(t *testing.T, sent [][]byte) []kplAnswer {
	t.Helper()
	var in bytes.Buffer
	lines := json.NewEncoder(&in)
	for _, data := range sent {
		if err := lines.Encode(kplQuestion{data}); err != nil {
			t.Fatal(err)
		}
	}
	var stderr bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", "decode.js")
	node.Dir, node.Stdin, node.Stderr = "kpl", &in, &stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("running decode.js: %v\n%s", err, &stderr)
	}
	answers := make([]kplAnswer, len(sent))
	dec := json.NewDecoder(bytes.NewReader(out))
	for i := range answers {
		if err := dec.Decode(&answers[i]); err != nil {
			t.Fatalf("reading answer %d of decode.js: %v", i, err)
		}
	}
	if dec.More() {
		t.Fatalf("decode.js gave more than %d answers", len(answers))
	}
	return answers
}

// randomAggregate returns an aggregate and what node should find in it.
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
