package replay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/jsonfield"
	"github.com/kload/kload/replay/builtin"
	"github.com/kload/kload/replay/origin"
	"github.com/kload/kload/replay/origin/s3"
)

// The beginnings of [Config.From] that do not name a place by themselves.
const (
	fromLocal = "local:"
	fromEnv   = "env:"
	fromFile  = "file://"
)

// Options say what else a source is opened with.
type Options struct {
	// From is used instead of what the configuration names.
	From origin.Origin
	// S3 is for s3://. The zero value is the SDK's default chain.
	S3 awsclient.Options
	// Local is the embedded target's S3, for local:, and nil where there is none.
	Local *awsclient.Options
	// At is where another replay of the same data ended, to go on there. nil starts
	// at the beginning.
	At *Checkpoint
}

// New is [Open] with nothing but the defaults.
func New(cfg Config) (*Source, error) { return Open(context.Background(), cfg, Options{}) }

// NewFrom is [New] for data of another origin than the one that cfg names.
func NewFrom(cfg Config, from origin.Origin) (*Source, error) {
	return Open(context.Background(), cfg, Options{From: from})
}

// Open finds the data that cfg names, opens the first object and starts reading
// ahead. The context governs the opening alone. The source must be closed.
func Open(opening context.Context, cfg Config, o Options) (*Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configuring the replay: %w", err)
	}
	from, release, err := Locate(opening, &cfg, o)
	if err != nil {
		return nil, fmt.Errorf("opening recorded data: %w", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(opening))
	opened := context.AfterFunc(opening, stop)
	s, err := start(ctx, cfg, from, o.At)
	if err == nil {
		s.stop, s.release = stop, release
	}
	switch {
	case opened() && err == nil:
		return s, nil
	case err == nil: // too late
		err = errors.Join(opening.Err(), s.Close())
	default:
		stop()
		release()
		err = errors.Join(err, opening.Err())
	}
	return nil, fmt.Errorf("opening recorded data: %w", err)
}

// start finds the first row and starts reading ahead.
func start(ctx context.Context, cfg Config, from origin.Origin, at *Checkpoint) (*Source, error) {
	list, err := from.List(ctx)
	if err != nil {
		return nil, err
	}
	if len(list.Objects) == 0 {
		return nil, noData(&cfg, list.Skipped)
	}
	objects, err := sought(ctx, &cfg, from, list.Objects)
	if err != nil {
		return nil, err
	}
	s := newSource(cfg, list.Skipped, at)
	s.from = describe(&cfg, from)
	switch {
	case cfg.Shape.IsZero():
	case at != nil && at.Shape != ([2]uint64{}):
		s.cfg.Speedup = Speedup{at.Shape[0], at.Shape[1]}
	default:
		if s.cfg.Speedup, err = shaped(ctx, &cfg, from, objects); err != nil {
			return nil, err
		}
	}
	p := &pipeline{
		objects: objects, reader: newReader(&cfg, from, objects), loop: newLooper(&cfg), order: newReorderer(&cfg),
		clock: newClock(&s.cfg, s.emit), take: s.take, free: s.free,
	}
	if p.want, err = newSelection(&cfg); err != nil {
		return nil, err
	}
	if at != nil {
		err = at.again(ctx, p)
	} else {
		err = p.reader.begin(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.reader.close())
	}
	s.measure(objects, p.loop.passes)
	go s.prefetch(ctx, p)
	return s, nil
}

func newSource(cfg Config, skipped []origin.Skipped, at *Checkpoint) *Source {
	s := &Source{
		cfg: cfg, skipped: skipped, patch: newPatcher(&cfg), finder: jsonfield.NewFinder(cfg.Timestamp), release: func() {},
		ready: make(chan *block, maxBlocks), free: make(chan *block, maxBlocks), resumed: at, passes: 1, book: &book{failed: math.MaxUint64},
	}
	s.source.Store(noTime)
	s.first.Store(noTime)
	if cfg.Watermarks {
		s.book.water = newWater()
	}
	if at != nil {
		s.book.prior = at.Acked
		if s.patch != nil && !at.Zero.IsZero() {
			s.patch.zero, s.patch.begun = at.Zero.ns, true
		}
	}
	return s
}

// measure notes how much there is to read.
func (s *Source) measure(objects []origin.Object, passes Passes) {
	s.objects = make(map[string]origin.Object, len(objects))
	all, before := int64(0), int64(0)
	for _, o := range objects {
		if s.resumed != nil && o.Name == s.resumed.Object {
			before = all
		}
		s.objects[o.Name] = o
		all += o.Size
	}
	if passes == Forever {
		return
	}
	if s.resumed != nil {
		before += all * s.resumed.Pass
	}
	s.total = all*int64(passes) - before
}

// resolve returns what From names, seen through an environment variable.
func (c *Config) resolve() (string, error) {
	name, ok := strings.CutPrefix(c.From, fromEnv)
	if !ok {
		return c.From, nil
	}
	value := os.Getenv(name)
	switch {
	case value == "":
		return "", kload.WithHint(fmt.Errorf("the environment variable %q is not set", name),
			"set it to the directory with the recorded data, or to one of the other forms of from")
	case strings.Contains(value, ":") && !filepath.IsAbs(value):
		return value, nil
	}
	return fromFile + value, nil
}

// Locate returns the origin of the data, and what is to be called when it is no
// longer used. It replaces a From that names an environment variable by what that
// holds.
func Locate(ctx context.Context, cfg *Config, o Options) (from origin.Origin, release func(), err error) {
	release = func() {}
	if o.From != nil {
		return o.From, release, nil
	}
	if cfg.From, err = cfg.resolve(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", kload.ErrInvalid, err)
	}
	options, address := o.S3, cfg.From
	switch name, local := strings.CutPrefix(cfg.From, fromLocal); {
	case local && o.Local == nil:
		return nil, nil, kload.WithHint(fmt.Errorf("%w: %s without an embedded target", kload.ErrInvalid, cfg.From),
			"use builtin:"+name+", or --target local")
	case local:
		options, address = *o.Local, s3.Scheme+name
	case !strings.HasPrefix(address, s3.Scheme):
		if from, err = origin.Parse(address); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", kload.ErrInvalid, err)
		}
		return from, release, nil
	case cfg.Endpoint != "":
		options.Endpoint = cfg.Endpoint
	}
	options.Connections = s3Connections
	client, err := awsclient.NewS3(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	if from, err = s3.New(client, address); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", kload.ErrInvalid, err)
	}
	return from, client.Close, nil
}

// s3Connections is as many as there are parts under way.
const s3Connections = 16

// LocalData returns the data set that the embedded target's S3 must hold for
// From, under the returned name as its bucket. ok is false if From is not local:.
func (c *Config) LocalData() (name string, data fs.FS, ok bool, err error) {
	name, ok = strings.CutPrefix(c.From, fromLocal)
	if !ok {
		return "", nil, false, nil
	}
	data, err = builtin.Open(name)
	if err != nil {
		err = kload.WithHint(fmt.Errorf("%w: %s: %w", kload.ErrInvalid, c.From, err), "the data sets are: "+strings.Join(builtin.Names(), ", "))
	}
	return name, data, true, err
}

func describe(cfg *Config, from origin.Origin) string {
	if s, ok := from.(fmt.Stringer); ok {
		return s.String()
	}
	return cfg.From
}

// From says where the data is and how it is reached, for the result.
func (s *Source) From() string { return s.from }
