// Package latency describes how long the embedded target takes: a distribution
// for each class of operations, or for a single one, and how long a stored
// record stays invisible to readers.
//
// A delay holds back an answer and nothing else. Each call waits on its own, so
// throughput stays what it was, and a record is stored, with its time of
// arrival, before the wait.
package latency

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// The presets. Off is no delay at all.
//
// AWSLike follows what has been published of the service. There are averages
// only: a round trip of PutRecords takes 20 to 30 ms; a registered consumer has
// a record 70 ms after it was put; a single poller at the allowed rate has it
// 200 ms after. So a put takes 24 ms in the mean and a record is invisible for 70 ms;
// a GetRecords takes 30 ms in the mean, which adds up with half the 200 ms
// between two polls to the 200. Nothing is published about the spread:
// that the 99th percentile is four times the median, and the figures of the control plane,
// are assumptions. How long a stream stays CREATING or UPDATING is not modelled.
const (
	Off     = "off"
	AWSLike = "aws-like"

	awsLike = "put=lognormal(p50=20ms,p99=80ms),get=lognormal(p50=25ms,p99=100ms)," +
		"subscribe=lognormal(p50=25ms,p99=100ms),control=lognormal(p50=50ms,p99=200ms),propagation=70ms"
)

// Model is the time that a target takes. The zero value is none.
type Model struct {
	Put       Distribution `yaml:"put" default:"off" help:"PutRecord and PutRecords: 3ms, uniform(1ms,5ms) or lognormal(p50=4ms,p99=25ms)"`
	Get       Distribution `yaml:"get" default:"off" help:"GetRecords and GetShardIterator"`
	Subscribe Distribution `yaml:"subscribe" default:"off" help:"SubscribeToShard, until its stream begins"`
	Control   Distribution `yaml:"control" default:"off" help:"all other operations"`
	// Operations has what single operations take instead, by their names.
	Operations conf.Map[Distribution] `yaml:"operations" help:"what single operations take, by name, such as PutRecords: 5ms"`
	// Propagation is how long after its arrival readers see a record.
	Propagation time.Duration `yaml:"propagation" default:"0s" help:"how long after its arrival readers see a record"`
	// StateDelay is how long a stream is CREATING, UPDATING or DELETING.
	StateDelay time.Duration `yaml:"state_delay" default:"0s" help:"how long a stream is creating, updating or deleting"`
}

// Parse parses a preset, or settings by name such as
// "put=lognormal(p50=4ms,p99=25ms),get=3ms,PutRecord=1ms,propagation=10ms,state_delay=1s".
// Settings may follow a preset, to change it. Errors wrap [kload.ErrInvalid].
func Parse(text string) (Model, error) {
	var m Model
	for i, item := range items(text) {
		name, value, found := strings.Cut(item, "=")
		var err error
		switch {
		case found:
			err = m.set(strings.TrimSpace(name), strings.TrimSpace(value))
		case i == 0 && item == Off:
		case i == 0 && item == AWSLike:
			m, err = Parse(awsLike)
		default:
			err = fmt.Errorf("%q is neither a preset nor of the form name=delay", item)
		}
		if err != nil {
			return Model{}, kload.WithHint(fmt.Errorf("%w latency %q: %w", kload.ErrInvalid, text, err),
				"write off, aws-like, or such as put=lognormal(p50=4ms,p99=25ms),get=3ms,propagation=10ms")
		}
	}
	return m, nil
}

// items splits at the commas outside brackets.
func items(text string) []string {
	var out []string
	depth, from := 0, 0
	for i, c := range text + "," {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && (depth == 0 || i == len(text)):
			out = append(out, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return out
}

func (m *Model) set(name, value string) error {
	d, err := parseDistribution(value)
	classes := m.classes()
	switch target, class := classes[name]; {
	case class:
		*target = d
	case name == "propagation":
		m.Propagation, err = parseDelay(value)
	case name == "state_delay":
		m.StateDelay, err = parseDelay(value)
	case isOperation(name):
		m.Operations.Put(name, d)
	default:
		return fmt.Errorf("%q is no operation; there are put, get, subscribe, control, propagation, state_delay and names such as PutRecords", name)
	}
	return err
}

// classes returns the fields of the classes by their names.
func (m *Model) classes() map[string]*Distribution {
	return map[string]*Distribution{"put": &m.Put, "get": &m.Get, "subscribe": &m.Subscribe, "control": &m.Control}
}

// isOperation reports whether a name has the form of an operation's.
func isOperation(name string) bool {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return true
}

// Class returns the class of an operation: "put", "get", "subscribe" or
// "control".
func Class(operation string) string {
	switch operation {
	case "PutRecord", "PutRecords":
		return "put"
	case "GetRecords", "GetShardIterator":
		return "get"
	case "SubscribeToShard":
		return "subscribe"
	}
	return "control"
}

// Of returns what an operation takes.
func (m *Model) Of(operation string) Distribution {
	if d, ok := m.Operations.Get(operation); ok {
		return d
	}
	return *m.classes()[Class(operation)]
}

// String returns the form that [Parse] reads, "off" for the zero value.
func (m Model) String() string {
	var out []string
	classes := m.classes()
	for _, name := range []string{"put", "get", "subscribe", "control"} {
		if d := classes[name]; !d.IsZero() {
			out = append(out, name+"="+d.String())
		}
	}
	operations := maps.Collect(m.Operations.All())
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		out = append(out, name+"="+operations[name].String())
	}
	if m.Propagation > 0 {
		out = append(out, "propagation="+units.ExactDuration(m.Propagation))
	}
	if m.StateDelay > 0 {
		out = append(out, "state_delay="+units.ExactDuration(m.StateDelay))
	}
	if len(out) == 0 {
		return Off
	}
	return strings.Join(out, ",")
}

// UnmarshalScalar parses as [Parse] does: the short form in scenario files.
func (m *Model) UnmarshalScalar(text string) (err error) {
	*m, err = Parse(text)
	return err
}

// Pattern returns a regular expression of the short form.
func (Model) Pattern() string { return `^(off|aws-like|.+=.+)$` }

// Validate checks what can be written beside the distributions.
func (m *Model) Validate() []conf.Issue {
	var issues []conf.Issue
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"propagation", m.Propagation}, {"state_delay", m.StateDelay}} {
		if d.value < 0 || d.value > maxDelay {
			issues = append(issues, conf.Issue{Field: d.field, Msg: "must be between 0 and 1m"})
		}
	}
	for name := range m.Operations.All() {
		if !isOperation(name) {
			issues = append(issues, conf.Issue{Field: "operations." + name, Msg: fmt.Sprintf("%q is no operation", name), Hint: "operations have names such as PutRecords"})
		}
	}
	return issues
}

// MarshalJSON writes String's form.
func (m Model) MarshalJSON() ([]byte, error) { return json.Marshal(m.String()) }

// UnmarshalJSON reads String's form.
func (m *Model) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("reading a latency model: %w", err)
	}
	var err error
	*m, err = Parse(s)
	return err
}
