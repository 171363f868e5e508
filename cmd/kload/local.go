package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/sigv4"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/scenarios"
)

// defaultStream is made where --shards is given without --stream.
const defaultStream = "kload"

// localFlags are the flags of the verb that need more than copying.
type localFlags struct {
	cfg                        local.ServeConfig
	streams                    []string
	shards                     int
	limits, latency, store     string
	stateDelay                 time.Duration
	auth, accessKey, secretKey string
	json, quiet                bool
}

func (l *localFlags) register(f *pflag.FlagSet) {
	c := &l.cfg
	f.StringVar(&c.Listen, "listen", local.DefaultAddress, "`address` to listen on; port 0 takes a free one")
	f.BoolVar(&c.AllowRemote, "allow-remote", false, "permit an address that other machines can reach")
	f.StringArrayVar(&l.streams, "stream", nil, "make a stream at the start: its `name`, or name:shards (repeatable)")
	f.IntVar(&l.shards, "shards", 1, "`number` of shards of those streams; without --stream, of one called "+defaultStream)
	f.StringVar(&l.limits, "limits", "on", "`limits` per shard: on, off, or as in a scenario, such as {write_bytes: 2MiB/s}")
	f.StringVar(&l.latency, "latency", "off", "time that calls take: off, aws-like, or a `list` such as put=lognormal(p50=4ms,p99=25ms),get=3ms,propagation=10ms")
	f.DurationVar(&l.stateDelay, "state-delay", 0, "`time` that a stream is creating, updating or deleting (default that of --latency)")
	f.StringVar(&l.store, "store", "256MiB", "most `bytes` of records kept; the oldest are trimmed")
	f.StringVar(&c.Data, "data", "", "`directory` to keep streams and records in, so that they survive the process")
	f.StringVar(&c.Fsync, "fsync", "1s", "when --data is synced to survive the machine as well: always, never or an `interval`")
	f.StringVar(&c.S3, "s3", "", "`directory` whose folders are served as S3 buckets")
	f.StringVar(&c.S3Listen, "s3-listen", local.DefaultS3Address, "`address` to serve them on")
	f.BoolVar(&c.TLS, "tls", false, "serve HTTPS with a certificate made at the start")
	f.StringVar(&c.CAFile, "tls-ca", "", "`file` to write the certificate to that clients have to trust (implies --tls; default a temporary one)")
	f.StringVar(&l.auth, "auth", "any", "`credentials` wanted: any, or sigv4 to check signatures")
	f.StringVar(&l.accessKey, "access-key", "", "access key `id` for --auth sigv4 (default $AWS_ACCESS_KEY_ID)")
	f.StringVar(&l.secretKey, "secret-key", "", "`secret` for --auth sigv4; better left in the environment (default $AWS_SECRET_ACCESS_KEY)")
	f.StringVar(&c.Account, "account", "000000000000", "account `number` in ARNs and messages")
	f.StringVar(&c.Region, "region", "us-east-1", "`region` in ARNs, and of signatures")
	f.Uint64Var(&c.Seed, "seed", 1, "`number` that everything random follows from")
	f.BoolVar(&l.json, "json", false, "print what is served, and in the end what was, as a line of JSON each")
	f.BoolVar(&l.quiet, "quiet", false, "print nothing but errors and what goes to stdout")
}

// localVerb serves the embedded target until it is told to stop. On stdout are
// the variables that point AWS tools at it; then stdout is closed, so that a
// shell that waits for them goes on.
func localVerb(u *ui, args []string) error {
	var l localFlags
	f := u.flags()
	l.register(f)
	if _, err := u.parse(f, args); err != nil {
		return err
	}
	if err := l.resolve(u, f); err != nil {
		return err
	}
	note := u.note
	if l.quiet {
		note = func(string) {}
	}
	l.cfg.Note = note
	l.cfg.Alarm = func(err error) { u.fail(err) }
	ctx, stop := interruptible(func() { note("stopping; press Ctrl-C again to stop at once") })
	defer stop()
	s, err := local.Listen(ctx, l.cfg)
	if err != nil {
		return fmt.Errorf("starting the target: %w", err)
	}
	if err := l.announce(u, s, note); err != nil {
		return err
	}
	report, err := s.Serve(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil && strings.HasPrefix(context.Cause(ctx).Error(), os.Interrupt.String()) {
		u.code = exitInterrupted
	}
	return l.conclude(u, report, note)
}

// resolve turns flags into settings.
func (l *localFlags) resolve(u *ui, f *pflag.FlagSet) error {
	c := &l.cfg
	c.TLS = c.TLS || c.CAFile != ""
	switch {
	case f.Changed("fsync") && c.Data == "":
		return u.usageError("--fsync is for --data")
	case f.Changed("s3-listen") && c.S3 == "":
		return u.usageError("--s3-listen is for --s3")
	}
	var err error
	if c.Limits, err = scenarios.ParseLimits("--limits", l.limits); err != nil {
		return err
	}
	if c.Latency, err = latency.Parse(l.latency); err != nil {
		return fmt.Errorf("--latency: %w", err)
	}
	if f.Changed("state-delay") {
		c.Latency.StateDelay = l.stateDelay
	}
	store, err := units.ParseBytes(l.store)
	if err != nil {
		return u.usageError("--store: " + err.Error())
	}
	c.StoreBytes = int64(store)
	if !isAccount(c.Account) {
		return u.usageError(fmt.Sprintf("--account must be 12 digits, not %q", c.Account))
	}
	if err := l.resolveStreams(u, f.Changed("shards")); err != nil {
		return err
	}
	return l.resolveKeys(u)
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

func (l *localFlags) resolveStreams(u *ui, counted bool) error {
	if len(l.streams) == 0 && counted {
		l.streams = []string{defaultStream}
	}
	for _, text := range l.streams {
		name, count, own := strings.Cut(text, ":")
		shards := l.shards
		if own {
			n, err := strconv.Atoi(count)
			if err != nil {
				return u.usageError(fmt.Sprintf("--stream %s: %q is no number of shards", text, count))
			}
			shards = n
		}
		l.cfg.Streams = append(l.cfg.Streams, local.NewStream{Name: name, Shards: shards})
	}
	return nil
}

// resolveKeys finds the key pair to check signatures with.
func (l *localFlags) resolveKeys(u *ui) error {
	given := l.accessKey != "" || l.secretKey != ""
	switch {
	case l.auth == "any" && given:
		return u.usageError("--access-key and --secret-key are for --auth sigv4")
	case l.auth == "any":
		return nil
	case l.auth != "sigv4":
		return u.usageError(fmt.Sprintf("--auth is any or sigv4, not %q", l.auth))
	}
	key := sigv4.Key{ID: l.accessKey, Secret: l.secretKey}
	if key.ID == "" {
		key.ID = os.Getenv("AWS_ACCESS_KEY_ID")
	}
	if key.Secret == "" {
		key.Secret = os.Getenv("AWS_SECRET_ACCESS_KEY")
	}
	if !given {
		key.Token = os.Getenv("AWS_SESSION_TOKEN")
	}
	if key.ID == "" || key.Secret == "" {
		return kload.WithHint(fmt.Errorf("%w: --auth sigv4 needs an access key and a secret", kload.ErrInvalid),
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: any two words will do, if clients have the same")
	}
	l.cfg.Keys = []sigv4.Key{key}
	return nil
}

// announce tells where the target is.
func (l *localFlags) announce(u *ui, s *local.Server, note func(string)) error {
	if l.json {
		variables := map[string]string{}
		for _, v := range s.Environ() {
			variables[v.Name] = v.Value
		}
		return u.printJSON(map[string]any{"endpoint": s.Endpoint(), "s3_endpoint": s.BucketsEndpoint(), "pid": os.Getpid(), "ca_file": s.CAFile(), "env": variables})
	}
	var text []byte
	for _, v := range s.Environ() {
		text = append(text, v.Export()+"\n"...)
	}
	if err := u.print(text); err != nil {
		return err
	}
	if out, ok := u.out.(io.Closer); ok {
		if err := out.Close(); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
	}
	note(fmt.Sprintf("serving Kinesis on %s as process %d; its status is shown there, too", s.Endpoint(), os.Getpid()))
	if s3 := s.BucketsEndpoint(); s3 != "" {
		note("serving S3 on " + s3)
	}
	note("the lines above point AWS tools and SDKs here: run them in another shell")
	if s.CAFile() != "" {
		note("clients have to trust " + s.CAFile())
	}
	if l.cfg.AllowRemote && len(l.cfg.Keys) == 0 {
		note("other machines may use this target without credentials: --auth sigv4 asks for them")
	}
	return nil
}

// conclude tells what was served.
func (l *localFlags) conclude(u *ui, r local.Report, note func(string)) error {
	if l.json {
		return u.printJSON(map[string]any{"stats": r.Stats, "max_rss_bytes": r.MaxRSSBytes, "complete": r.Complete})
	}
	var calls, failed uint64
	for action, n := range r.Stats.Requests {
		calls += n
		failed += r.Stats.Errors[action]
	}
	st := r.Stats
	note(fmt.Sprintf("served %s calls, %s of them failed; in %s records, %s; out %s records, %s",
		units.Thousands(calls), units.Thousands(failed), units.Thousands(st.RecordsIn), units.Size(st.BytesIn),
		units.Thousands(st.RecordsOut), units.Size(st.BytesOut)))
	if st.ThrottledWrites+st.ThrottledReads > 0 {
		note(fmt.Sprintf("throttled %s records and %s GetRecords", units.Thousands(st.ThrottledWrites), units.Thousands(st.ThrottledReads)))
	}
	if st.Trimmed > 0 {
		note(fmt.Sprintf("trimmed %s records to make room, %s of them unread: --store gives more", units.Thousands(st.Trimmed), units.Thousands(st.TrimmedUnread)))
	}
	if !r.Complete {
		note("calls still under way were cut off")
	}
	return nil
}
