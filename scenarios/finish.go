package scenarios

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/results"
)

// header is run.json: what the run was, apart from what it measured.
type header struct {
	Schema     string            `json:"schema"`
	Kload      string            `json:"kload"` // version
	Go         string            `json:"go"`
	VCS        map[string]string `json:"vcs,omitempty"` // state of the source kload was built from
	RunID      string            `json:"run_id"`
	Scenario   string            `json:"scenario"`
	SHA256     string            `json:"scenario_sha256"` // of scenario.resolved.yaml
	Seed       uint64            `json:"seed"`
	Inject     []string          `json:"inject,omitempty"`
	Started    time.Time         `json:"started"`
	Host       hostInfo          `json:"host"`
	Target     results.Target    `json:"target"`
	Forecast   *forecast         `json:"forecast,omitempty"` // what the shards were expected to get
	Stream     map[string]any    `json:"stream"`
	Wire       wireInfo          `json:"wire"`
	Sources    map[string]string `json:"sources,omitempty"` // where recorded data came from, by load
	SDK        map[string]string `json:"sdk_env"`           // settings of the environment that change what the SDK does
	ClockStepS float64           `json:"clock_step_s"`
	MemLimit   int64             `json:"go_memory_limit_bytes"` // of this process's garbage collector
	Ended      time.Time         `json:"ended,omitzero"`        // set at the end, with the step of the clock
}

type hostInfo struct {
	Name       string `json:"name"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
}

// writeHeader writes what is known before the first record. A directory that
// cannot take it ends the run here.
func (r *run) writeHeader() error {
	resolved, err := conf.Resolved(r.plan.spec, false)
	if err != nil {
		return fmt.Errorf("writing out the scenario: %w", err)
	}
	sum := sha256.Sum256(resolved)
	name, _ := os.Hostname() // a host without a name stays without
	r.header = header{
		Schema: "kload/run/v1", Kload: r.o.Version, Go: runtime.Version(), VCS: vcs(),
		RunID: r.id, Scenario: r.plan.spec.Name, SHA256: hex.EncodeToString(sum[:]), Seed: r.plan.spec.Seed,
		Inject: r.o.Inject, Started: r.began.UTC(),
		Host:   hostInfo{name, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0)},
		Target: r.endpoint.describe(), Forecast: r.plan.forecast,
		Stream: map[string]any{"name": r.plan.spec.Stream.Name, "shards": len(r.endpoint.shards), "created": r.endpoint.created},
		Wire:   r.endpoint.wire(), Sources: r.sources(), SDK: sdkEnvironment(), MemLimit: debug.SetMemoryLimit(-1), ClockStepS: r.clock.Step().Seconds(),
	}
	return errors.Join(
		r.dir.WriteJSON(results.FileRun, &r.header),
		r.dir.WriteFile(results.FileScenario, r.scenario.Source),
		r.dir.WriteFile(results.FileResolved, resolved),
	)
}

// vcs returns the state of the source tree this binary was built from.
func vcs() map[string]string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, s := range info.Settings {
		if name, ok := strings.CutPrefix(s.Key, "vcs."); ok {
			out[name] = s.Value
		}
	}
	return out
}

// sdkEnvironment returns variables that change the SDK's behaviour. Credentials
// are not among them.
func sdkEnvironment() map[string]string {
	out := map[string]string{}
	for _, name := range []string{
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS",
		"AWS_ACCOUNT_ID_ENDPOINT_MODE", "AWS_NEW_RETRIES_2026", "AWS_ENABLE_DEFAULT_SOCKET_TIMEOUT_2026", "AWS_USE_FIPS_ENDPOINT",
		"HTTPS_PROXY", "GOGC", "GOMEMLIMIT", "GODEBUG",
	} {
		if v, ok := os.LookupEnv(name); ok {
			out[name] = v
		}
	}
	return out
}

// closeHeader completes run.json.
func (r *run) closeHeader() error {
	r.header.ClockStepS, r.header.Ended = r.clock.Step().Seconds(), time.Unix(0, r.clock.Now()).UTC()
	return r.dir.WriteJSON(results.FileRun, &r.header)
}

// finish ends the target, draws up the summary and writes everything. runErr is
// what broke the run off, if anything did.
func (r *run) finish(ctx context.Context, runErr error) (*results.Summary, error) {
	interrupted := ctx.Err() != nil // later it makes no difference any more
	died := errors.Is(runErr, errTargetDied)
	var errs []error
	for _, l := range r.loads {
		errs = append(errs, l.source.Close())
	}
	if r.progress != nil {
		r.progress.close()
	}
	report, err := r.endpoint.close(ctx)
	if died {
		// What the target said on its way out is why.
		runErr = kload.WithHint(fmt.Errorf("%w: %w", kload.ErrUnreachable, errors.Join(runErr, err)),
			"results up to then were written; if it was killed for memory, lower target.store")
		err = nil
	}
	return r.summarize(interrupted, report, errors.Join(append([]error{runErr}, errs...)...), err)
}

// summarize draws up the summary, writes the results and returns the error that
// the user should see beside it. cleanErr is what went wrong with cleaning up,
// which says nothing about the measurement.
func (r *run) summarize(interrupted bool, report local.Report, runErr, cleanErr error) (*results.Summary, error) {
	s := results.NewSummary(r.plan.spec.Name, r.id)
	s.Target, s.Seed = r.endpoint.describe(), r.plan.spec.Seed
	s.Interrupted, s.Aborted, s.Inject = interrupted, r.watch.why, r.o.Inject
	if cleanErr != nil {
		s.Cleanup = cleanErr.Error()
	}
	var errs []error
	if r.collector != nil {
		r.noteMalformed()
		r.checkpoint()
		errs = append(errs, r.collector.Close(time.Unix(0, r.clock.Now())), r.collector.WriteHgrm())
	}
	books := r.verify()
	errs = append(errs, r.dir.WriteJSON(results.FileVerify, results.Verify{Schema: results.VerifySchema, RunID: s.RunID, Report: books}), r.closeHeader())
	r.fill(s, books, r.ended.Load())
	r.fillTarget(s, report)
	s.Process.Kload = r.process.since()
	s.Process.Kload.SDKCalls, s.Process.Kload.SDKAttempts = r.endpoint.client.Calls()-r.before.calls, r.endpoint.client.Attempts()-r.before.attempts
	s.Process.Kload.Wire = strings.Join(r.header.Wire.Used, "+")
	if r.header.Wire.Fallback != "" {
		s.Process.Kload.WireFallbacks = 1
	}
	r.fillDrivers(s)
	if step := r.clock.Step(); step > time.Millisecond || step < -time.Millisecond {
		s.Clock = &results.Clock{StepsNs: []int64{int64(step)}}
	}
	if runErr != nil {
		s.Break(runErr, exitCode(runErr))
	}
	for i := range r.plan.expect {
		judged, known := r.plan.expect[i].Judge(s)
		if !known && runErr == nil && r.wasOver(s) {
			continue
		}
		s.Expect = append(s.Expect, judged)
	}
	s.Incomplete = r.dir.Incomplete()
	s.Judge(r.plan.spec.MinDeliveredRatio)
	errs = append(errs, r.dir.WriteSummary(s))
	if err := errors.Join(errs...); err != nil {
		s.Incomplete = r.dir.Incomplete()
		s.Judge(r.plan.spec.MinDeliveredRatio)
		return s, errors.Join(runErr, cleanErr, err)
	}
	return s, errors.Join(runErr, cleanErr)
}

// wasOver reports whether this run resumed replays that had nothing left to send,
// so that there is nothing to measure either.
func (r *run) wasOver(s *results.Summary) bool {
	for _, l := range s.Load {
		if l.Scheduled > 0 {
			return false
		}
	}
	return len(r.scenario.resume) > 0
}

// fillDrivers puts the figures of drivers with processes of their own into the
// summary.
func (r *run) fillDrivers(s *results.Summary) {
	for _, l := range r.loads {
		d, ok := l.ingress.(interface{ Usage() producer.Usage })
		if !ok {
			continue
		}
		u := d.Usage()
		s.Process.Kload.SDKCalls += u.SDKCalls
		s.Process.Kload.SDKAttempts += u.SDKAttempts
		if u.CPUSeconds == 0 {
			continue
		}
		if s.Process.Driver == nil {
			s.Process.Driver = new(results.TargetStats)
		}
		s.Process.Driver.Add(u.CPUSeconds, u.MaxRSSBytes, u.AllocatedBytes, u.GCSeconds)
	}
}

// noteMalformed writes samples of the lines that a source could not use, and of
// those that came out of order.
func (r *run) noteMalformed() {
	for _, l := range r.loads {
		src := l.replayed()
		if src == nil {
			continue
		}
		write := func(kind string, lines []replay.Malformed) {
			for _, m := range lines {
				r.event(kind, map[string]any{"load": l.plan.name, "object": m.Object, "line": m.Line, "reason": m.Reason})
			}
		}
		write("malformed", src.Malformed())
		write("out_of_order", src.Backwards())
	}
}

// exitCode is the code of a run that broke off.
func exitCode(err error) int {
	switch {
	case errors.Is(err, kload.ErrUnreachable):
		return 5
	case errors.Is(err, kload.ErrInvalid):
		return 2
	case errors.Is(err, producer.ErrSaturated):
		return 4
	}
	return 1
}

// fill puts what was counted and measured up to a time into the summary.
func (r *run) fill(s *results.Summary, books ledger.Report, now int64) {
	r.fillBooks(s, books)
	s.Phases = r.phases.results(s, now)
	if r.collector != nil {
		r.collector.Fill(s)
	}
}

// counters returns the counters of the run under way, in a summary without
// anything else.
func (r *run) counters() *results.Summary {
	s := results.NewSummary(r.plan.spec.Name, r.id)
	r.fillBooks(s, r.ledger.Count())
	return s
}

// verify returns the final books.
func (r *run) verify() ledger.Report {
	r.invalidate()
	books := r.ledger.Verify()
	for i, c := range r.consumers {
		if c.behind || c.err != nil {
			books.Consumers[i].Stopped()
		}
	}
	return books
}

// invalidate tells the ledger of records that nobody could have recognised.
func (r *run) invalidate() {
	for _, l := range r.loads {
		if l.natural == nil {
			continue
		}
		if n := l.natural.Forgotten(); n > 0 {
			r.ledger.Invalidate(fmt.Sprintf("load %s: %d records were forgotten before every consumer had read them, for want of room (natural.entries) or because several have one id (natural.id)", l.plan.name, n))
		}
	}
}

// fillBooks puts the ledger into the summary.
func (r *run) fillBooks(s *results.Summary, books ledger.Report) {
	for i, l := range books.Loads {
		st := r.loads[i].stats()
		s.Load[l.Name] = &results.LoadCounts{
			Scheduled: l.Scheduled, Sent: l.Sent, Acked: l.Acked, Rejected: l.Rejected, Unknown: l.Unknown,
			Shed: l.Shed, Unsent: l.Unsent, DeliveredRatio: l.DeliveredRatio, Bytes: l.Bytes, StreamRecords: l.StreamRecords,
			Requests: st.Requests, Attempts: st.Attempts, Throttled: st.Throttled,
			Sources: r.loads[i].counters(), Codes: l.Codes, Producer: r.loads[i].producerDetail(),
			Shards: r.loads[i].shardCounts(len(r.endpoint.shards)),
		}
	}
	for i, c := range books.Consumers {
		s.Consumers[c.Name] = &results.ConsumerCounts{
			Read: c.Read, ReadUnique: c.ReadUnique, Duplicates: c.Duplicates, Redelivered: c.Redelivered, Lost: c.Lost, Unread: c.Unread,
			Reordered: c.Reordered, Misrouted: c.Misrouted, Corrupt: c.Corrupt, OK: c.OK, Filtered: c.Filtered,
			DeadLettered: c.DeadLettered, Sunk: c.Sunk, Foreign: c.Foreign, Untraced: c.Untraced, Phantom: c.Phantom,
			ByCount: c.ByCount, Sinks: r.consumers[i].routed(), Counters: r.consumers[i].counters(), Polling: r.plan.pollingFloor(c.Name),
		}
	}
	s.Broken = books.Broken
	s.InvalidReason = strings.Join(books.Invalid, "; ")
}

// fillTarget puts the target's own figures into the summary. A target that
// trimmed records makes losses prove nothing.
func (r *run) fillTarget(s *results.Summary, report local.Report) {
	if r.endpoint.local == nil {
		return
	}
	s.Process.Target = targetStats(report)
	// What one consumer has read may have been trimmed before another came to it.
	unread := report.Stats.TrimmedUnread > 0 || len(s.Consumers) > 1 && report.Stats.Trimmed > 0
	for _, name := range slices.Sorted(maps.Keys(s.Consumers)) {
		if lost := s.Consumers[name].Lost + s.Consumers[name].Unread; lost > 0 && unread {
			s.InvalidReason = fmt.Sprintf("the target trimmed %d stream records to stay within target.store, %d of them read by nobody; %s misses %d",
				report.Stats.Trimmed, report.Stats.TrimmedUnread, name, lost)
			return
		}
	}
}
