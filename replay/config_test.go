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
	defaults := replay.Config{
		From: "builtin:nyc-taxi", Timestamp: "dropoff_datetime", WithinSecond: "spread", Newline: "strip",
		OnLag: "catch_up", MaxLag: time.Second, LoopKey: "trip_id", Timestamps: "original",
	}
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
		{text: "shape: 5k/s\nloop: forever\nloop_key: id", want: with(func(c *replay.Config) {
			c.Shape, c.Loop, c.LoopKey = units.Rate{N: 1, Per: 200 * time.Microsecond}, replay.Forever, "id"
		})},
		{text: "seek: 2023-05-08\nuntil: 2023-05-08T12:00:00Z\nloop: 3\non_lag: slip\nmax_lag: 5s\nfilter: trip_id % 2 == 0\nreorder: 1k\ntimestamps: ingestion", want: with(func(c *replay.Config) {
			c.Seek, c.Until = instant(t, "2023-05-08T00:00:00Z"), instant(t, "2023-05-08 12:00:00")
			c.Loop, c.OnLag, c.MaxLag, c.Filter, c.Reorder, c.Timestamps = 3, "slip", 5*time.Second, "trip_id % 2 == 0", 1000, "ingestion"
		})},
		{text: "loop: 0", err: "bad number of passes"},
		{text: "loop: often", err: "bad number of passes"},
		{text: "seek: yesterday", err: "bad time"},
		{text: "seek: 2023-05-08\nuntil: 2023-05-08", err: "until is not after seek"},
		{text: "filter: trip_id %", err: "invalid filter"},
		{text: "asap: true\non_lag: drop", err: "without a schedule nothing is late"},
		{text: "timestamp: none\nrate: 1/s\nwatermarks: true", err: "rows have no time to tell of"},
		{text: "speedup: 2\nshape: 5/s", err: "speedup and shape exclude each other"},
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
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(replay.Speedup{}, replay.Instant{})); diff != "" || err != nil {
			t.Errorf("%q: error %v, config (-want +got):\n%s", tc.text, err, diff)
		}
	}
}

func instant(t *testing.T, text string) replay.Instant {
	t.Helper()
	i, err := replay.ParseInstant(text)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestResolvedConfig shows the configuration with its defaults, and reads that
// back.
func TestResolvedConfig(t *testing.T) {
	for _, text := range []string{"speedup: 0.5", "rate: 90/min", "asap: true", "loop: forever\nseek: 2023-05-08T01:02:03.5Z", "loop: 7\nshape: 5/s"} {
		cfg, err := decode(text)
		if err != nil {
			t.Fatal(err)
		}
		full, err := conf.Resolved(&cfg, true)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(string(full))
		if diff := cmp.Diff(cfg, again, cmp.AllowUnexported(replay.Speedup{}, replay.Instant{})); diff != "" || err != nil {
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
