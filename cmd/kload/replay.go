package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/scenarios"
)

// replayVerb is a short way to run the taxi-replay scenario with other data,
// another pace or another stream.
func replayVerb(u *ui, args []string) error {
	var r runFlags
	var o scenarios.ReplayOptions
	f := u.flags()
	f.StringVar(&o.From, "from", "builtin:nyc-taxi", "recorded `data`: builtin:nyc-taxi, file://DIR or file://FILE")
	f.StringVar(&o.Timestamp, "timestamp", "dropoff_datetime", "`attribute` with the time of a row; none for rows without time")
	f.StringVar(&o.Speedup, "speedup", "", "source time over wall time, a `number` (default 6480 unless --rate is given)")
	f.StringVar(&o.Rate, "rate", "", "send evenly at this `rate` instead, such as 5000/s, or asap")
	f.StringVar(&o.MaxGap, "max-gap", "", "shorten longer silences to this `duration`, such as 2s")
	f.StringVar(&o.Limit, "limit", "", "stop after so many rows, a `number`")
	f.StringVar(&o.Stream, "stream", "", "stream `name` (default taxi-trips)")
	f.IntVar(&o.Shards, "shards", 0, "`number` of shards of the stream (default 1)")
	f.StringVar(&o.Key, "key", "", "partition key from a `field`, such as {pickup_location_id}")
	r.register(f)
	if _, err := u.parse(f, args); err != nil {
		return err
	}
	r.seedFrom(f)
	switch {
	case f.Changed("shards") && o.Shards < 1:
		return u.usageError("--shards must be at least 1")
	case f.Changed("key") && strings.Trim(o.Key, "{} ") == "":
		return u.usageError("--key must name a field, such as {pickup_location_id}")
	case o.Speedup != "" && o.Rate != "":
		return u.usageError("--speedup and --rate exclude each other")
	}
	s, notes, err := scenarios.OpenReplay(o, r.open)
	if err != nil {
		return fmt.Errorf("setting up the replay: %w", flagged(err, r.open.Sets))
	}
	if !r.quiet && len(notes) > 0 {
		u.note(strings.Join(notes, "; "))
	}
	return u.execute(s, &r)
}

// flagged names the flag, rather than the setting that was made of it, as the
// place of a problem. What the user set by --set keeps that place.
func flagged(err error, sets []string) error {
	var problems conf.Problems
	if !errors.As(err, &problems) {
		return err
	}
	const source = "load.trips.source.replay."
	flags := map[string]string{"stream.name": "--stream", "stream.shards": "--shards", "load.trips.keys.field.name": "--key"}
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
