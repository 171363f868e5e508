package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/jsonfield"
	"github.com/kload/kload/internal/timesort"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/origin"
)

// sortBytes is how much text is sorted in memory at once. What is more goes to a
// temporary file.
const sortBytes = 64 << 20

// taxiTime is the attribute by which the public taxi data set is ordered. A table
// of trips without ids is numbered, since that data set has them.
const taxiTime = "dropoff_datetime"

// Convert reads all data that cfg names, CSV or anything a replay reads, and
// writes it to dir in the order of its times. Of cfg only From, Endpoint and
// Timestamp count. More than 64 MiB is sorted in a temporary file.
func Convert(ctx context.Context, cfg replay.Config, o replay.Options, dir string) (w Written, err error) {
	from, release, err := replay.Locate(ctx, &cfg, o)
	if err != nil {
		return w, fmt.Errorf("converting: %w", err)
	}
	defer release()
	c := &converter{cfg: replay.Config{From: cfg.From, Timestamp: cfg.Timestamp, ASAP: true}, from: from, sorter: timesort.New("", sortBytes)}
	if c.cfg.Timestamp == "" {
		c.cfg.Timestamp = taxiTime
	}
	list, err := from.List(ctx)
	if err != nil {
		return w, fmt.Errorf("converting: %w", err)
	}
	defer func() { err = errors.Join(err, c.sorter.Close()) }()
	if err := c.read(ctx, list); err != nil {
		return w, fmt.Errorf("converting %s: %w", cfg.From, err)
	}
	return c.write(ctx, dir)
}

type converter struct {
	cfg    replay.Config
	from   origin.Origin
	sorter *timesort.Sorter
	out    Written // what is malformed
	tables bool
	rows   uint64 // of tables
}

func isTable(name string) bool {
	return slices.Contains(strings.Split(strings.ToLower(path.Base(name)), ".")[1:], "csv")
}

func (c *converter) read(ctx context.Context, list origin.Listing) error {
	var lines only
	for _, o := range list.Objects {
		if !isTable(o.Name) {
			lines.objects = append(lines.objects, o)
			continue
		}
		c.tables = true
		if err := c.table(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", o.Name, err)
		}
	}
	if len(lines.objects) == 0 && c.tables {
		return c.usable()
	}
	lines.Origin, lines.skipped = c.from, list.Skipped
	return c.lines(ctx, lines)
}

// usable returns why there is nothing to write where there are only tables.
func (c *converter) usable() error {
	switch {
	case c.rows > 0:
		return nil
	case len(c.out.Samples) == 0:
		return kload.WithHint(fmt.Errorf("%w: the tables have no rows", kload.ErrInvalid), "a table is a header with rows behind it")
	}
	first := c.out.Samples[0]
	return kload.WithHint(fmt.Errorf("%w: none of %d rows can be used; the first, line %d of %s: %s", kload.ErrInvalid, c.out.Malformed, first.Line, first.Object, first.Reason),
		"name the column with the time by --timestamp")
}

// only is an origin with some of its objects.
type only struct {
	origin.Origin
	objects []origin.Object
	skipped []origin.Skipped
}

func (o only) List(context.Context) (origin.Listing, error) {
	return origin.Listing{Objects: o.objects, Skipped: o.skipped}, nil
}

func (c *converter) table(ctx context.Context, o origin.Object) (err error) {
	text, err := replay.OpenText(ctx, c.from, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, text.Close()) }()
	t, err := newTable(text, c.cfg.Timestamp)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		at, line, reason, err := t.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case reason != "":
			c.out.reject(1, replay.Malformed{Object: o.Name, Line: t.place(), Reason: reason})
		default:
			c.rows++
			if err := c.sorter.Add(at, line); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (c *converter) lines(ctx context.Context, from origin.Origin) (err error) {
	src, err := replay.Open(ctx, c.cfg, replay.Options{From: from})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	err = rows(ctx, src, c.cfg.Timestamp, c.sorter.Add)
	c.out.reject(src.Counters()["malformed"], src.Malformed()...)
	return err
}

// rows hands out all rows of a source with their times.
func rows(ctx context.Context, src *replay.Source, timestamp string, each func(at int64, line []byte) error) error {
	find := jsonfield.NewFinder(timestamp)
	recs := make([]kload.Record, 512)
	for {
		n, err := src.Next(ctx, recs)
		for _, r := range recs[:n] {
			value, _ := find.Find(r.Data)
			at, bad := replay.ParseInstant(string(value))
			if bad != nil {
				return bad // the source leaves such rows out
			}
			if err := each(at.Time().UnixNano(), r.Data); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write writes what was read, in order.
func (c *converter) write(ctx context.Context, dir string) (Written, error) {
	l, err := newLayout(dir, c.cfg.From, c.cfg.Timestamp)
	if err != nil {
		return Written{}, err
	}
	l.reject(c.out.Malformed, c.out.Samples...)
	if err = c.copy(ctx, l); err == nil {
		err = l.close()
	}
	if err != nil {
		l.abandon()
		return l.Written, fmt.Errorf("converting: %w", err)
	}
	return l.Written, nil
}

// copy writes the sorted rows.
func (c *converter) copy(ctx context.Context, l *layout) error {
	if err := c.sorter.Finish(); err != nil {
		return err
	}
	numbered := c.tables && c.cfg.Timestamp == taxiTime
	id, kind := jsonfield.NewFinder("trip_id"), jsonfield.NewFinder("type")
	for ctx.Err() == nil {
		at, line, err := c.sorter.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if numbered {
			_, hasID := id.Find(line)
			_, hasKind := kind.Find(line)
			line = line[:len(line)-1]
			if !hasID {
				line = strconv.AppendUint(append(line, `,"trip_id":`...), l.Rows, 10)
			}
			if !hasKind {
				line = append(line, `,"type":"trip"`...)
			}
			line = append(line, '}')
		}
		if err := l.write(at, line); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Sample writes so many rows of the data that cfg names to dir: spread evenly over
// all rows that Seek, Until and Filter leave, or the first of them. The data is
// expected in the order of its times.
func Sample(ctx context.Context, cfg replay.Config, o replay.Options, dir string, n uint64, first bool) (w Written, err error) {
	if n == 0 {
		return w, kload.WithHint(fmt.Errorf("%w: a sample of no rows", kload.ErrInvalid), "ask for at least one")
	}
	cfg = replay.Config{From: cfg.From, Endpoint: cfg.Endpoint, Timestamp: cfg.Timestamp, Seek: cfg.Seek, Until: cfg.Until, Filter: cfg.Filter, ASAP: true}
	if cfg.Timestamp == "" {
		cfg.Timestamp = taxiTime
	}
	var all uint64
	count := func(int64, []byte) error { all++; return nil }
	if !first {
		if err := pass(ctx, cfg, o, count, new(Written)); err != nil {
			return w, fmt.Errorf("sampling: %w", err)
		}
	}
	l, err := newLayout(dir, cfg.From, cfg.Timestamp)
	if err != nil {
		return w, err
	}
	var seen uint64
	take := func(at int64, line []byte) error {
		i := seen
		seen++
		// Of all rows those are taken at which i·n/all steps on.
		if !first && all > n && (i+1)*n/all == i*n/all {
			return nil
		}
		if l.Rows == n {
			return errEnough
		}
		return l.write(at, line)
	}
	err = pass(ctx, cfg, o, take, &l.Written)
	if err == nil || errors.Is(err, errEnough) {
		err = l.close()
	}
	if err != nil {
		l.abandon()
		return l.Written, fmt.Errorf("sampling: %w", err)
	}
	return l.Written, nil
}

// errEnough ends a pass for a good reason.
var errEnough = errors.New("enough rows")

// pass hands out the wanted rows once, and counts those that are malformed.
func pass(ctx context.Context, cfg replay.Config, o replay.Options, each func(at int64, line []byte) error, count *Written) error {
	src, err := replay.Open(ctx, cfg, o)
	if err != nil {
		return err
	}
	err = rows(ctx, src, cfg.Timestamp, each)
	count.reject(src.Counters()["malformed"], src.Malformed()...)
	return errors.Join(err, src.Close())
}
