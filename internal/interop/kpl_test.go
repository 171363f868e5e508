//go:build interop

package interop_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

const kplPhase = 2000 // user records

type (
	kplRecord struct {
		Key  string  `json:"key"`
		Hash *string `json:"hash"`
		Data []byte  `json:"data"`
	}
	kplResult struct {
		OK              bool
		Shard, Sequence string
		Attempts        []string
	}
)

// TestKPL lets our consumer read what the KPL aggregates while the stream is
// split and merged under it. The KPL predicts shards; what turns out to be in a
// shard it did not know it sends again, so that after a reshard there are repeats.
func TestKPL(t *testing.T) {
	at := startTarget(t, "--tls")
	client := at.newClient(t)
	createStream(t, client, "s", 1)
	reader := consume(t, client, "s")
	kpl := kplSender{program: startKPL(t, at), reader: reader, want: map[string]kplRecord{}, seen: map[string]bool{}}
	kpl.phase(t)
	if kpl.repeats > 0 || kpl.plain > kplPhase/2 { // how many are alone depends on how busy the machine is
		t.Errorf("before a reshard %d repeats, %d not aggregated", kpl.repeats, kpl.plain)
	}
	splitAndMerge(t, client, "s", func() { kpl.phase(t) })
	kpl.phase(t)
	kpl.done()
	for _, u := range reader.stop(t) {
		kpl.sighted(t, u)
	}
	if reader.users != 3*kplPhase+kpl.repeats {
		t.Errorf("%d user records and %d repeats, want %d of them", reader.users, kpl.repeats, 3*kplPhase)
	}
	t.Logf("%d user records in %d stream records; %d not aggregated, %d repeats", reader.users, reader.stream, kpl.plain, kpl.repeats)
}

func startKPL(t *testing.T, at target) *program {
	t.Helper()
	u, err := url.Parse(at.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return java(t, "Kpl.java", "s", u.Hostname(), u.Port(), at.CAFile).use(at).start()
}

// kplSender sends with the KPL and holds what our consumer reads against it.
type kplSender struct {
	*program
	reader  *consumption
	want    map[string]kplRecord // by payload
	seen    map[string]bool      // where it belongs
	phases  int
	plain   int // not aggregated: alone when they were sent
	repeats int // copies beyond the one where it belongs
}

// phase sends user records, all of which must succeed, and waits until each has
// been read where it belongs.
func (k *kplSender) phase(t *testing.T) {
	t.Helper()
	k.phases++
	rng := rand.New(rand.NewPCG(6, uint64(k.phases)))
	for i := range kplPhase {
		r := kplRecord{Key: randomKey(rng, 500), Data: append(fmt.Appendf(nil, "%d-%d-", k.phases, i), randomBytes(rng)...)}
		if i%4 == 0 {
			r.Hash = new(shard.FormatHash(kload.HashKey{Hi: rng.Uint64(), Lo: rng.Uint64()}))
		}
		k.want[string(r.Data)] = r
		k.tell(r)
	}
	k.tell(nil)
	for i := range kplPhase {
		var result kplResult
		k.read(&result)
		if !result.OK {
			t.Fatalf("the KPL failed record %d of phase %d: %+v", i, k.phases, result)
		}
	}
	for missing := kplPhase; missing > 0; {
		if k.sighted(t, k.reader.next(t)) {
			missing--
		}
	}
}

// sighted checks one user record and reports whether it was where it belongs.
func (k *kplSender) sighted(t *testing.T, u sightedUser) bool {
	t.Helper()
	sent, expected := k.want[string(u.data)]
	hash := shard.HashOf([]byte(sent.Key))
	if sent.Hash != nil {
		hash, _ = shard.ParseHash(*sent.Hash)
	}
	if !expected || u.key != sent.Key || u.hasHash && u.hash != hash {
		t.Fatalf("read %q with key %q and hash %v, sent %+v", u.data, u.key, u.hash, sent)
	}
	if !u.hasHash {
		k.plain++
	}
	again := k.seen[string(u.data)]
	if again || !u.within.Contains(hash) {
		k.repeats++
		return false
	}
	k.seen[string(u.data)] = true
	return true
}
