package replay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay"
)

func decode(text string) (replay.Config, error) {
	var cfg replay.Config
	doc, err := conf.Parse("replay.yaml", []byte(text))
	if err == nil {
		err = doc.Decode(&cfg, nil)
	}
	return cfg, err
}

func TestConfig(t *testing.T) {
	defaults := replay.Config{From: "builtin:nyc-taxi", Timestamp: "dropoff_datetime", WithinSecond: "spread", Newline: "strip"}
	with := func(set func(*replay.Config)) replay.Config {
		c := defaults
		set(&c)
		return c
	}
	for _, tc := range []struct {
		text string
		want replay.Config
		err  string
	}{
		{text: "speedup: 6480\nmax_gap: 2s", want: with(func(c *replay.Config) { c.Speedup = speedup(t, "6480"); c.MaxGap = 2 * time.Second })},
		{text: "speedup: 0.5", want: with(func(c *replay.Config) { c.Speedup = speedup(t, "0.5") })},
		{text: "rate: 5k/s\nlimit: 10k", want: with(func(c *replay.Config) { c.Rate = units.Rate{N: 1, Per: 200 * time.Microsecond}; c.Limit = 10_000 })},
		{text: "asap: true\ntimestamp: none\nstrict: true", want: with(func(c *replay.Config) { c.ASAP = true; c.Timestamp = "none"; c.Strict = true })},
		{text: "from: file://trips\nnewline: keep\nwithin_second: burst", want: with(func(c *replay.Config) {
			c.From, c.Newline, c.WithinSecond = "file://trips", "keep", "burst"
		})},
		{text: "speedup: 0", err: "a speedup is above zero"},
		{text: "speedup: fast", err: "a speedup is a decimal number"},
		{text: "speedup: 5\nasap: true", err: "speedup and asap exclude each other"},
		{text: "within_second: even", err: "within_second"},
		{text: "speed: 5", err: "speedup"},
	} {
		got, err := decode(tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: error %v, want %q", tc.text, err, tc.err)
			}
			continue
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(replay.Speedup{})); diff != "" || err != nil {
			t.Errorf("%q: error %v, config (-want +got):\n%s", tc.text, err, diff)
		}
	}
}

// TestResolvedConfig shows the configuration with its defaults, and reads that
// back.
func TestResolvedConfig(t *testing.T) {
	for _, text := range []string{"speedup: 0.5", "rate: 90/min", "asap: true"} {
		cfg, err := decode(text)
		if err != nil {
			t.Fatal(err)
		}
		full, err := conf.Resolved(&cfg, true)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(string(full))
		if diff := cmp.Diff(cfg, again, cmp.AllowUnexported(replay.Speedup{})); diff != "" || err != nil {
			t.Errorf("%s\nerror %v, config (-want +got):\n%s", full, err, diff)
		}
	}
}

func TestConfigSchema(t *testing.T) {
	schema, err := conf.Schema(&replay.Config{}, nil, "replay", "https://example.invalid/replay")
	if err != nil || !strings.Contains(string(schema), `"max_gap"`) {
		t.Errorf("schema %s, error %v", schema, err)
	}
}
