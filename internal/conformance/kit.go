package conformance

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// obj is a request.
type obj = map[string]any

// The codes of refusals.
const (
	notFound      = "ResourceNotFoundException"
	inUse         = "ResourceInUseException"
	invalid       = "InvalidArgumentException"
	validation    = "ValidationException"
	limitExceeded = "LimitExceededException"
	throttled     = "ProvisionedThroughputExceededException"
	dryRun        = "DryRunOperationException"
	serialization = "SerializationException"
)

// kit is what a check works with. Only the first thing that goes wrong counts:
// after it, calls do nothing and return zero values, so that a check reads as a
// list of steps. Loops ask ok. A kit is used by one goroutine.
type kit struct {
	*session
	failure, skipped string
	left             []string  // parts that were left out
	own              []string  // streams to delete with the check
	stored           time.Time // when the last put was answered
}

// ok reports whether the check goes on.
func (k *kit) ok() bool { return k.failure == "" && k.skipped == "" }

func (k *kit) fail(format string, args ...any) {
	if k.ok() {
		k.failure = fmt.Sprintf(format, args...)
	}
}

// skip ends the check without a verdict.
func (k *kit) skip(reason string) {
	if k.ok() {
		k.skipped = reason
	}
}

// leave says that a part of the check was left out.
func (k *kit) leave(part string) {
	if k.ok() {
		k.left = append(k.left, part)
	}
}

// slow reports whether to do what takes long; if not, what was left out.
func (k *kit) slow(part string) bool {
	if !k.opts.Slow {
		k.leave(part + " (--slow)")
	}
	return k.opts.Slow && k.ok()
}

func (k *kit) must(cond bool, format string, args ...any) {
	if !cond {
		k.fail(format, args...)
	}
}

// equal compares what came with what was expected.
func (k *kit) equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		k.fail("%s: want %v, got %v", what, short(want), short(got))
	}
}

// short renders a value for a detail.
func short(v any) string {
	text := fmt.Sprint(v)
	if s, ok := v.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	if r := []rune(text); len(r) > 300 {
		text = string(r[:300]) + "…"
	}
	return text
}

func (k *kit) result(c check) Result {
	r := Result{ID: c.id, Name: c.name, Outcome: Pass}
	switch {
	case k.failure != "":
		r.Outcome, r.Detail = Fail, k.failure
	case k.skipped != "":
		r.Outcome, r.Detail = Skip, k.skipped
	case len(k.left) > 0:
		r.Detail = "left out: " + strings.Join(k.left, "; ")
	}
	return r
}

// try makes a call that may be refused. Only a missing answer is a failure.
func (k *kit) try(ctx context.Context, op string, in obj) answer {
	if !k.ok() {
		return answer{}
	}
	a := k.wire.post(ctx, op, in)
	k.called(op)
	if a.err != nil {
		k.fail("%s: want an answer, got %v", op, a.err)
	}
	return a
}

// called notes that a call was answered.
func (k *kit) called(op string) {
	if strings.HasPrefix(op, "Put") {
		k.stored = time.Now()
	}
}

// call makes a call that must succeed; one that is over a rate is repeated.
func (k *kit) call(ctx context.Context, op string, in obj) answer {
	a := k.try(ctx, op, in)
	for range 60 {
		if !a.overRate() {
			break
		}
		k.wait(ctx, 250*time.Millisecond)
		a = k.try(ctx, op, in)
	}
	if k.ok() && a.status != 200 {
		k.fail("%s: want 200, got %s", op, a)
	}
	return a
}

// refused makes a call that must be refused with this code and, unless it is
// empty, exactly this text.
func (k *kit) refused(ctx context.Context, op string, in obj, code, text string) {
	a := k.patient(ctx, op, in, code)
	switch {
	case !k.ok():
	case a.status != 400 || a.Code != code:
		k.fail("%s: want 400 %s, got %s", op, code, a)
	case text != "" && a.Message != text:
		k.fail("%s: want the text %s, got %s", op, short(text), short(a.Message))
	}
}

// refusedWith is refused for a text that must contain all parts.
func (k *kit) refusedWith(ctx context.Context, op string, in obj, code string, parts ...string) {
	a := k.patient(ctx, op, in, code)
	if !k.ok() {
		return
	}
	if a.status != 400 || a.Code != code {
		k.fail("%s: want 400 %s, got %s", op, code, a)
	}
	for _, p := range parts {
		k.must(strings.Contains(a.Message, p), "%s: want a text with %q, got %s", op, p, short(a.Message))
	}
}

// patient repeats a call that is over a rate, unless that is the refusal wanted.
func (k *kit) patient(ctx context.Context, op string, in obj, code string) answer {
	a := k.try(ctx, op, in)
	for range 60 {
		if !a.overRate() || a.Code == code {
			break
		}
		k.wait(ctx, 250*time.Millisecond)
		a = k.try(ctx, op, in)
	}
	return a
}

// wait lets time pass.
func (k *kit) wait(ctx context.Context, d time.Duration) {
	if k.ok() && !pause(ctx, d) {
		k.fail("interrupted")
	}
}

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// until repeats f, at growing intervals, until it is content. It fails after
// limit.
func (k *kit) until(ctx context.Context, limit time.Duration, what string, f func() bool) {
	end := time.Now().Add(limit)
	for every := 20 * time.Millisecond; k.ok() && !f(); every = min(2*every, time.Second) {
		k.must(time.Now().Before(end), "%s: not within %v", what, limit)
		k.wait(ctx, every)
	}
}

// within runs f against a further server.
func (k *kit) within(ctx context.Context, set Setting, f func(o *kit)) {
	if !k.ok() {
		return
	}
	server, stop, err := k.opts.Lab(set)
	if err != nil {
		k.fail("starting a server: %v", err)
		return
	}
	defer stop()
	opts := k.opts
	opts.Client = server
	s, err := newSession(ctx, opts)
	if err != nil {
		k.fail("reaching a further server: %v", err)
		return
	}
	defer s.close()
	o := &kit{session: s}
	f(o)
	k.failure, k.left = o.failure, slices.Concat(k.left, o.left)
}
