package scenarios

import (
	"fmt"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
)

// Rate is the schedule of a load.
type Rate struct {
	Arrival string    `yaml:"arrival" default:"uniform" enum:"uniform|poisson" help:"spacing of the records: even, or random as from many independent senders; the number is the same"`
	Profile []Segment `yaml:"profile" help:"rates, one after the other"`
}

// UnmarshalScalar accepts a single rate for the whole run.
func (r *Rate) UnmarshalScalar(text string) error {
	rate, err := units.ParseRate(text)
	if err == nil && rate.IsZero() {
		err = fmt.Errorf("bad rate %q: a load needs a rate above 0, such as 5000/s", text)
	}
	r.Profile = []Segment{{Constant: rate}}
	return err
}

// Pattern is the short form for the schema.
func (Rate) Pattern() string { return units.Rate{}.Pattern() }

// Segment is one stretch of a rate profile, in exactly one of its forms.
type Segment struct {
	Constant units.Rate    `yaml:"constant" help:"steady rate, such as 5k/s"`
	Ramp     []units.Rate  `yaml:"ramp" help:"two rates: from the first to the second, linearly"`
	Step     *Step         `yaml:"step" help:"stairs of equal length"`
	Spike    *Spike        `yaml:"spike" help:"a base rate with a burst in it"`
	Sine     *Sine         `yaml:"sine" help:"a rate that swings around a mean, from the mean upwards"`
	Trace    *RateTrace    `yaml:"trace" help:"recorded numbers of records per interval"`
	For      time.Duration `yaml:"for" help:"length; of a single segment, the phases' length if absent; a trace brings its own"`
}

// Step is a rate that climbs or falls in equal steps.
type Step struct {
	From  units.Rate `yaml:"from" required:"true" help:"rate of the first step"`
	To    units.Rate `yaml:"to" required:"true" help:"rate of the last step"`
	Steps int        `yaml:"steps" default:"5" help:"number of steps, the first and the last included"`
}

// Spike is a base rate that is left once for a while.
type Spike struct {
	Base  units.Rate    `yaml:"base" required:"true" help:"rate before and after; may be 0/s"`
	Peak  units.Rate    `yaml:"peak" required:"true" help:"rate during the burst"`
	At    time.Duration `yaml:"at" required:"true" help:"when the burst begins, from the start of the segment"`
	Lasts time.Duration `yaml:"lasts" required:"true" help:"length of the burst"`
}

// Sine is a rate that swings.
type Sine struct {
	Mean      units.Rate    `yaml:"mean" required:"true" help:"rate in the middle"`
	Amplitude units.Rate    `yaml:"amplitude" required:"true" help:"how far the rate goes up and down; at most the mean"`
	Period    time.Duration `yaml:"period" required:"true" help:"length of one swing"`
}

// segmentHint shows the forms.
const segmentHint = "write one of constant, ramp, step, spike, sine and trace, such as {constant: 5k/s, for: 10s} or {ramp: [0/s, 5k/s], for: 10s}"

// Validate checks that exactly one form is given and that it makes sense.
func (s *Segment) Validate() []conf.Issue {
	forms := 0
	for _, given := range []bool{!s.Constant.IsZero(), s.Ramp != nil, s.Step != nil, s.Spike != nil, s.Sine != nil, s.Trace != nil} {
		if given {
			forms++
		}
	}
	switch {
	case forms == 0:
		return []conf.Issue{{Msg: "a segment needs a rate above 0", Hint: segmentHint}}
	case forms > 1:
		return []conf.Issue{{Msg: "a segment has one form only", Hint: segmentHint}}
	case s.Ramp != nil && (len(s.Ramp) != 2 || s.Ramp[0].IsZero() && s.Ramp[1].IsZero()):
		return []conf.Issue{{Field: "ramp", Msg: "a ramp has two rates, at least one above 0", Hint: segmentHint}}
	case s.Trace != nil && s.For != 0:
		return []conf.Issue{{Field: "for", Msg: "a trace brings its own length", Hint: "remove for, or set trace.every"}}
	case s.Constant.IsZero() && s.Trace == nil && s.For <= 0 && (s.Ramp != nil || s.For < 0), s.For < 0:
		return []conf.Issue{{Field: "for", Msg: "must be positive", Hint: segmentHint}}
	}
	if s.Spike != nil && s.For > 0 && s.Spike.At+s.Spike.Lasts > s.For {
		return []conf.Issue{{Field: "spike", Msg: fmt.Sprintf("the burst ends at %s, after the segment", s.Spike.At+s.Spike.Lasts), Hint: "raise for, or begin earlier"}}
	}
	return nil
}

// Validate checks the steps.
func (s *Step) Validate() []conf.Issue {
	if s.Steps < 2 || s.Steps > 10_000 {
		return []conf.Issue{{Field: "steps", Msg: "must be between 2 and 10000"}}
	}
	return nil
}

// Validate checks the burst.
func (s *Spike) Validate() []conf.Issue {
	switch {
	case s.Peak.IsZero():
		return []conf.Issue{{Field: "peak", Msg: "must be above 0"}}
	case s.At < 0:
		return []conf.Issue{{Field: "at", Msg: "must not be negative"}}
	case s.Lasts <= 0:
		return []conf.Issue{{Field: "lasts", Msg: "must be positive"}}
	}
	return nil
}

// Validate checks that the rate never falls below 0.
func (s *Sine) Validate() []conf.Issue {
	switch {
	case s.Mean.IsZero():
		return []conf.Issue{{Field: "mean", Msg: "must be above 0"}}
	case s.Amplitude.PerSecond() > s.Mean.PerSecond():
		return []conf.Issue{{Field: "amplitude", Msg: "must not exceed the mean: no rate is below 0"}}
	case s.Period < time.Millisecond:
		return []conf.Issue{{Field: "period", Msg: "must be at least 1ms"}}
	}
	return nil
}

// maxSwings bounds the memory of a sine: 64 pieces of 16 bytes for each.
const maxSwings = 16_384

// schedule returns when a segment's records are due, and its highest rate per
// second. A trace knows its own span.
func (s *Segment) schedule(span time.Duration) (pace.Schedule, float64, error) {
	switch {
	case s.Ramp != nil:
		from, to := s.Ramp[0].PerSecond(), s.Ramp[1].PerSecond()
		return pace.Ramp(from, to, span), max(from, to), nil
	case s.Step != nil:
		return pace.Pieces(s.Step.pieces(span)), max(s.Step.From.PerSecond(), s.Step.To.PerSecond()), nil
	case s.Spike != nil:
		if s.Spike.At+s.Spike.Lasts > span {
			return nil, 0, fmt.Errorf("the burst ends at %s, after the run's %s", s.Spike.At+s.Spike.Lasts, span)
		}
		return pace.Pieces(s.Spike.pieces(span)), max(s.Spike.Base.PerSecond(), s.Spike.Peak.PerSecond()), nil
	case s.Sine != nil:
		if span/s.Sine.Period > maxSwings {
			return nil, 0, fmt.Errorf("%d swings are more than %d", span/s.Sine.Period, maxSwings)
		}
		mean, amplitude := s.Sine.Mean.PerSecond(), s.Sine.Amplitude.PerSecond()
		return pace.Sine(mean, amplitude, s.Sine.Period, span), mean + amplitude, nil
	case s.Trace != nil:
		return s.Trace.schedule()
	}
	return pace.Constant(uint64(s.Constant.N), s.Constant.Per, span), s.Constant.PerSecond(), nil
}

// piece is a stretch at one rate.
func piece(perSecond float64, span time.Duration) pace.Piece {
	return pace.Piece{Count: uint64(perSecond*span.Seconds() + 0.5), Span: span}
}

func (s *Step) pieces(span time.Duration) []pace.Piece {
	from, to := s.From.PerSecond(), s.To.PerSecond()
	list := make([]pace.Piece, s.Steps)
	var at time.Duration
	for i := range list {
		end := time.Duration(float64(span) * float64(i+1) / float64(s.Steps))
		list[i] = piece(from+(to-from)*float64(i)/float64(s.Steps-1), end-at)
		at = end
	}
	return list
}

func (s *Spike) pieces(span time.Duration) []pace.Piece {
	var list []pace.Piece
	for _, p := range []pace.Piece{
		piece(s.Base.PerSecond(), s.At), piece(s.Peak.PerSecond(), s.Lasts), piece(s.Base.PerSecond(), span-s.At-s.Lasts),
	} {
		if p.Span > 0 {
			list = append(list, p)
		}
	}
	return list
}

// schedule works out when a load's records are due.
func (v *validator) schedule(path string, p *loadPlan) {
	if t, ok := sourceConfig(p.spec).(timedConfig); ok {
		p.unpaced = t.Unpaced()
		v.timed(path, p)
		return
	}
	if p.spec.InFlight != 0 {
		v.closedLoop(path, p)
		return
	}
	if len(p.spec.Rate.Profile) == 0 {
		v.problem(path+".rate", "a generated load needs a rate", "write rate: {profile: [{constant: 1000/s, for: 10s}]}, or in_flight: 64 for a closed loop")
		return
	}
	var parts []pace.Schedule
	var all time.Duration
	for i := range p.spec.Rate.Profile {
		part := v.segment(fmt.Sprintf("%s.rate.profile.%d", path, i), p, &p.spec.Rate.Profile[i], all)
		if part == nil {
			return
		}
		all += time.Duration(part.Span())
		parts = append(parts, part)
	}
	p.schedule = parts[0]
	if len(parts) > 1 {
		p.schedule = pace.Sequence(parts...)
	}
	if p.spec.Total > 0 {
		p.schedule = pace.Limit(p.schedule, uint64(p.spec.Total))
	}
	if p.schedule.Total() == 0 {
		v.problem(path+".rate", "no record is due in this schedule", "raise the rate or the length")
	}
}

// segment works out one stretch of a profile; before is how much precedes it.
func (v *validator) segment(where string, p *loadPlan, seg *Segment, before time.Duration) pace.Schedule {
	span := v.length(seg, p.spec.Total, len(p.spec.Rate.Profile) == 1)
	switch {
	case seg.Trace != nil:
	case span == 0:
		v.problem(where, "the length of this rate is not known", "add for: 10s, or total: 10k to the load, or phases")
		return nil
	case span > maxSpan, before+span > maxSpan:
		v.problem(where, "this takes more than ten years", "shorten it, or raise the rate")
		return nil
	}
	part, peak, err := seg.schedule(span)
	if err != nil {
		v.problem(where, err.Error(), hintOf(err))
		return nil
	}
	p.peak = max(p.peak, peak)
	return part
}

// timed checks a load whose records bring their own times.
func (v *validator) timed(path string, p *loadPlan) {
	if len(p.spec.Rate.Profile) > 0 {
		v.problem(path+".rate", "a recorded source brings its own times", "set rate, speedup or asap inside source.replay")
	}
	if p.spec.Total > 0 {
		v.problem(path+".total", "a recorded source ends by itself", "set limit inside source.replay")
	}
	if p.spec.InFlight != 0 {
		v.problem(path+".in_flight", "a recorded source brings its own times", "remove it, or generate the records")
	}
}

// closedLoop works out a load that goes at the pace of its answers.
func (v *validator) closedLoop(path string, p *loadPlan) {
	p.inFlight, p.span = p.spec.InFlight, phaseSpan(v.spec.Phases)
	switch {
	case p.inFlight < 1:
		v.problem(path+".in_flight", "must be at least 1", "write how many records may be under way, such as in_flight: 64")
	case len(p.spec.Rate.Profile) > 0:
		v.problem(path+".in_flight", "a closed loop has no rate: answers set its pace", "remove rate or in_flight")
	case p.spec.OnSaturation == string(producer.Shed):
		v.problem(path+".on_saturation", "a closed loop has nothing to shed: no record is due before there is room for it", "set on_saturation: block or abort, or a rate in place of in_flight")
	case p.spec.Total == 0 && p.span == 0:
		v.problem(path+".in_flight", "the length of this load is not known", "add total: 10k to the load, or phases")
	}
}

// length returns how long a segment lasts, at most a little above maxSpan; 0 when
// nothing says so.
func (v *validator) length(s *Segment, total units.Count, only bool) time.Duration {
	switch {
	case s.For != 0 || !only:
		return min(s.For, maxSpan+1)
	case len(v.spec.Phases) > 0:
		return phaseSpan(v.spec.Phases)
	case total > 0 && !s.Constant.IsZero():
		// Long enough for all of them; Limit cuts the rest.
		seconds := float64(total)/s.Constant.PerSecond() + s.Constant.Per.Seconds()
		return time.Duration(min(seconds, maxSpan.Seconds()+1) * float64(time.Second))
	}
	return 0
}

// noSpinning refuses pacing that would stop virtual time.
func (p *plan) noSpinning() error {
	for i := range p.loads {
		if l := &p.loads[i]; l.spec.Pacing != "efficient" {
			return fmt.Errorf("%w: load %s: pacing: %s needs real time", kload.ErrInvalid, l.name, l.spec.Pacing)
		}
	}
	return nil
}
