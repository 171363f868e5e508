package scenarios

import (
	"context"
	"fmt"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/dataset"
)

// DataDescription says what recorded data holds.
type DataDescription = replay.Description

// ObjectDescription says what one object of it holds.
type ObjectDescription = replay.ObjectDescription

// MalformedRow is a sample of the rows that were left out.
type MalformedRow = replay.Malformed

// DataOptions say which recorded data 'kload data' works on. Times and rows are
// texts as in scenario files; empty ones mean all.
type DataOptions struct {
	From, Endpoint, Timestamp string
	Seek, Until, Filter       string
	// To is the directory to write to, Rows how many rows a sample has. First takes
	// the first ones instead of some of everywhere.
	To, Rows string
	First    bool
}

func (o DataOptions) config() (replay.Config, error) {
	c := replay.Config{From: o.From, Endpoint: o.Endpoint, Timestamp: o.Timestamp, Filter: o.Filter}
	if err := c.Seek.UnmarshalText([]byte(o.Seek)); err != nil {
		return c, fmt.Errorf("%w: --seek: %w", kload.ErrInvalid, err)
	}
	if err := c.Until.UnmarshalText([]byte(o.Until)); err != nil {
		return c, fmt.Errorf("%w: --until: %w", kload.ErrInvalid, err)
	}
	return c, nil
}

// DescribeData says what recorded data holds.
func DescribeData(ctx context.Context, o DataOptions) (*DataDescription, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	return replay.Describe(ctx, c, replay.Options{})
}

// ConvertData writes recorded data in the layout that replays best.
func ConvertData(ctx context.Context, o DataOptions) (dataset.Written, error) {
	c, err := o.config()
	if err != nil {
		return dataset.Written{}, err
	}
	return dataset.Convert(ctx, c, replay.Options{}, o.To)
}

// SampleData writes some of the recorded data.
func SampleData(ctx context.Context, o DataOptions) (dataset.Written, error) {
	c, err := o.config()
	if err != nil {
		return dataset.Written{}, err
	}
	n, err := units.ParseCount(o.Rows)
	if err != nil {
		return dataset.Written{}, fmt.Errorf("%w: --rows: %w", kload.ErrInvalid, err)
	}
	return dataset.Sample(ctx, c, replay.Options{}, o.To, uint64(n), o.First)
}
