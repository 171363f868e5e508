package replay

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// The values of Config's choices.
const (
	timestampNone = "none"
	withinSpread  = "spread"
	withinBurst   = "burst"
	newlineStrip  = "strip"
	newlineKeep   = "keep"
)

// Config says what is replayed, and when. The zero value replays the built-in
// trips at their recorded pace, which takes two days. At most one of Speedup,
// Rate and ASAP may be given.
type Config struct {
	// From names the data: s3://BUCKET/PREFIX, file://DIR, file://FILE, builtin:NAME
	// for a data set inside the program, local:NAME for the same in the embedded
	// target's S3, or env:NAME for what that environment variable says: one of
	// these, or a path. Default: builtin:nyc-taxi.
	From string `yaml:"from" default:"builtin:nyc-taxi" help:"recorded data: s3://BUCKET/PREFIX, file://DIR, file://FILE, builtin:nyc-taxi, local:nyc-taxi (the same out of the embedded S3), or env:NAME for what an environment variable names"`
	// Endpoint replaces S3's URL for s3://. Default: that of AWS_ENDPOINT_URL_S3, or
	// the real service's.
	Endpoint string `yaml:"endpoint" help:"URL of the S3 service for s3://, such as http://127.0.0.1:4568; the real service by default"`
	// Timestamp is the top-level attribute that holds a row's time. Default:
	// dropoff_datetime. "none" means that rows have no time, which a speedup needs.
	Timestamp string `yaml:"timestamp" default:"dropoff_datetime" help:"top-level attribute with the time of a row; none for rows without time"`
	// Speedup divides the recorded time. Default: 1, unless Rate or ASAP is given.
	Speedup Speedup `yaml:"speedup" help:"source time over wall time, such as 6480 or 0.5; 1 if neither rate nor asap is given"`
	// Rate ignores the recorded times and sends evenly.
	Rate units.Rate `yaml:"rate" help:"send evenly at this rate instead, such as 5000/s"`
	// ASAP ignores the recorded times and makes every row due at once.
	ASAP bool `yaml:"asap" help:"send as fast as possible instead"`
	// MaxGap shortens longer silences, counted in wall time, to this. Default: 0,
	// which keeps them.
	MaxGap time.Duration `yaml:"max_gap" help:"shorten silences that last longer than this in wall time; 0s keeps them"`
	// WithinSecond says when rows are due that share a whole source second: spread
	// evenly over it, or as recorded, in one burst. Default: spread.
	WithinSecond string `yaml:"within_second" default:"spread" enum:"spread|burst" help:"rows of one source second: spread evenly over it, or in one burst"`
	// Limit ends the replay after so many rows. Default: 0, which means none.
	Limit units.Count `yaml:"limit" help:"stop after so many rows; 0 for all"`
	// Newline says whether payloads are the lines without or with their line end.
	// Default: strip.
	Newline string `yaml:"newline" default:"strip" enum:"strip|keep" help:"payloads without (strip) or with (keep) the line's end"`
	// Tolerant leaves out the rest of an object that is damaged, cannot be read or
	// has gone, and counts it; otherwise that ends the replay with an error.
	Tolerant bool `yaml:"tolerant" help:"leave out and count what is left of a damaged or vanished object instead of stopping"`
	// Strict ends the replay with an error at a malformed line, which is otherwise
	// counted and left out.
	Strict bool `yaml:"strict" help:"stop at a malformed line instead of counting it"`
}

// withDefaults fills in the documented defaults of empty fields.
func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *string
		value string
	}{
		{&c.From, "builtin:nyc-taxi"},
		{&c.Timestamp, "dropoff_datetime"},
		{&c.WithinSecond, withinSpread},
		{&c.Newline, newlineStrip},
	} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	return c
}

// Validate returns what tags cannot say.
func (c *Config) Validate() []conf.Issue {
	var issues []conf.Issue
	add := func(field, msg, hint string) {
		issues = append(issues, conf.Issue{Field: field, Msg: msg, Hint: hint})
	}
	even := !c.Rate.IsZero() || c.ASAP
	if modes := c.modes(); len(modes) > 1 {
		add(modes[1], strings.Join(modes, " and ")+" exclude each other", "keep one of speedup, rate and asap")
	}
	if c.Rate.N < 0 || c.Rate.Per < 0 {
		add("rate", "a rate is above zero", "such as 5000/s")
	}
	if c.Timestamp == timestampNone && !even {
		add("timestamp", "rows without time have no pace of their own", "give a rate, such as rate: 5000/s, or asap: true")
	}
	if c.Strict && c.Tolerant {
		add("tolerant", "strict and tolerant exclude each other", "keep one of them; without both, malformed lines are counted and damaged objects stop the replay")
	}
	switch {
	case c.MaxGap < 0:
		add("max_gap", "a gap is not negative", "such as 2s; 0 keeps all gaps")
	case c.MaxGap > 0 && even:
		add("max_gap", "there are no gaps with rate or asap", "leave it out, or use speedup")
	}
	return issues
}

// modes lists which of the exclusive fields are given.
func (c *Config) modes() []string {
	var given []string
	for _, m := range []struct {
		name string
		is   bool
	}{{"speedup", !c.Speedup.IsZero()}, {"rate", !c.Rate.IsZero()}, {"asap", c.ASAP}} {
		if m.is {
			given = append(given, m.name)
		}
	}
	return given
}

// check is Validate for configurations that no file was decoded into.
func (c *Config) check() error {
	issues := c.Validate()
	for _, f := range []struct{ name, value, one, other string }{
		{"within_second", c.WithinSecond, withinSpread, withinBurst},
		{"newline", c.Newline, newlineStrip, newlineKeep},
	} {
		if f.value != f.one && f.value != f.other {
			issues = append(issues, conf.Issue{Field: f.name, Msg: fmt.Sprintf("bad value %q", f.value), Hint: "use " + f.one + " or " + f.other})
		}
	}
	var errs []error
	for _, i := range issues {
		errs = append(errs, kload.WithHint(fmt.Errorf("%w: %s: %s", kload.ErrInvalid, i.Field, i.Msg), i.Hint))
	}
	return errors.Join(errs...)
}

// Unpaced reports whether rows are sent as fast as possible, without a schedule.
func (c *Config) Unpaced() bool { return c.ASAP }

// CounterNames lists what [Source.Counters] counts.
func (*Config) CounterNames() []string {
	return []string{
		"objects", "skipped_objects", "damaged_objects", "torn_reads", "rows", "row_bytes", "malformed", "blank_lines",
		"out_of_order", "gaps_compressed", "gap_compressed_ns",
	}
}
