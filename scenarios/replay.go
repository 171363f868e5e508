package scenarios

import (
	"fmt"
	"strconv"
	"strings"
)

// ReplayOptions are the settings of 'kload replay', as texts of the scenario
// file. Empty ones keep the scenario's.
type ReplayOptions struct {
	From, Timestamp, Speedup, Rate, MaxGap, Limit string
	Stream, Key                                   string
	Shards                                        int
}

// asap is the Rate that means as fast as possible.
const asap = "asap"

// OpenReplay opens the taxi-replay scenario with other settings. The notes say
// what was chosen on the user's behalf.
func OpenReplay(r ReplayOptions, o OpenOptions) (*Scenario, []string, error) {
	src, err := Show("taxi-replay")
	if err != nil {
		return nil, nil, err
	}
	sets := r.sets()
	var notes []string
	if r.Rate == asap && o.Target != "aws" {
		sets = append(sets, "target.limits=off")
		notes = append(notes, "--rate asap: the embedded target's shard limits are off")
	}
	o.Sets = append(sets, o.Sets...)
	s, err := decode("kload replay", src, o)
	return s, notes, err
}

// sets turns the options into changes of the scenario.
func (r ReplayOptions) sets() []string {
	var source []string
	add := func(key, value string) {
		if value != "" {
			source = append(source, key+": "+strconv.Quote(value))
		}
	}
	add("from", r.From)
	add("timestamp", r.Timestamp)
	add("max_gap", r.MaxGap)
	add("limit", r.Limit)
	add("speedup", r.Speedup)
	switch {
	case r.Rate == asap:
		source = append(source, "asap: true")
	case r.Rate == "" && r.Speedup == "":
		add("speedup", "6480")
	default:
		add("rate", r.Rate)
	}
	sets := []string{"name=replay", fmt.Sprintf("load.trips.source={replay: {%s}}", strings.Join(source, ", "))}
	if r.Rate == asap {
		sets = append(sets, "expect=[reader.lost == 0, reader.duplicates == 0]")
	}
	if r.Stream != "" {
		sets = append(sets, "stream.name="+r.Stream)
	}
	if r.Shards > 0 {
		sets = append(sets, "stream.shards="+strconv.Itoa(r.Shards))
	}
	if r.Key != "" {
		sets = append(sets, "load.trips.keys={field: {name: "+strconv.Quote(strings.Trim(r.Key, "{}"))+", missing: error}}")
	}
	return sets
}
