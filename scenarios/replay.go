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

// OpenReplay opens the taxi-replay scenario with other settings. The notes say
// what was chosen on the user's behalf.
func OpenReplay(r ReplayOptions, o OpenOptions) (*Scenario, []string, error) {
	src, err := Show("taxi-replay")
	if err != nil {
		return nil, nil, err
	}
	sets, notes := r.sets()
	o.Sets = append(sets, o.Sets...)
	s, err := decode("kload replay", src, o)
	return s, notes, err
}

// sets turns the options into changes of the scenario.
func (r ReplayOptions) sets() (sets, notes []string) {
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
	switch {
	case r.Rate == "asap":
		source = append(source, "asap: true")
		sets = append(sets, "target.limits=off")
		notes = append(notes, "--rate asap: the embedded target's shard limits are off")
	case r.Rate != "":
		add("rate", r.Rate)
	case r.Speedup != "":
		add("speedup", r.Speedup)
	default:
		add("speedup", "6480")
	}
	sets = append(sets, "name=replay", fmt.Sprintf("load.trips.source={replay: {%s}}", strings.Join(source, ", ")))
	if r.Rate == "asap" {
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
	return sets, notes
}
