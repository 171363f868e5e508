package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay/origin/s3"
)

// The values of Config's choices.
const (
	timestampNone = "none"
	withinSpread  = "spread"
	withinBurst   = "burst"
	newlineStrip  = "strip"
	newlineKeep   = "keep"

	lagCatchUp = "catch_up"

	timestampsOriginal   = "original"
	timestampsInvocation = "invocation"
	timestampsIngestion  = "ingestion"
)

// Config says what is replayed, and when. The zero value replays the built-in
// trips at their recorded pace, which takes two days. At most one of Speedup,
// Rate, Shape and ASAP may be given.
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
	Speedup Speedup `yaml:"speedup" help:"source time over wall time, such as 6480 or 0.5; 1 if neither rate, shape nor asap is given"`
	// Rate ignores the recorded times and sends evenly.
	Rate units.Rate `yaml:"rate" help:"send evenly at this rate instead, such as 5000/s"`
	// Shape keeps the recorded curve and chooses the speedup at which its mean rate,
	// from the first row to the last, is this. The data is read once more for that,
	// before the first record.
	Shape units.Rate `yaml:"shape" help:"keep the recorded curve, with this as its mean rate; reads the data once beforehand"`
	// ASAP ignores the recorded times and makes every row due at once.
	ASAP bool `yaml:"asap" help:"send as fast as possible instead"`
	// MaxGap shortens longer silences, counted in wall time, to this. Default: 0,
	// which keeps them.
	MaxGap time.Duration `yaml:"max_gap" help:"shorten silences that last longer than this in wall time; 0s keeps them"`
	// WithinSecond says when rows are due that share a whole source second: spread
	// evenly over it, or as recorded, in one burst. Default: spread.
	WithinSecond string `yaml:"within_second" default:"spread" enum:"spread|burst" help:"rows of one source second: spread evenly over it, or in one burst"`
	// OnLag says what happens to the schedule when a record leaves more than MaxLag
	// late: what is late is sent at once (catch_up, the default), the rest of the
	// schedule is put off by the lag (slip), or rows that late are left out and
	// counted as shed (drop).
	OnLag string `yaml:"on_lag" default:"catch_up" enum:"catch_up|slip|drop" help:"when more than max_lag late: send what is late at once, put off the rest of the schedule, or leave out what is late"`
	// MaxLag is how late records may be before OnLag acts. Default: 1s.
	MaxLag time.Duration `yaml:"max_lag" default:"1s" help:"how late records may be before on_lag slips or drops"`
	// Loop replays the data several times, each pass a second after the one before.
	// Times in the payloads go on from pass to pass, and so do the keys of LoopKey.
	// Default: once.
	Loop Passes `yaml:"loop" help:"how often the data is replayed, a number or forever; times and keys go on from pass to pass"`
	// LoopKey is the attribute whose whole numbers are moved beyond those of earlier
	// passes. Default: trip_id.
	LoopKey string `yaml:"loop_key" default:"trip_id" help:"attribute with a number that each pass moves beyond those of the passes before"`
	// Seek starts with the first row at or after this time. Objects are expected in
	// the order of their times, so that those before need not be read.
	Seek Instant `yaml:"seek" help:"leave out rows before this time, such as 2018-01-01T04:00:00Z; objects before it are not read"`
	// Until ends the data before this time.
	Until Instant `yaml:"until" help:"leave out rows from this time on"`
	// Filter keeps the rows for which an expression over their top-level attributes
	// is true (github.com/expr-lang/expr).
	Filter string `yaml:"filter" help:"keep the rows for which this is true, such as trip_id % 20 == 0"`
	// Limit ends the replay after so many rows, of those that are left by Seek, Until
	// and Filter. Default: 0, which means none.
	Limit units.Count `yaml:"limit" help:"stop after so many rows; 0 for all"`
	// Reorder puts rows that come up to so many rows late back into the order of
	// their times. Default: 0, which leaves them where they are. Memory: two windows.
	Reorder units.Count `yaml:"reorder" help:"put rows that come up to so many rows too late into the order of their times; 0 leaves them"`
	// Timestamps says what becomes of the times in payloads: as recorded, moved so
	// that the first row happens at the start of the run (invocation), or so that each
	// happens when it is due (ingestion). All times of a row move together.
	Timestamps string `yaml:"timestamps" default:"original" enum:"original|invocation|ingestion" help:"times in payloads: as recorded, moved to begin with the run, or moved to when the row is due"`
	// Watermarks sends an event with the time that a shard has reached to each shard,
	// once a second.
	Watermarks bool `yaml:"watermarks" help:"tell each shard once a second which source time it has reached, as the Java replayer does"`
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
		{&c.OnLag, lagCatchUp},
		{&c.LoopKey, "trip_id"},
		{&c.Timestamps, timestampsOriginal},
	} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	if c.MaxLag == 0 {
		c.MaxLag = time.Second
	}
	return c
}

// Validate returns what tags cannot say.
func (c *Config) Validate() []conf.Issue {
	var issues []conf.Issue
	add := func(wrong bool, field, msg, hint string) {
		if wrong {
			issues = append(issues, conf.Issue{Field: field, Msg: msg, Hint: hint})
		}
	}
	even := !c.Rate.IsZero() || c.ASAP
	if modes := c.modes(); len(modes) > 1 {
		add(true, modes[1], strings.Join(modes, " and ")+" exclude each other", "keep one of speedup, rate, shape and asap")
	}
	for field, r := range map[string]units.Rate{"rate": c.Rate, "shape": c.Shape} {
		add(r != units.Rate{} && (r.N <= 0 || r.Per <= 0), field, "a rate is above zero", "such as 5000/s")
	}
	_, isS3 := strings.CutPrefix(c.From, s3.Scheme)
	add(c.Endpoint != "" && !isS3 && !strings.HasPrefix(c.From, fromEnv), "endpoint", "only s3:// has an endpoint", "leave it out, or set from to s3://BUCKET/PREFIX")
	add(c.MaxGap < 0, "max_gap", "a gap is not negative", "such as 2s; 0 keeps all gaps")
	add(c.MaxGap > 0 && even, "max_gap", "there are no gaps with rate or asap", "leave it out, or use speedup or shape")
	add(c.MaxLag <= 0, "max_lag", "a lag is above zero", "such as 1s")
	add(c.ASAP && c.OnLag != "" && c.OnLag != lagCatchUp, "on_lag", "without a schedule nothing is late", "leave it out, or use speedup, rate or shape")
	add(!c.Seek.IsZero() && !c.Until.IsZero() && c.Until.ns <= c.Seek.ns, "until", "until is not after seek", "such as seek: 2018-01-01, until: 2018-01-02")
	add(c.Reorder > maxReorder, "reorder", "the window is too large", "use at most 1M")
	add(c.Strict && c.Tolerant, "tolerant", "strict and tolerant exclude each other", "keep one of them; without both, malformed lines are counted and damaged objects stop the replay")
	if c.Filter != "" {
		if _, err := newFilter(c.Filter); err != nil {
			add(true, "filter", err.Error(), filterHint)
		}
	}
	if c.Timestamp == timestampNone {
		const give = "name the attribute in timestamp, or leave it out"
		add(!even, "timestamp", "rows without time have no pace of their own", "give a rate, such as rate: 5000/s, or asap: true")
		add(!c.Seek.IsZero(), "seek", "rows have no time to seek", give)
		add(!c.Until.IsZero(), "until", "rows have no time to end at", give)
		add(c.Reorder > 0, "reorder", "rows have no time to order by", give)
		add(c.Watermarks, "watermarks", "rows have no time to tell of", give)
		add(c.Timestamps != "" && c.Timestamps != timestampsOriginal, "timestamps", "rows have no time to move", give)
	}
	return issues
}

// maxReorder bounds the memory of reordering to two million rows.
const maxReorder = 1_000_000

// modes lists which of the exclusive fields are given.
func (c *Config) modes() []string {
	var given []string
	for _, m := range []struct {
		name string
		is   bool
	}{{"speedup", !c.Speedup.IsZero()}, {"rate", !c.Rate.IsZero()}, {"shape", !c.Shape.IsZero()}, {"asap", c.ASAP}} {
		if m.is {
			given = append(given, m.name)
		}
	}
	return given
}

// check is Validate for configurations that no file was decoded into.
func (c *Config) check() error {
	issues := c.Validate()
	for _, f := range []struct {
		name, value string
		choices     []string
	}{
		{"within_second", c.WithinSecond, []string{withinSpread, withinBurst}},
		{"newline", c.Newline, []string{newlineStrip, newlineKeep}},
		{"on_lag", c.OnLag, []string{lagCatchUp, "slip", "drop"}},
		{"timestamps", c.Timestamps, []string{timestampsOriginal, timestampsInvocation, timestampsIngestion}},
	} {
		if !slices.Contains(f.choices, f.value) {
			issues = append(issues, conf.Issue{Field: f.name, Msg: fmt.Sprintf("bad value %q", f.value), Hint: "use " + strings.Join(f.choices, " or ")})
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

// Lag says what becomes of the schedule when records are more than max late:
// "catch_up", "slip" or "drop".
func (c *Config) Lag() (choice string, most time.Duration) { return c.OnLag, c.MaxLag }

// CounterNames lists what [Source.Counters] counts.
func (*Config) CounterNames() []string {
	return []string{
		"objects", "skipped_objects", "damaged_objects", "torn_reads", "rows", "row_bytes", "malformed", "blank_lines",
		"out_of_order", "gaps_compressed", "gap_compressed_ns", "before_seek", "after_until", "filtered", "filter_failed", "passes",
	}
}
