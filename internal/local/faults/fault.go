// Package faults makes the embedded target misbehave on purpose: on chosen
// calls, with a set probability, counted, and the same way under the same seed.
//
// A [Fault] says what goes wrong where. A [Table] holds those in force and
// judges calls, single records of a put, and single events of a subscription. It
// knows no time: whoever adds a fault lifts it.
package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/units"
)

// Fault is one thing that goes wrong: exactly one of Error, Records, Cut, Delay
// and Clock is set. It survives a round trip through JSON.
type Fault struct {
	On      []string             `yaml:"on" json:"on,omitempty" help:"operations that fail, such as PutRecords, or classes of them: put, get, subscribe, control"`
	Error   string               `yaml:"error" json:"error,omitempty" enum:"ProvisionedThroughputExceededException|LimitExceededException|InternalFailure|ServiceUnavailable|ExpiredIteratorException|KMSThrottlingException|ResourceInUseException|ResourceNotFoundException|AccessDeniedException|ExpiredTokenException" help:"the call is refused with this code, and has no effect"`
	Records string               `yaml:"records" json:"records,omitempty" enum:"ProvisionedThroughputExceededException|InternalFailure" help:"single records of a put are refused with this code; share is that of records"`
	Cut     Cut                  `yaml:"cut" json:"cut,omitempty" enum:"before_commit|after_commit|mid_body" help:"the connection is cut: before the call has an effect, after it but without an answer, or amid the answer"`
	Delay   latency.Distribution `yaml:"delay" json:"delay" help:"the answer is held back, such as 2s or lognormal(p50=50ms,p99=1s), at most 1m"`
	Clock   Offset               `yaml:"clock" json:"clock,omitempty" help:"the target's clock is off, such as +5s or -300ms"`
	Stream  string               `yaml:"stream" json:"stream,omitempty" help:"only calls that concern this stream"`
	Shard   shard.Ref            `yaml:"shard" json:"shard,omitempty" help:"only reads of this shard, or records put into it: its id, the number in it, hottest or coldest"`
	Frame   Frame                `yaml:"frame" json:"frame,omitempty" help:"SubscribeToShard: not the call but an event of its stream goes wrong, the first for 1, any for each"`
	Share   units.Percent        `yaml:"share" json:"share" default:"100%" help:"probability"`
	Count   units.Count          `yaml:"count" json:"count,omitempty" help:"at most so many times; 0 for no limit"`
}

// Cut is where a connection is cut.
type Cut string

// Where a connection is cut. BeforeCommit leaves the call without effect;
// AfterCommit carries it out but gives no answer, so that a retry repeats it;
// MidBody breaks off halfway through the answer.
const (
	BeforeCommit Cut = "before_commit"
	AfterCommit  Cut = "after_commit"
	MidBody      Cut = "mid_body"
)

// Frame is the number of a subscription's event, from 1; 0 is the call itself,
// and Each any event.
type Frame int

// Each stands for any event of a stream.
const Each Frame = -1

// String returns the written form.
func (f Frame) String() string {
	if f == Each {
		return "each"
	}
	return strconv.Itoa(int(f))
}

// MarshalText returns String's form.
func (f Frame) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a number or "each".
func (f *Frame) UnmarshalText(text []byte) error {
	if string(text) == "each" {
		*f = Each
		return nil
	}
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return fmt.Errorf("bad frame %q: write the number of an event, from 1, or each", text)
	}
	*f = Frame(n)
	return nil
}

// Pattern returns the regular expression of the written form.
func (Frame) Pattern() string { return `^(each|[0-9]+)$` }

// Offset is how far a clock is off, positive when it is ahead.
type Offset time.Duration

// maxOffset bounds an offset.
const maxOffset = time.Hour

// String returns the written form, with its sign.
func (o Offset) String() string {
	if o < 0 {
		return "-" + units.ExactDuration(time.Duration(-o))
	}
	return "+" + units.ExactDuration(time.Duration(o))
}

// MarshalText returns String's form.
func (o Offset) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads a duration of at most an hour with or without a sign.
func (o *Offset) UnmarshalText(text []byte) error {
	rest, negative := strings.CutPrefix(string(text), "-")
	if !negative {
		rest = strings.TrimPrefix(rest, "+")
	}
	d, err := units.ParseDuration(rest)
	if err == nil && d > maxOffset {
		err = fmt.Errorf("bad offset %q: it is at most an hour", text)
	}
	if negative {
		d = -d
	}
	*o = Offset(d)
	return err
}

// Pattern returns the regular expression of the written form.
func (Offset) Pattern() string { return `^[+-]?` + strings.TrimPrefix(units.DurationPattern, "^") }

// Status returns the HTTP status of an error code.
func Status(code string) int {
	switch code {
	case "InternalFailure":
		return 500
	case "ServiceUnavailable":
		return 503
	}
	return 400
}

// Check returns what is wrong with a fault, nothing if it can be judged.
// Operations are those that the target has.
func (f *Fault) Check(operations []string) []conf.Issue {
	var issues []conf.Issue
	wrong := func(field, msg, hint string) { issues = append(issues, conf.Issue{Field: field, Msg: msg, Hint: hint}) }
	if n := f.effects(); n != 1 {
		wrong("", fmt.Sprintf("a fault does one thing, this one %d", n), "give it exactly one of error, records, cut, delay and clock")
	}
	if f.Share <= 0 || f.Share > 100 {
		wrong("share", "must be above 0% and at most 100%", "")
	}
	if f.Clock != 0 {
		if len(f.On) > 0 || f.Stream != "" || f.Shard != "" || f.Frame != 0 || f.Share != 100 || f.Count > 0 {
			wrong("clock", "a clock is off for all calls alike", "remove on, stream, shard, frame, share and count")
		}
		return issues
	}
	if len(f.On) == 0 {
		wrong("on", "it is not said which operations fail", "write on: [PutRecords], or a class: put, get, subscribe or control")
	}
	for i, name := range f.On {
		if !slices.Contains(operations, name) && !slices.Contains(classes(), name) {
			wrong("on."+strconv.Itoa(i), fmt.Sprintf("the target has no operation %q", name), "there are put, get, subscribe, control, and names such as PutRecords")
		}
	}
	return append(issues, f.scope()...)
}

// scope checks that what a fault concerns can be known of its operations.
func (f *Fault) scope() (issues []conf.Issue) {
	wrong := func(field, msg, hint string) { issues = append(issues, conf.Issue{Field: field, Msg: msg, Hint: hint}) }
	if f.Records != "" && !f.only("put", "PutRecord", "PutRecords") {
		wrong("records", "only puts have records that can fail one by one", "write on: [PutRecords]")
	}
	if f.Error == "ExpiredIteratorException" && !f.only("GetRecords") {
		wrong("error", "only GetRecords is given an iterator that can have expired", "write on: [GetRecords]")
	}
	if f.Frame != 0 && (!f.only("subscribe", "SubscribeToShard") || f.Records != "") {
		wrong("frame", "only SubscribeToShard answers with a stream of events", "write on: [SubscribeToShard]")
	}
	if f.Shard != "" && f.Records == "" && !f.only("get", "subscribe", "GetRecords", "GetShardIterator", "SubscribeToShard", "PutRecord") {
		wrong("shard", "a call to these operations is not about one shard", "remove shard, or use records to refuse single records of PutRecords")
	}
	return issues
}

// only reports whether all operations are among some.
func (f *Fault) only(some ...string) bool {
	for _, name := range f.On {
		if !slices.Contains(some, name) {
			return false
		}
	}
	return true
}

func (f *Fault) effects() (n int) {
	for _, set := range []bool{f.Error != "", f.Records != "", f.Cut != "", !f.Delay.IsZero(), f.Clock != 0} {
		if set {
			n++
		}
	}
	return n
}

func classes() []string { return []string{"put", "get", "subscribe", "control"} }

// concerns reports whether an operation is among those of the fault.
func (f *Fault) concerns(operation string) bool {
	return slices.Contains(f.On, operation) || slices.Contains(f.On, latency.Class(operation))
}

// String describes a fault in a few words.
func (f *Fault) String() string {
	var what string
	switch {
	case f.Clock != 0:
		return "clock " + f.Clock.String()
	case f.Error != "":
		what = f.Error
	case f.Records != "":
		what = f.Records + " of single records"
	case f.Cut != "":
		what = "cut " + string(f.Cut)
	default:
		what = "delay " + f.Delay.String()
	}
	parts := []string{strings.Join(f.On, ", ") + ": " + what}
	for _, more := range []struct {
		name, value string
		set         bool
	}{
		{"stream", f.Stream, f.Stream != ""},
		{"shard", string(f.Shard), f.Shard != ""},
		{"frame", f.Frame.String(), f.Frame != 0},
		{"share", f.Share.String(), f.Share != 100},
		{"count", f.Count.String(), f.Count > 0},
	} {
		if more.set {
			parts = append(parts, more.name+" "+more.value)
		}
	}
	return strings.Join(parts, ", ")
}
