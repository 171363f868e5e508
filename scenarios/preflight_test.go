package scenarios_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/scenarios"
)

// explained returns what explain says of a scenario above its resolved file.
func explained(t *testing.T, src string, o scenarios.OpenOptions) string {
	t.Helper()
	s, err := scenarios.Decode("test.yaml", []byte(src), o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Explain()
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "#\napiVersion")
	return head
}

// TestForecast compares what is said beforehand with what shards then get.
func TestForecast(t *testing.T) {
	skewed := opaqueLoad("keys: {pinned: {of: 4, shards: [0, 0, 0, 2]}}, rate: {profile: [{constant: 400/s, for: 1s}]}, " + noAggregation)
	tests := []struct {
		name, src string
		want      []string
	}{
		{"even", opaqueLoad("keys: sequential, rate: {profile: [{constant: 400/s, for: 1s}]}"), []string{"at the peak 400 records/s (", "for 4 shards; the busiest needs 1"}},
		{"skewed", skewed, []string{"the busiest needs 30% of its limits", "shard 0         300 records/s", "shard 1           0 records/s", "shard 2         100 records/s"}},
		{"without limits", skewed + "\ntarget: {limits: off}", []string{"at the peak 400 records/s (424 kB/s) for 4 shards\n", "shard 0         300 records/s     318 kB/s\n"}},
		{"a closed loop", events("in_flight: 5, total: 10"), nil},
	}
	for _, tt := range tests {
		got := explained(t, scenario(strings.Split(tt.src, "\n")[0], "stream: {shards: 4}", "seed: 3")+strings.Join(strings.Split(tt.src, "\n")[1:], "\n")+"\n", scenarios.OpenOptions{})
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %q:\n%s", tt.name, want, got)
			}
		}
		if tt.want == nil && strings.Contains(got, "at the peak") {
			t.Errorf("%s:\n%s", tt.name, got)
		}
	}
}

// TestCost holds the estimate against the sums done by hand: 25 KiB units, one
// per record without aggregation.
func TestCost(t *testing.T) {
	const load = "rate: {profile: [{constant: 1000/s, for: 3600s}]}"
	sized := func(size string) string {
		return strings.Replace(opaqueLoad(load+", allow_throttling: true, "+noAggregation), "size: 1KiB", "size: "+size, 1)
	}
	tests := []struct {
		name, src, want string
	}{
		{"single records", scenario(events(load+", "+noAggregation), "stream: {shards: 4}"), "about 0.17 USD on AWS: 8 shard hours, 3,600,000 PUT"},
		{"aggregated", scenario(events(load), "stream: {shards: 4}"), "about 0.12 USD on AWS: 8 shard hours, 1"},
		{"somebody's stream", scenario(events(load+", "+noAggregation), "stream: {create: false}"), "about 0.05 USD on AWS: 0 shard hours, 3,600,000 PUT"},
		{"sizes on both sides of a unit", scenario(sized("{empirical: {sizes: [{size: 1KiB}, {size: 40KiB}]}}"), "stream: {shards: 4}"), "about 0.20 USD on AWS: 8 shard hours, 5,"},
		{"large records in somebody's stream", scenario(sized("40KiB"), "stream: {create: false}"), "0 shard hours, 7,200,000 PUT"},
		{"pushed to two consumers", scenario(opaqueLoad(load+", "+noAggregation), "stream: {shards: 4}", "consumers: {a: {read: fanout}, b: {read: fanout}, c: {}}"), "about 0.50 USD on AWS: 8 shard hours, 3,600,000 PUT payload units, 16 consumer shard hours and 7.1"},
		{"pushed from somebody's stream", scenario(opaqueLoad(load+", "+noAggregation), "stream: {create: false}", "consumers: {a: {read: fanout}}"), "at least 0."},
		{"of unknown length", scenario(events("in_flight: 1, total: 5")), "at least 0.03 USD"},
	}
	for _, tt := range tests {
		if got := explained(t, tt.src, scenarios.OpenOptions{Target: "aws"}); !strings.Contains(got, tt.want) {
			t.Errorf("%s lacks %q:\n%s", tt.name, tt.want, got)
		}
	}
}

// TestPrices holds that a price file is used, and that a mistake in one makes
// nothing free.
func TestPrices(t *testing.T) {
	const rest = `"date": "2026-11-01", "region": "eu-west-1", "put_unit_bytes": 25600`
	for text, want := range map[string]string{
		`{"shard_hour": 1, "put_units_million": 0, ` + rest + `}`:                          "about 2.00 USD on AWS: 2 shard hours",
		`{"shard_hours": 1, "put_units_million": 0, ` + rest + `}`:                         `unknown field "shard_hours"`,
		`{"put_units_million": 0, ` + rest + `}`:                                           "are needed",
		`{"shard_hour": 1, "put_units_million": 0, "consumer_gb": -1, ` + rest + `}`:       "below 0",
		`{"shard_hour": 1, "put_units_million": 0, "currency": "EUR", ` + rest + `}`:       "in EUR",
		`{"shard_hour": 1, "put_units_million": 0, "put_unit_bytes": 0.5, "date": "2026"}`: "below one byte",
	} {
		file := filepath.Join(t.TempDir(), "prices.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		src := scenario(events("rate: {profile: [{constant: 1/s, for: 1s}]}"), "stream: {shards: 2}", "budget: {prices: "+file+"}")
		got := ""
		if _, err := scenarios.Decode("test.yaml", []byte(src), scenarios.OpenOptions{}); err != nil {
			got = err.Error()
		} else {
			got = explained(t, src, scenarios.OpenOptions{Target: "aws"})
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", text, want, got)
		}
	}
}

// TestBudget holds that a run above its budget touches nothing.
func TestBudget(t *testing.T) {
	for budget, refused := range map[string]bool{"0.02 USD": true, "1 USD": false} {
		src := scenario("target: {kind: aws, region: us-east-1, endpoint: 'http://127.0.0.1:1'}", "budget: {max_cost: "+budget+"}")
		s, err := scenarios.Decode("test.yaml", []byte(src), scenarios.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_ACCESS_KEY_ID", "x")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
		_, err = scenarios.Run(t.Context(), s, scenarios.RunOptions{Out: t.TempDir()})
		if errors.Is(err, kload.ErrInvalid) != refused || errors.Is(err, kload.ErrUnreachable) == refused {
			t.Errorf("budget %s: %v", budget, err)
		}
	}
}
