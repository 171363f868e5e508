package replay

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kload/kload/replay/origin"
)

// Description says what recorded data holds.
type Description struct {
	Objects   []ObjectDescription `json:"objects"`
	Skipped   []origin.Skipped    `json:"skipped"`
	Total     ObjectDescription   `json:"total"`
	Malformed []Malformed         `json:"malformed_samples"`
}

// ObjectDescription says what one object holds, or all of them.
type ObjectDescription struct {
	Name       string  `json:"name,omitempty"`
	Stored     int64   `json:"stored_bytes"`
	Rows       uint64  `json:"rows"`
	RowBytes   uint64  `json:"row_bytes"` // without line ends
	Malformed  uint64  `json:"malformed"`
	Blank      uint64  `json:"blank_lines"`
	OutOfOrder uint64  `json:"out_of_order"` // rows earlier than one before them
	First      Instant `json:"first"`        // lowest and highest source time
	Last       Instant `json:"last"`
	// Density is the mean of rows per second of source time, from the first to the
	// last; PeakSecond the most rows that share a second.
	Density    float64 `json:"rows_per_second"`
	PeakSecond uint64  `json:"peak_second"`
}

// BytesPerRow is the mean length of a row.
func (d *ObjectDescription) BytesPerRow() float64 {
	return float64(d.RowBytes) / float64(max(d.Rows, 1))
}

// Describe reads all data that cfg names and says what it holds. Only From,
// Endpoint and Timestamp count.
func Describe(ctx context.Context, cfg Config, o Options) (*Description, error) {
	cfg = Config{From: cfg.From, Endpoint: cfg.Endpoint, Timestamp: cfg.Timestamp}.withDefaults()
	from, release, err := Locate(ctx, &cfg, o)
	if err != nil {
		return nil, fmt.Errorf("describing recorded data: %w", err)
	}
	defer release()
	list, err := from.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("describing recorded data: %w", err)
	}
	if len(list.Objects) == 0 {
		return nil, fmt.Errorf("describing recorded data: %w", noData(&cfg, list.Skipped))
	}
	d := &Description{Skipped: list.Skipped}
	var all census
	for _, o := range list.Objects {
		one := census{prev: all.prev, begun: all.begun}
		if err := d.read(ctx, &cfg, from, o, &one, &all); err != nil {
			return nil, fmt.Errorf("describing recorded data: %w", err)
		}
		one.end()
		one.d.Name, one.d.Stored = o.Name, o.Size
		d.Objects = append(d.Objects, one.d)
		all.d.Stored += o.Size
	}
	all.end()
	d.Total = all.d
	return d, nil
}

// read counts the rows of one object, for itself and for all.
func (d *Description) read(ctx context.Context, cfg *Config, from origin.Origin, o origin.Object, counts ...*census) (err error) {
	r := newReader(cfg, from, []origin.Object{o})
	r.samples = len(d.Malformed)
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.next(ctx); err != nil {
		return err
	}
	b := newBlock()
	for end := error(nil); end == nil; b.reset() {
		end = r.fill(ctx, b)
		for _, c := range counts {
			c.add(b, cfg.Timestamp != timestampNone)
		}
		d.Malformed = append(d.Malformed, b.samples...)
		if end != nil && !errors.Is(end, io.EOF) {
			return end
		}
	}
	return nil
}

// census counts rows.
type census struct {
	d      ObjectDescription
	prev   int64 // highest time so far, if begun
	begun  bool
	second int64 // the second that is being counted
	inIt   uint64
}

func (c *census) add(b *block, timed bool) {
	c.d.Rows += uint64(len(b.rows))
	c.d.Malformed += b.tally.malformed
	c.d.Blank += b.tally.blank
	for _, r := range b.rows {
		c.d.RowBytes += uint64(r.size)
		if timed {
			c.time(r.at)
		}
	}
}

func (c *census) time(at int64) {
	if c.d.First.IsZero() {
		c.d.First, c.d.Last = Instant{at, true}, Instant{at, true}
	}
	c.d.First.ns, c.d.Last.ns = min(c.d.First.ns, at), max(c.d.Last.ns, at)
	if c.begun && at < c.prev {
		c.d.OutOfOrder++
	}
	if !c.begun || at > c.prev {
		c.prev, c.begun = at, true
	}
	if s := at / second; s != c.second {
		c.end()
		c.second, c.inIt = s, 0
	}
	c.inIt++
}

// end takes the last second and the span into account.
func (c *census) end() {
	c.d.PeakSecond = max(c.d.PeakSecond, c.inIt)
	if span := c.d.Last.ns - c.d.First.ns; span > 0 {
		c.d.Density = float64(c.d.Rows) / (float64(span) / float64(second))
	}
}
