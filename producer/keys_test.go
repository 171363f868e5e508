package producer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/producer"
)

// keyed is what a keyer gave a record.
type keyed struct {
	Key     string
	Hash    kload.HashKey
	HasHash bool
}

// assign keys n records that came from the source with a key and a hash key of
// their own, in batches of different sizes.
func assign(t *testing.T, k producer.Keyer, n int, payload string) []keyed {
	t.Helper()
	var out []keyed
	for i := 0; len(out) < n; i++ {
		recs := make([]kload.Record, min(1+i*37%200, n-len(out)))
		for j := range recs {
			recs[j] = kload.Record{Data: []byte(payload), Key: []byte("own"), Hash: kload.HashKey{Hi: 1}, HasHash: true}
		}
		if err := k.Assign(recs); err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			out = append(out, keyed{string(r.Key), r.Hash, r.HasHash})
		}
	}
	return out
}

// TestKeyers draws 40,000 keys from each: the number of distinct keys and the
// share of the commonest one, whether the key decides the shard, and that the
// seed decides it all.
func TestKeyers(t *testing.T) {
	const n = 40_000
	tests := []struct {
		name     string
		keys     producer.KeyerConfig
		payload  string
		distinct int
		most     int // records of the commonest key
		seeded   bool
	}{
		{"const", &producer.ConstKeys{Value: "hot"}, "", 1, n, false},
		{"one of one", &producer.UniformKeys{N: 1}, "", 1, n, false},
		{"uniform", &producer.UniformKeys{N: 40}, "", 40, 1150, true},
		{"field", &producer.FieldKeys{Name: "zone"}, `{"zone": 132}`, 1, n, false},
		{"missing field: const", &producer.FieldKeys{Name: "zone", Missing: "const"}, `{}`, 1, n, false},
		{"missing field: random", &producer.FieldKeys{Name: "zone", Missing: "random"}, `{}`, n, 2, true},
		{"random hash", &producer.RandomHashKeys{}, "", 1, n, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys := assign(t, tt.keys.Keyer(7), n, tt.payload)
			count, most := map[string]int{}, 0
			for _, k := range keys {
				count[k.Key]++
				most = max(most, count[k.Key])
				if k.HasHash == tt.keys.ByKey() {
					t.Fatalf("HasHash %v, but ByKey %v", k.HasHash, tt.keys.ByKey())
				}
			}
			if len(count) < tt.distinct*99/100 || len(count) > tt.distinct || most > tt.most {
				t.Errorf("%d distinct keys, the commonest on %d records; want %d and at most %d", len(count), most, tt.distinct, tt.most)
			}
			if !slices.Equal(keys, assign(t, tt.keys.Keyer(7), n, tt.payload)) {
				t.Error("the same seed gave other keys")
			}
			if slices.Equal(keys, assign(t, tt.keys.Keyer(8), n, tt.payload)) == tt.seeded {
				t.Errorf("another seed changed the keys: %v, want %v", !tt.seeded, tt.seeded)
			}
		})
	}
}

// TestRandomHashKeysSpread holds that the shards of a stream get equal shares.
func TestRandomHashKeysSpread(t *testing.T) {
	const n, shards = 40_000, 8
	ranges, count := shard.Split(shards), [shards]int{}
	for _, k := range assign(t, (&producer.RandomHashKeys{}).Keyer(1), n, "") {
		for i, r := range ranges {
			if r.Contains(k.Hash) {
				count[i]++
			}
		}
	}
	for i, c := range count {
		if c < n/shards*95/100 || c > n/shards*105/100 {
			t.Errorf("shard %d of %d got %d of %d records", i, shards, c, n)
		}
	}
}

func TestFieldKeys(t *testing.T) {
	long := strings.Repeat("x", 256)
	tests := []struct {
		name, payload, missing string
		want                   string
		absent                 uint64
		err                    bool
	}{
		{name: "string", payload: `{"a":1,"zone":"JFK"}`, missing: "error", want: "JFK"},
		{name: "number", payload: `{"zone":132}`, missing: "error", want: "132"},
		{name: "longest", payload: `{"zone":"` + long + `"}`, missing: "error", want: long},
		{name: "too long", payload: `{"zone":"` + long + `x"}`, missing: "error", err: true},
		{name: "too long, replaced", payload: `{"zone":"` + long + `x"}`, missing: "const", want: "missing", absent: 1},
		{name: "empty", payload: `{"zone":""}`, missing: "error", err: true},
		{name: "empty, replaced", payload: `{"zone":""}`, missing: "const", want: "missing", absent: 1},
		{name: "absent", payload: `{"zones":"JFK"}`, missing: "error", err: true},
		{name: "nested only", payload: `{"a":{"zone":"JFK"}}`, missing: "error", err: true},
		{name: "no object", payload: `zone`, missing: "error", err: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := (&producer.FieldKeys{Name: "zone", Missing: tt.missing}).Keyer(1)
			recs := []kload.Record{{Data: []byte(tt.payload)}}
			err := k.Assign(recs)
			if errors.Is(err, kload.ErrInvalid) != tt.err || !tt.err && string(recs[0].Key) != tt.want {
				t.Errorf("key %q, error %v; want %q, error %v", recs[0].Key, err, tt.want, tt.err)
			}
			if got := k.(kload.Counted).Counters()["key_missing"]; got != tt.absent {
				t.Errorf("key_missing = %d, want %d", got, tt.absent)
			}
		})
	}
}

func TestParseKeyTemplate(t *testing.T) {
	for template, want := range map[string]string{
		"{zone}": "JFK", "{zone}{n}": "JFK7", "x-{zone}/{n}.": "x-JFK/7.",
		"zone": "", "{}": "", "{a": "", "x{a}}": "", "": "", "{a{b}}": "", "}": "",
	} {
		c, err := producer.ParseKeyTemplate(template)
		if want == "" {
			if !errors.Is(err, kload.ErrInvalid) {
				t.Errorf("%q gave %v, want ErrInvalid", template, err)
			}
			continue
		}
		recs := []kload.Record{{Data: []byte(`{"zone":"JFK","n":7}`)}}
		if err != nil || c.Keyer(1).Assign(recs) != nil || string(recs[0].Key) != want {
			t.Errorf("%q gave %q, %v; want %q", template, recs[0].Key, err, want)
		}
	}
}

// TestTemplateKeysMissing holds what records without an attribute get, in the
// middle of others.
func TestTemplateKeysMissing(t *testing.T) {
	batch := func() []kload.Record {
		return []kload.Record{{Data: []byte(`{"a":1,"b":2}`)}, {Data: []byte(`{"a":1}`)}, {Data: []byte(`{"a":3,"b":4}`)}}
	}
	for missing, want := range map[string][]string{"const": {"1-2", "missing", "3-4"}, "error": nil} {
		k := (&producer.TemplateKeys{Text: "{a}-{b}", Missing: missing}).Keyer(1)
		recs := batch()
		err := k.Assign(recs)
		if want == nil {
			if !errors.Is(err, kload.ErrInvalid) {
				t.Errorf("%s: %v, want ErrInvalid", missing, err)
			}
			continue
		}
		got := []string{string(recs[0].Key), string(recs[1].Key), string(recs[2].Key)}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, -want +got:\n%s", missing, err, diff)
		}
		if n := k.(kload.Counted).Counters()["key_missing"]; n != 1 {
			t.Errorf("%s: key_missing = %d, want 1", missing, n)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		field string
		spoil func(*producer.Config)
	}{
		{"", func(*producer.Config) {}},
		{"", func(c *producer.Config) { c.Aggregation.MaxBytes, c.Aggregation.Linger = 64, 0 }},
		{"", func(c *producer.Config) { c.Aggregation.MaxBytes, c.Collection.MaxBytes = 1<<20, 10<<20 }},
		{"aggregation.max_bytes", func(c *producer.Config) { c.Aggregation.MaxBytes = 63 }},
		{"aggregation.max_bytes", func(c *producer.Config) { c.Aggregation.MaxBytes = 1<<20 + 1 }},
		{"aggregation.max_count", func(c *producer.Config) { c.Aggregation.MaxCount = 0 }},
		{"aggregation.linger", func(c *producer.Config) { c.Aggregation.Linger = -1 }},
		{"collection.max_records", func(c *producer.Config) { c.Collection.MaxRecords = 501 }},
		{"collection.max_records", func(c *producer.Config) { c.Collection.MaxRecords = 0 }},
		{"collection.max_bytes", func(c *producer.Config) { c.Collection.MaxBytes = 10<<20 + 1 }},
		{"collection.max_bytes", func(c *producer.Config) { c.Collection.MaxBytes = 0 }},
		{"connections", func(c *producer.Config) { c.Connections = 0 }},
		{"connections", func(c *producer.Config) { c.Connections = 1025 }},
		{"ttl", func(c *producer.Config) { c.TTL = -1 }},
		{"map_refresh", func(c *producer.Config) { c.MapRefresh = -1 }},
		{"request_timeout", func(c *producer.Config) { c.RequestTimeout = -1 }},
		{"memory", func(c *producer.Config) { c.Memory = 1<<20 - 1 }},
	}
	for _, tt := range tests {
		cfg := producer.DefaultConfig()
		tt.spoil(&cfg)
		var got string
		for _, issue := range cfg.Validate() {
			got += issue.Field
		}
		if got != tt.field {
			t.Errorf("Validate(%+v) names %q, want %q", cfg, got, tt.field)
		}
	}
	if n := len((&producer.ConstKeys{Value: strings.Repeat("ä", 256)}).Validate()); n != 0 {
		t.Error("a key of 256 characters was refused")
	}
	for _, bad := range []string{"", strings.Repeat("x", 257)} {
		if len((&producer.ConstKeys{Value: bad}).Validate()) == 0 {
			t.Errorf("a constant key of %d characters was let through", len(bad))
		}
	}
	if len((&producer.UniformKeys{N: 0}).Validate()) == 0 {
		t.Error("no keys at all were let through")
	}
}

func TestKeyersDoNotAllocate(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	recs := make([]kload.Record, 500)
	for i := range recs {
		recs[i].Data = []byte(`{"zone":"JFK"}`)
	}
	for name, c := range map[string]producer.KeyerConfig{
		"const": &producer.ConstKeys{Value: "x"}, "uniform": &producer.UniformKeys{N: 1 << 20},
		"field": &producer.FieldKeys{Name: "zone", Missing: "random"}, "random hash": &producer.RandomHashKeys{},
		"zipf": &producer.ZipfKeys{N: 1 << 20, Exponent: 1}, "hotspot": &producer.HotspotKeys{N: 10, Hot: producer.Hot{Share: 80, Keys: 1}},
		"sequential": &producer.SequentialKeys{N: 7}, "pinned": &producer.PinnedKeys{Of: 4},
		"template": &producer.TemplateKeys{Text: "x{zone}", Missing: "error"},
	} {
		k := c.Keyer(1)
		if n := testing.AllocsPerRun(20, func() {
			if err := k.Assign(recs); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for 500 records, want none", name, n)
		}
	}
}
