package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kload/kload"
)

// ReplayOptions are the settings of 'kload replay'. Empty ones keep those of the
// taxi-replay scenario.
type ReplayOptions struct {
	// Source has settings of the replay source by their keys, as texts.
	Source map[string]string
	Stream string
	Shards int
	// Key is a template of the partition key, such as {pickup_location_id}; Keys
	// another way to choose it: random, payload or round_robin.
	Key, Keys string
	// Plain sends each row as a stream record of its own.
	Plain bool
	// Resume is the directory of a run to go on with. Its scenario is taken instead.
	Resume string

	region   string // of the stream
	existing bool   // a stream that others read
}

// asap is the rate that means as fast as possible.
const asap = "asap"

// OpenReplay opens the taxi-replay scenario with other settings, or a run to
// resume. The notes say what was chosen on the user's behalf.
func OpenReplay(r ReplayOptions, o OpenOptions) (*Scenario, []string, error) {
	if r.Resume != "" {
		return openResumed(r.Resume, o)
	}
	src, err := Show("taxi-replay")
	if err != nil {
		return nil, nil, err
	}
	sets, err := r.sets()
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	if r.Source["rate"] == asap && o.Target != "aws" {
		sets = append(sets, "target.limits=off")
		notes = append(notes, "--rate asap: the embedded target's shard limits are off")
	}
	o.Sets = append(sets, o.Sets...)
	s, err := decode("kload replay", src, o)
	return s, notes, err
}

// sets turns the options into changes of the scenario.
func (r ReplayOptions) sets() ([]string, error) {
	keys, err := r.keys()
	if err != nil {
		return nil, err
	}
	sets := []string{"name=replay", "load.trips.source={replay: {" + r.source() + "}}"}
	set := func(when bool, path, value string) {
		if when {
			sets = append(sets, path+"="+value)
		}
	}
	set(r.Source["rate"] == asap, "expect", "[reader.lost == 0, reader.duplicates == 0]")
	set(r.Stream != "", "stream.name", r.Stream)
	set(r.Shards > 0, "stream.shards", strconv.Itoa(r.Shards))
	set(keys != "", "load.trips.keys", keys)
	set(r.Plain, "load.trips.ingress.kinesis.aggregation.enabled", "false")
	set(r.Plain, "load.trips.trace", "json")
	set(r.existing, "stream.create", "false")
	set(r.existing, "consumers", "{}")
	set(r.existing, "expect", "[]")
	set(r.existing && r.Plain, "load.trips.trace", "none")
	set(r.region != "", "target.region", r.region)
	return sets, nil
}

// source writes the source's settings as a YAML map.
func (r ReplayOptions) source() string {
	settings := maps.Clone(r.Source)
	if settings == nil {
		settings = map[string]string{}
	}
	if settings["rate"] == asap {
		delete(settings, "rate")
		settings["asap"] = "true"
	}
	if settings["rate"]+settings["speedup"]+settings["shape"]+settings["asap"] == "" {
		settings["speedup"] = "6480"
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value := strconv.Quote(settings[key])
		if settings[key] == "true" || settings[key] == "false" {
			value = settings[key]
		}
		list = append(list, key+": "+value)
	}
	return strings.Join(list, ", ")
}

// evenHashKeys is how many hash keys are taken in turn where the number of shards
// is not known: enough to reach each of any practical number evenly.
const evenHashKeys = 1000

// keys returns the choice of partition keys in the scenario's form, "" for none.
func (r ReplayOptions) keys() (string, error) {
	switch r.Keys {
	case "":
		if r.Key == "" {
			return "", nil
		}
		name, braces := strings.CutPrefix(r.Key, "{")
		if name = strings.TrimSuffix(name, "}"); braces && strings.ContainsAny(name, "{}") || !braces && strings.ContainsAny(r.Key, "{}") {
			return "{template: {text: " + strconv.Quote(r.Key) + ", missing: error}}", nil
		}
		return "{field: {name: " + strconv.Quote(name) + ", missing: error}}", nil
	case "random":
		return "{uniform: {n: 4G}}", nil
	case "payload":
		return "payload", nil
	case "round_robin":
		of := r.Shards
		if of == 0 {
			of = evenHashKeys
		}
		return fmt.Sprintf("{pinned: {of: %d}}", of), nil
	}
	return "", kload.WithHint(fmt.Errorf("%w keys %q", kload.ErrInvalid, r.Keys), "use random, payload or round_robin, or --key for an attribute")
}
