package main

import (
	"fmt"
	"strings"

	"github.com/kload/kload/scenarios"
)

// replayVerb is a short way to run the taxi-replay scenario with other data,
// another pace or another stream.
func replayVerb(u *ui, args []string) error {
	var r runFlags
	var o scenarios.ReplayOptions
	f := u.flags()
	f.StringVar(&o.From, "from", "builtin:nyc-taxi", "recorded data: builtin:nyc-taxi, file://DIR or file://FILE")
	f.StringVar(&o.Timestamp, "timestamp", "dropoff_datetime", "attribute with the time of a row; none for rows without time")
	f.StringVar(&o.Speedup, "speedup", "", "source time over wall time (default 6480 unless --rate is given)")
	f.StringVar(&o.Rate, "rate", "", "send evenly at this rate instead, such as 5000/s, or asap")
	f.StringVar(&o.MaxGap, "max-gap", "", "shorten longer silences to this, such as 2s")
	f.StringVar(&o.Limit, "limit", "", "stop after so many rows")
	f.StringVar(&o.Stream, "stream", "", "stream name (default taxi-trips)")
	f.IntVar(&o.Shards, "shards", 0, "shards of the stream (default 1)")
	f.StringVar(&o.Key, "key", "", "partition key from a field, such as {pickup_location_id}")
	r.register(f)
	if _, err := u.parse(f, args, 0); err != nil {
		return err
	}
	r.seedFrom(f)
	if o.Speedup != "" && o.Rate != "" {
		return u.usageError("--speedup and --rate exclude each other")
	}
	s, notes, err := scenarios.OpenReplay(o, r.open)
	if err != nil {
		return fmt.Errorf("setting up the replay: %w", err)
	}
	if !r.quiet && len(notes) > 0 {
		u.note(strings.Join(notes, "; "))
	}
	return u.execute(s, &r)
}
