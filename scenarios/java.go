package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kload/kload"
)

// javaOption is an option of one of the Java replayers: amazon-kinesis-replay with
// the KPL (0.1), with PutRecords (2.0), or their ancestor in
// flink-stream-processing-refarch.
type javaOption struct {
	names []string
	flag  bool                                    // takes no value
	apply func(j *javaReplay, value string) error // nil: has no effect here
	why   string                                  // it has none
}

// javaReplay collects what the options say.
type javaReplay struct {
	ReplayOptions
	bucket, prefix string
	arn            bool // 2.0
	ancestor       bool
	noWatermark    bool
	aggregate      bool
}

// javaOptions lists every option that there ever was.
func javaOptions() []javaOption {
	source := func(key string) func(*javaReplay, string) error {
		return func(j *javaReplay, v string) error { j.Source[key] = v; return nil }
	}
	return []javaOption{
		{names: []string{"streamName"}, apply: func(j *javaReplay, v string) error { j.Stream = v; return nil }},
		{names: []string{"streamArn", "s"}, apply: (*javaReplay).takeARN},
		{names: []string{"stream"}, apply: func(j *javaReplay, v string) error { j.Stream, j.ancestor = v, true; return nil }},
		{names: []string{"streamRegion", "region"}, apply: func(j *javaReplay, v string) error { j.region = v; return nil }},
		{names: []string{"bucketName", "bucket"}, apply: func(j *javaReplay, v string) error { j.bucket = v; return nil }},
		{names: []string{"objectPrefix", "prefix"}, apply: func(j *javaReplay, v string) error { j.prefix = v; return nil }},
		{names: []string{"speedup"}, apply: source("speedup")},
		{names: []string{"seek"}, apply: source("seek")},
		{names: []string{"timestampAttributeName"}, apply: source("timestamp")},
		{names: []string{"adaptTime"}, apply: func(j *javaReplay, v string) error { j.Source["timestamps"] = strings.ToLower(v); return nil }},
		{names: []string{"bufferSize", "readerBufferSize"}, apply: source("reorder")},
		{names: []string{"aggregate"}, flag: true, apply: func(j *javaReplay, _ string) error { j.aggregate = true; return nil }},
		{names: []string{"noWatermark"}, flag: true, apply: func(j *javaReplay, _ string) error { j.noWatermark = true; return nil }},
		{names: []string{"bucketRegion"}, why: "the region of a bucket is found out"},
		{names: []string{"maxOutstandingRecords", "kinesisProducerBuffer"}, why: "memory is bounded in bytes: --set load.trips.ingress.kinesis.memory=64MiB"},
		{names: []string{"noBackpressure"}, flag: true, why: "a full producer makes records late, which is measured; see --on-lag"},
		{names: []string{"kinesisSenderThreads"}, why: "requests do not block threads: --set load.trips.ingress.kinesis.connections=8"},
		{names: []string{"statisticsFrequency"}, why: "progress is shown as it comes"},
	}
}

// Where the public data set of taxi trips is: the year that AWS's workshops replay.
const (
	TripsBucket = "aws-bigdata-blog"
	TripsPrefix = "artifacts/kinesis-analytics-taxi-consumer/taxi-trips-partitioned.json.lz4/dropoff_year=2018/"
)

// Defaults of the Java replayers: the years 2010 to 2016.
const (
	javaPrefix         = "artifacts/kinesis-analytics-taxi-consumer/taxi-trips.json.lz4/"
	javaAncestorPrefix = "artifacts/flink-refarch/data/"
	javaStream         = "taxi-trip-events"
)

// JavaReplay reads the command line of a Java replayer, single dashes and all. The
// notes say what is done differently, and which options have no effect.
func JavaReplay(args []string) (ReplayOptions, []string, error) {
	j := &javaReplay{ReplayOptions: ReplayOptions{Source: map[string]string{}, existing: true}}
	var notes []string
	for len(args) > 0 {
		name, value, joined := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
		o, known := javaOptionOf(args[0])
		if !known {
			return j.ReplayOptions, nil, kload.WithHint(fmt.Errorf("%w: the Java replayers have no option %q", kload.ErrInvalid, args[0]),
				"options of kload go before the --, as in kload replay --java-args --out DIR -- -streamName taxi")
		}
		args = args[1:]
		if !o.flag && !joined && len(args) > 0 {
			if _, another := javaOptionOf(args[0]); !another {
				value, args = args[0], args[1:]
			}
		}
		switch {
		case o.flag && joined:
			return j.ReplayOptions, nil, kload.WithHint(fmt.Errorf("%w: -%s takes no value", kload.ErrInvalid, name), "write -"+name+", or leave it out")
		case !o.flag && value == "":
			return j.ReplayOptions, nil, kload.WithHint(fmt.Errorf("%w: -%s needs a value", kload.ErrInvalid, name), "write -"+name+" VALUE")
		}
		if o.apply == nil {
			notes = append(notes, "-"+name+" has no effect: "+o.why)
		} else if err := o.apply(j, value); err != nil {
			return j.ReplayOptions, nil, err
		}
	}
	return j.finish(), append(notes, j.differences()...), nil
}

// javaOptionOf finds the option that an argument names.
func javaOptionOf(arg string) (o javaOption, ok bool) {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	all := javaOptions()
	i := slices.IndexFunc(all, func(o javaOption) bool { return slices.Contains(o.names, name) })
	if i < 0 || !strings.HasPrefix(arg, "-") {
		return javaOption{}, false
	}
	return all[i], true
}

// takeARN reads arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME.
func (j *javaReplay) takeARN(arn string) error {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && strings.HasPrefix(parts[1], "aws") && parts[2] == "kinesis" && parts[3] != "" {
		if name, ok := strings.CutPrefix(parts[5], "stream/"); ok {
			j.Stream, j.region, j.arn = name, parts[3], true
			return nil
		}
	}
	return kload.WithHint(fmt.Errorf("%w: -streamArn %q is no ARN of a stream", kload.ErrInvalid, arn),
		"such as arn:aws:kinesis:eu-west-1:123456789012:stream/taxi-trips")
}

// finish fills in what the Java replayers do unless told otherwise.
func (j *javaReplay) finish() ReplayOptions {
	if j.bucket == "" {
		j.bucket = TripsBucket
	}
	if j.prefix == "" {
		j.prefix = javaPrefix
		if j.ancestor {
			j.prefix = javaAncestorPrefix
		}
	}
	if j.Stream == "" {
		j.Stream = javaStream
	}
	if j.ancestor && j.Source["speedup"] == "" {
		j.Source["speedup"] = "1440"
	}
	j.Source["from"] = "s3://" + j.bucket + "/" + j.prefix
	j.Source["newline"] = "keep"
	j.Plain = !j.aggregate
	j.Keys = "payload"
	if j.arn {
		j.Keys = "random"
	} else if !j.noWatermark {
		j.Source["watermarks"] = "true"
	}
	return j.ReplayOptions
}

func (j *javaReplay) differences() []string {
	var notes []string
	if j.Source["watermarks"] != "" {
		notes = append(notes, "watermarks are sent to every shard, as before 2.0; -noWatermark leaves them out")
	}
	return append(notes, "nothing is read back: give --set consumers=… to have records verified")
}
