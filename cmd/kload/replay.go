package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/scenarios"
)

// replayFlags are the flags of the replay verb beside those of all runs.
type replayFlags struct {
	scenarios.ReplayOptions
	bucket, prefix  string
	aggregate, java bool
}

// sourceFlags are the settings of the replay source that have a flag: its name
// with dashes.
func sourceFlags(f *pflag.FlagSet) []string {
	texts := []struct{ name, def, help string }{
		{"from", "builtin:nyc-taxi", "recorded `data`: s3://BUCKET/PREFIX, file://DIR, file://FILE, builtin:nyc-taxi, local:nyc-taxi or env:NAME"},
		{"endpoint", "", "`URL` of the S3 service for s3://, such as http://127.0.0.1:4568; the real service by default"},
		{"timestamp", "dropoff_datetime", "`attribute` with the time of a row; none for rows without time"},
		{"speedup", "", "source time over wall time, a `number` (default 6480 unless --rate or --shape is given)"},
		{"rate", "", "send evenly at this `rate` instead, such as 5000/s, or asap"},
		{"shape", "", "keep the recorded curve, with this `rate` as its mean, such as 5000/s"},
		{"within-second", "spread", "`how` rows of one source second leave: spread over it, or in one burst"},
		{"max-gap", "", "shorten longer silences to this `duration`, such as 2s"},
		{"on-lag", "catch_up", "`what` to do when records are late: catch_up, slip the schedule, or drop"},
		{"max-lag", "1s", "how late, a `duration`, records may be before --on-lag slips or drops"},
		{"loop", "", "replay the data so often, a `number` or forever; times and keys go on"},
		{"loop-key", "trip_id", "`attribute` with a number that each pass of --loop moves on"},
		{"seek", "", "leave out rows before this `time`, such as 2018-01-01T04:00:00Z"},
		{"until", "", "leave out rows from this `time` on"},
		{"limit", "", "stop after so many rows, a `number`"},
		{"filter", "", "keep rows for which an `expression` is true, such as 'trip_id % 20 == 0'"},
		{"reorder", "", "put rows in order that come so many rows late, a `number`"},
		{"timestamps", "original", "`which` times payloads have: original, invocation or ingestion"},
		{"newline", "strip", "`whether` payloads keep their line's end: strip or keep"},
	}
	var names []string
	for _, t := range texts {
		f.String(t.name, t.def, t.help)
		names = append(names, t.name)
	}
	f.Bool("watermarks", false, "tell each shard once a second which source time it has reached")
	f.Bool("strict", false, "stop at a malformed line instead of counting it")
	f.Bool("tolerant", false, "leave out and count what is left of a damaged or vanished object instead of stopping")
	return append(names, "watermarks", "strict", "tolerant")
}

func (r *replayFlags) register(f *pflag.FlagSet) {
	f.StringVar(&r.bucket, "bucket", scenarios.TripsBucket, "replay this `bucket` of S3, as --from s3://BUCKET/PREFIX does")
	f.StringVar(&r.prefix, "prefix", scenarios.TripsPrefix, "with --bucket or instead: how its objects' `keys` begin")
	f.StringVar(&r.Stream, "stream", "", "stream `name` (default taxi-trips)")
	f.IntVar(&r.Shards, "shards", 0, "`number` of shards of the stream (default 1)")
	f.StringVar(&r.Key, "key", "", "partition key from a `field`, such as {pickup_location_id}, or several")
	f.StringVar(&r.Keys, "keys", "", "partition keys of another `kind`: random, payload or round_robin")
	f.BoolVar(&r.aggregate, "aggregate", true, "pack many rows into one stream record")
	f.StringVar(&r.Resume, "resume", "", "go on where the run in this `directory` ended, with its settings")
	f.BoolVar(&r.java, "java-args", false, "take what follows -- as options of amazon-kinesis-replay")
}

// replayVerb is a short way to run the taxi-replay scenario with other data,
// another pace or another stream.
func replayVerb(u *ui, args []string) error {
	var r runFlags
	var o replayFlags
	f := u.flags()
	source := sourceFlags(f)
	o.register(f)
	r.register(f)
	args, java := splitJava(args)
	if _, err := u.parse(f, args); err != nil {
		return javaHint(err, args)
	}
	r.seedFrom(f)
	own := append([]string{"bucket", "prefix", "stream", "shards", "key", "keys", "aggregate", "java-args"}, source...)
	if err := u.checkResume(f, own); err != nil {
		return err
	}
	if err := u.checkReplay(f, &o, java); err != nil {
		return err
	}
	var notes []string
	if o.java {
		options, said, err := scenarios.JavaReplay(java)
		if err != nil {
			return fmt.Errorf("reading the options of the Java replayer: %w", err)
		}
		o.ReplayOptions, notes = over(options, o.ReplayOptions), said
		if r.open.Target == "" {
			r.open.Target = "aws"
		}
	}
	if o.Source == nil {
		o.Source = map[string]string{}
	}
	for _, name := range source {
		if f.Changed(name) {
			o.Source[strings.ReplaceAll(name, "-", "_")] = f.Lookup(name).Value.String()
		}
	}
	if f.Changed("bucket") || f.Changed("prefix") {
		o.Source["from"] = "s3://" + o.bucket + "/" + o.prefix
	}
	if f.Changed("aggregate") {
		o.Plain = !o.aggregate
	}
	s, more, err := scenarios.OpenReplay(o.ReplayOptions, r.open)
	if err != nil {
		return fmt.Errorf("setting up the replay: %w", flagged(err, r.open.Sets))
	}
	for _, n := range append(notes, more...) {
		if !r.quiet {
			u.note(n)
		}
	}
	return u.execute(s, &r)
}

// splitJava takes off what follows --, which is for --java-args.
func splitJava(args []string) (ours, java []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// javaHint tells where the options of the Java replayer go.
func javaHint(err error, args []string) error {
	single := func(a string) bool { return len(a) > 2 && a[0] == '-' && a[1] != '-' } // kload has none
	if i := slices.IndexFunc(args, single); i >= 0 && !errors.Is(err, pflag.ErrHelp) {
		return kload.WithHint(fmt.Errorf("%w: replay has no flag %s", kload.ErrInvalid, args[i]),
			"options of amazon-kinesis-replay follow --, as in kload replay --java-args -- -streamName taxi-trips")
	}
	return err
}

// over returns the options of the Java replayer with those given beside them.
func over(java, ours scenarios.ReplayOptions) scenarios.ReplayOptions {
	if ours.Stream != "" {
		java.Stream = ours.Stream
	}
	if ours.Key != "" || ours.Keys != "" {
		java.Key, java.Keys = ours.Key, ours.Keys
	}
	java.Shards = ours.Shards
	return java
}

// checkResume refuses what a replay that is resumed does not take.
func (u *ui) checkResume(f *pflag.FlagSet, own []string) error {
	if !f.Changed("resume") {
		return nil
	}
	for _, name := range own {
		if f.Changed(name) {
			return kload.WithHint(fmt.Errorf("%w: --resume takes the settings of the run it goes on with, so that --%s has no effect", kload.ErrInvalid, name),
				"change settings by --set, such as --set load.trips.source.replay.speedup=720")
		}
	}
	return nil
}

// checkReplay refuses flags that contradict each other.
func (u *ui) checkReplay(f *pflag.FlagSet, o *replayFlags, java []string) error {
	given := func(names ...string) (flags []string) {
		for _, name := range names {
			if f.Changed(name) {
				flags = append(flags, "--"+name)
			}
		}
		return flags
	}
	for _, of := range [][]string{{"speedup", "rate", "shape"}, {"from", "bucket"}, {"from", "prefix"}, {"key", "keys"}, {"java-args", "bucket"}, {"java-args", "prefix"}} {
		if flags := given(of...); len(flags) > 1 {
			return u.usageError(strings.Join(flags, " and ") + " exclude each other")
		}
	}
	empty := ""
	f.Visit(func(flag *pflag.Flag) { // of a variable of the shell that is not set
		if flag.Value.Type() == "string" && flag.Value.String() == "" && flag.Name != "prefix" {
			empty = flag.Name
		}
	})
	switch {
	case empty != "":
		return u.usageError("--" + empty + " is empty: give it a value or leave it out")
	case f.Changed("shards") && o.Shards < 1:
		return u.usageError("--shards must be at least 1")
	case f.Changed("key") && strings.Trim(o.Key, "{} ") == "":
		return u.usageError("--key must name a field, such as {pickup_location_id}")
	case strings.ContainsAny(o.bucket, "/:"):
		return u.usageError("--bucket takes the name of a bucket; for an address there is --from " + o.bucket)
	case o.java && len(java) == 0:
		return u.usageError("--java-args needs the options of the Java replayer after --, such as -- -streamName taxi-trips")
	case !o.java && len(java) > 0:
		return u.usageError("what follows -- is for --java-args")
	}
	return nil
}

// flagged names the flag, rather than the setting that was made of it, as the
// place of a problem. What the user set by --set keeps that place.
func flagged(err error, sets []string) error {
	var problems conf.Problems
	if !errors.As(err, &problems) {
		return err
	}
	const source = "load.trips.source.replay."
	flags := map[string]string{
		"stream.name": "--stream", "stream.shards": "--shards", "load.trips.keys.field.name": "--key", "load.trips.keys.template.text": "--key",
	}
	out := slices.Clone(problems)
	for i, p := range out {
		set, isSet := strings.CutPrefix(p.File, "--set ")
		flag, known := flags[p.Path]
		if leaf, ok := strings.CutPrefix(p.Path, source); ok {
			flag, known = "--"+strings.ReplaceAll(leaf, "_", "-"), true
		}
		if isSet && known && !slices.Contains(sets, set) {
			out[i].File, out[i].Path = flag, ""
		}
	}
	return out
}
