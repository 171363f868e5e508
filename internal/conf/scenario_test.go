package conf_test

import (
	"errors"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// scenario is a configuration with every kind of field.
type scenario struct {
	APIVersion string             `yaml:"apiVersion" required:"true" enum:"kload/v1" help:"Version of the format."`
	Name       string             `yaml:"name" required:"true" help:"Name of the scenario."`
	Seed       uint64             `yaml:"seed" default:"1" help:"Start of every random sequence."`
	Stream     stream             `yaml:"stream" help:"The stream."`
	Load       conf.Map[load]     `yaml:"load" help:"What is sent."`
	Consumers  conf.Map[consumer] `yaml:"consumers" help:"What is read."`
	Phases     []phase            `yaml:"phases" help:"Stretches of the run."`
	Expect     []string           `yaml:"expect" help:"What must be true in the end."`
	Tuning     *tuning            `yaml:"tuning" help:"For experiments."`
	Labels     conf.Map[string]   `yaml:"labels" help:"Free text."`
	Ignored    func()             `yaml:"-"`
}

type stream struct {
	Name   string `yaml:"name" default:"kload" help:"Name of the stream."`
	Shards int32  `yaml:"shards" default:"1" help:"Number of shards." unit:"shards"`
	Create bool   `yaml:"create" help:"Create it if it is missing."`
}

func (s *stream) Validate() []conf.Issue {
	var issues []conf.Issue
	if s.Shards < 1 {
		issues = append(issues, conf.Issue{Field: "shards", Msg: "a stream has at least one shard", Hint: "use 1 or more"})
	}
	if s.Name == "" {
		issues = append(issues, conf.Issue{Field: "name", Msg: "the name is empty"})
	}
	return issues
}

type load struct {
	Source  conf.Choice   `yaml:"source" choice:"source" required:"true" help:"Where records come from"`
	Rate    rate          `yaml:"rate" help:"When records are sent."`
	Size    units.Bytes   `yaml:"size" default:"200B" help:"Size of a record."`
	Total   units.Count   `yaml:"total" help:"Records in all; none means no limit."`
	Share   units.Percent `yaml:"share" default:"80%" help:"Share of the hot key."`
	Trace   string        `yaml:"trace" default:"prefix" enum:"prefix|json|tag|none" help:"Where the trace is carried."`
	Key     string        `yaml:"key" default:"{user_id}" help:"Template of the partition key."`
	Factor  float64       `yaml:"factor" default:"1.5" help:"Growth of backoff."`
	Retries uint8         `yaml:"retries" help:"Further attempts."`
}

// rate is a profile that may be written as a single rate.
type rate struct {
	Arrival string      `yaml:"arrival" default:"uniform" enum:"uniform|poisson" help:"Spacing."`
	Profile []rateStage `yaml:"profile" help:"Stages."`
}

func (r *rate) UnmarshalScalar(text string) error {
	v, err := units.ParseRate(text)
	r.Profile = []rateStage{{Constant: v}}
	return err
}

func (rate) Pattern() string { return units.Rate{}.Pattern() }

type rateStage struct {
	Constant units.Rate    `yaml:"constant" help:"One rate."`
	Ramp     []units.Rate  `yaml:"ramp" help:"From one rate to another."`
	For      time.Duration `yaml:"for" help:"How long."`
}

type consumer struct {
	Read  conf.Choice   `yaml:"read" choice:"reader" default:"polling" help:"How records are read."`
	Sinks []conf.Choice `yaml:"sinks" choice:"sink" default:"[discard]" help:"Where results go."`
}

type polling struct {
	Every time.Duration `yaml:"every" default:"200ms" help:"Time between two calls."`
	retry
}

// retry is shared by several plug-ins.
type retry struct {
	Backoff time.Duration `yaml:"backoff" default:"1s" help:"First wait."`
}

type fanout struct{}

type generate struct {
	Mix []conf.Choice `yaml:"mix" choice:"source" help:"Sources to draw from."`
}

type replay struct {
	From    string          `yaml:"from" required:"true" help:"What to replay."`
	Speedup float64         `yaml:"speedup" default:"1" help:"How much faster than recorded."`
	MaxGap  *time.Duration  `yaml:"max_gap" help:"Longest pause kept."`
	Window  []time.Duration `yaml:"window" default:"[1s, 2s]" help:"Stretches to replay."`
}

type httpSink struct {
	URL  endpoint          `yaml:"url" default:"local:sink" help:"Where to."`
	Head map1              `yaml:"headers" help:"Sent with each call."`
	Warm map[string]string `yaml:"-"`
}

type map1 = conf.Map[*phase]

// endpoint has its own written form and its own advice.
type endpoint struct{ host string }

func (e *endpoint) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return kload.WithHint(errors.New("the endpoint is empty"), "write host:port")
	}
	e.host = string(text)
	return nil
}

func (e endpoint) MarshalText() ([]byte, error) { return []byte(e.host), nil }

func (e endpoint) Equal(o endpoint) bool { return e == o }

type phase struct {
	Name    string        `yaml:"name" required:"true" help:"Name in results."`
	For     time.Duration `yaml:"for" default:"10s" help:"How long."`
	Measure bool          `yaml:"measure" default:"true" help:"Whether it counts."`
}

type tuning struct {
	GOMAXPROCS int            `yaml:"gomaxprocs" help:"CPUs to use."`
	Rate       units.ByteRate `yaml:"rate" default:"1MiB/s" help:"Throughput."`
	Deeper     *tuning        `yaml:"deeper" help:"Itself again."`
}

func kinds() conf.Kinds {
	return conf.Kinds{
		"source": {
			"generate": func() any { return new(generate) },
			"replay":   func() any { return new(replay) },
		},
		"reader": {
			"polling": func() any { return new(polling) },
			"fanout":  func() any { return new(fanout) },
		},
		"sink": {
			"discard": func() any { return new(fanout) },
			"http":    func() any { return new(httpSink) },
		},
	}
}
