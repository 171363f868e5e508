package handler

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// Config describes a handler. Hosts embed it, so that its settings stand among
// theirs. The zero value is no handler: every record is passed on untouched.
type Config struct {
	Filter    string    `yaml:"filter" help:"expression on the fields of a record, such as trip_id % 20 == 0; only records for which it is true are passed on"`
	Route     string    `yaml:"route" help:"expression for the name of the sink that a record goes to, where the consumer has several (sinks), such as price > 50 ? 'dear' : 'cheap'"`
	Transform Transform `yaml:"transform" help:"what the sink gets instead of the payload: an expression, or fields to set and remove"`
	FailOn    FailOn    `yaml:"fail_on" help:"records that the handler fails on: an expression, a share such as 1%, or both"`
	Cost      Cost      `yaml:"cost" help:"what handling takes: a wait such as 2ms for each record, or more"`
	OnError   OnError   `yaml:"on_error" help:"what becomes of a record that the handler fails on, or whose expressions cannot be evaluated"`
}

// Transform makes a new payload. Its expressions see the record as it was read.
type Transform struct {
	Payload string           `yaml:"payload" help:"expression for the whole payload: text is taken as it is, anything else is written as JSON"`
	Set     conf.Map[string] `yaml:"set" help:"top-level fields of the JSON payload to set, each to the value of an expression"`
	Remove  []string         `yaml:"remove" help:"top-level fields of the JSON payload to leave out"`
}

// UnmarshalScalar accepts the expression for the payload alone.
func (t *Transform) UnmarshalScalar(text string) error {
	t.Payload = text
	return nil
}

// Pattern is the short form for the schema.
func (Transform) Pattern() string { return `[^0-9.]` }

// Validate refuses two ways at once.
func (t *Transform) Validate() []conf.Issue {
	var issues []conf.Issue
	if t.Payload != "" && (t.Set.Len() > 0 || len(t.Remove) > 0) {
		issues = append(issues, conf.Issue{Field: "payload", Msg: "replaces all that set and remove would change", Hint: "use one or the other"})
	}
	for _, name := range t.Remove {
		if _, both := t.Set.Get(name); both {
			issues = append(issues, conf.Issue{Field: "remove", Msg: fmt.Sprintf("the field %q is set and removed", name)})
		}
	}
	return issues
}

func (t *Transform) none() bool { return t.Payload == "" && t.Set.Len() == 0 && len(t.Remove) == 0 }

// FailOn chooses the records that the handler fails on.
type FailOn struct {
	When  string        `yaml:"when" help:"expression: fail on records for which it is true"`
	Share units.Percent `yaml:"share" help:"fail on this share of the records, of those that when chooses if it is there; the seed decides which"`
	Times int           `yaml:"times" help:"fail so many times on a record and then succeed, as with a passing fault; 0 fails for good; needs on_error: retry"`
}

// UnmarshalScalar accepts a share or an expression.
func (f *FailOn) UnmarshalScalar(text string) error {
	if !strings.HasSuffix(text, "%") {
		f.When = text
		return nil
	}
	return f.Share.UnmarshalText([]byte(text))
}

// Pattern is the short form for the schema.
func (FailOn) Pattern() string { return `[^0-9.]` }

func (f *FailOn) none() bool { return f.When == "" && f.Share == 0 }

// Cost is what handling takes.
type Cost struct {
	Wait time.Duration `yaml:"wait" help:"time spent waiting, as for a call to another service; it takes no processor time"`
	CPU  time.Duration `yaml:"cpu" help:"processor time burnt; it counts as kload's own"`
	Per  string        `yaml:"per" default:"record" enum:"record|batch" help:"what costs this: each attempt to handle a record that the filter passed, or each batch once"`
}

// UnmarshalScalar accepts a wait alone.
func (c *Cost) UnmarshalScalar(text string) (err error) {
	c.Wait, err = units.ParseDuration(text)
	return err
}

// Pattern is the short form for the schema.
func (Cost) Pattern() string { return `^[0-9.]+(ns|us|µs|ms|s|m|h)$` }

// What becomes of a record that the handler fails on.
const (
	deadLetter = "dead_letter"
	retry      = "retry"
	fail       = "fail"
)

// OnError says what becomes of a record that the handler fails on. A record whose
// expressions cannot be evaluated is not tried again, as nothing would change.
type OnError struct {
	Do       string        `yaml:"do" default:"dead_letter" enum:"dead_letter|retry|fail" help:"dead_letter: counted and not passed on; retry: tried again, and dead-lettered after the last attempt; fail: the batch fails, and the host does what it does then (plain: the run ends)"`
	Attempts int           `yaml:"attempts" default:"3" help:"retry: attempts in all"`
	Backoff  time.Duration `yaml:"backoff" help:"retry: wait between two attempts"`
}

// UnmarshalScalar accepts the action alone.
func (o *OnError) UnmarshalScalar(text string) error {
	if !slices.Contains(actions(), text) {
		return fmt.Errorf("%q is not allowed: write one of %s", text, strings.Join(actions(), ", "))
	}
	o.Do = text
	return nil
}

func actions() []string { return []string{deadLetter, retry, fail} }

// Pattern is the short form for the schema.
func (OnError) Pattern() string { return "^(" + strings.Join(actions(), "|") + ")$" }

// Validate checks the attempts.
func (o *OnError) Validate() []conf.Issue {
	if o.Attempts < 1 {
		return []conf.Issue{{Field: "attempts", Msg: "must be at least 1"}}
	}
	return nil
}

// None reports whether there is nothing to do: the host needs no handler.
func (c *Config) None() bool {
	return c.Filter == "" && c.Route == "" && c.Transform.none() && c.FailOn.none() && c.Cost.Wait == 0 && c.Cost.CPU == 0
}

// Validate compiles the expressions and checks the settings against each other.
func (c *Config) Validate() []conf.Issue {
	var issues []conf.Issue
	for _, x := range c.expressions() {
		if _, err := new(record).compile(x); err != nil {
			issues = append(issues, conf.Issue{Field: x.setting, Msg: err.Error(), Hint: err.hint})
		}
	}
	switch f := &c.FailOn; {
	case f.Times < 0:
		issues = append(issues, conf.Issue{Field: "fail_on.times", Msg: "must not be negative"})
	case f.Times > 0 && f.none():
		issues = append(issues, conf.Issue{Field: "fail_on.times", Msg: "chooses no records", Hint: "add when or share"})
	case f.Times > 0 && c.OnError.Do != retry:
		issues = append(issues, conf.Issue{Field: "fail_on.times", Msg: "only one attempt is made", Hint: "add on_error: retry"})
	}
	return issues
}

// expression is a setting that holds one.
type expression struct {
	setting, source string
	gives           reflect.Kind // a condition reflect.Bool, a name reflect.String, anything reflect.Invalid
}

func (c *Config) expressions() []expression {
	all := []expression{
		{"filter", c.Filter, reflect.Bool},
		{"fail_on.when", c.FailOn.When, reflect.Bool},
		{routeSetting, c.Route, reflect.String},
		{"transform.payload", c.Transform.Payload, reflect.Invalid},
	}
	all = slices.DeleteFunc(all, func(x expression) bool { return x.source == "" })
	for name, source := range c.Transform.Set.All() {
		all = append(all, expression{"transform.set." + name, source, reflect.Invalid})
	}
	return all
}

// Field is a field of the payload that an expression needs.
type Field struct {
	Setting string // the setting with the expression, as a path of keys
	Name    string
	Column  int // in the expression, from 1, in characters
}

// Fields lists the fields of the payload that must be in every record: all that
// expressions name without saying what to do where they are missing.
func (c *Config) Fields() []Field {
	var out []Field
	for _, x := range c.expressions() {
		var r record
		if _, err := r.compile(x); err != nil {
			continue
		}
		for _, s := range r.slots {
			if s.needed > 0 {
				out = append(out, Field{x.setting, s.name, s.needed})
			}
		}
	}
	return out
}

// CounterNames lists the counters that the handler will have, none without one.
func (c *Config) CounterNames() []string {
	if c.None() {
		return nil
	}
	return slices.Sorted(maps.Keys((&Handler{}).Counters()))
}
